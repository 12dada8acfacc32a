"""Every call of the client raises `CometChatException` and nothing else, whatever answers in the server's place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from harness import Actor, Stage
from spec.every_call import LOGINS, MAY_SUCCEED, OVER_THE_SOCKET, calls, once_connected
from spec.strangers import ANSWERS, JSON, answer, in_its_place
from tailwire import CometChatException


async def outcomes(actor: Actor) -> dict[str, BaseException | None]:
    """Make every call. Return what each raised, or None."""
    made = calls(actor.chat)
    logins = {name: made.pop(name) for name in LOGINS}  # one at a time, after the others
    ended = list(await asyncio.gather(*(call() for call in made.values()), return_exceptions=True))
    for login in logins.values():
        ended += await asyncio.gather(login(), return_exceptions=True)
    names = (*made, *logins)
    return {name: end if isinstance(end, BaseException) else None for name, end in zip(names, ended, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ANSWERS)
async def test_every_call_reports_a_stranger_as_not_reached(stage: Stage, kind: str):
    answers, cause = ANSWERS[kind]
    alice = await once_connected(stage)
    with in_its_place(stage, answers):
        ended = await outcomes(alice)
    assert len(ended) > 60
    reached = {("NO_INTERNET_CONNECTION", cause)}
    other = {}
    for name, error in ended.items():
        if isinstance(error, CometChatException):
            told = (error.code, error.cause)
            if told not in ({("NO_WEBSOCKET_CONNECTION", None)} if name in OVER_THE_SOCKET else reached):
                other[name] = told
        elif error is not None or name not in MAY_SUCCEED:
            other[name] = error
    assert other == {}


DATA: Mapping[str, Any] = {
    "null": None, "a number": 7, "a text": "hello", "an empty list": [], "an empty object": {}, "numbers": [7, 8],
    "nothings": [None], "empty objects": [{}], "lists": [[]],
    "wrong types": {"uid": 5, "guid": [], "id": "x", "success": 7, "conversationId": {}, "count": "many"},
    "wrong types by name": {
        "bob": 7, "groups": 7, "onlineUsersCount": "many", "members": {"participants": {"bob": 7}},
        "participants": {"bob": 7}, "group": {"guid": "group"},
    },
    "a list of wrong types": [{"uid": 5, "guid": [], "id": "x", "category": 7, "entity": [], "receiver": 1}],
    "nested": {"data": {"data": [{"data": None}]}, "entities": {"sender": 7, "receiver": []}},
    "an unknown message": {"id": 1, "category": "new", "type": 7, "sender": "bob", "receiver": "alice", "data": "x"},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", DATA)
async def test_every_call_reports_data_that_cannot_be_understood(stage: Stage, kind: str):
    body = json.dumps({"data": DATA[kind]}).encode()
    alice = await once_connected(stage)
    with in_its_place(stage, answer("200 OK", JSON, body=body)):
        ended = await outcomes(alice)
    others = {n: repr(e) for n, e in ended.items() if e is not None and not isinstance(e, CometChatException)}
    assert others == {}
