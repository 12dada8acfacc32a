"""Every call of the client raises `CometChatException` and nothing else, whatever answers in the server's place.

`wait_connected()` and `wait_disconnected()` raise the documented `TimeoutError` instead.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from harness import Actor, Stage
from sizes import size
from spec.every_call import LOGINS, MAY_SUCCEED, OVER_THE_SOCKET, WITHOUT_THE_SERVER, calls, once_connected
from spec.strangers import ANSWERS, JSON, answer, in_its_place
from tailwire import Cause, CometChatException, DraftChanged, TransientMessage, User


async def outcomes(actor: Actor, part: int) -> dict[str, BaseException | None]:
    """Make every call, or every third one in the usual size. Return what each raised, or None.

    Args:
        part: which of the thirds, so that the tests together make every call.
    """
    made = calls(actor.chat)
    assert len(made) > 60
    logins = {name: made.pop(name) for name in LOGINS}  # one at a time, after the others
    made = dict(list(made.items())[size(slice(part % 3, None, 3), slice(None))])
    ended = list(await asyncio.gather(*(call() for call in made.values()), return_exceptions=True))
    for login in logins.values():
        ended += await asyncio.gather(login(), return_exceptions=True)
    names = (*made, *logins)
    return {name: end if isinstance(end, BaseException) else None for name, end in zip(names, ended, strict=True)}


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("kind", ANSWERS)
async def test_every_call_reports_that_the_server_was_not_reached_when_another_service_answers(stage: Stage, kind: str):
    answers, cause = ANSWERS[kind]
    alice = await once_connected(stage)
    with in_its_place(stage, answers):
        ended = await outcomes(alice, list(ANSWERS).index(kind))
    reached = {("NO_INTERNET_CONNECTION", cause)}
    other = {}
    for name, error in ended.items():
        if isinstance(error, CometChatException):
            outcome = (error.code, error.cause)
            if outcome not in ({("NO_WEBSOCKET_CONNECTION", None)} if name in OVER_THE_SOCKET else reached):
                other[name] = outcome
        elif error is not None or name not in MAY_SUCCEED:
            other[name] = error
    assert other == {}


OF_THE_SOCKET = {Cause.NOT_OUR_SERVER: Cause.WEBSOCKET_REFUSED, Cause.CONNECTION_RESET: Cause.NOT_OUR_SERVER}
"""The causes of `connect()`, where they differ from those of a request: what has no page but refuses the socket may pass
requests, and what does not speak HTTP has answered."""
DRAFT = DraftChanged("a", User("bob", "Bob"), "alice", "user", "text", 0, 0, False)


async def outcome_of(call: Awaitable[Any]) -> Any:
    """Return the code and the cause of what a call raises, the class of another exception, or "done"."""
    try:
        await call
    except CometChatException as error:
        return error.code, error.cause
    except Exception as error:
        return type(error)
    return "done"


@pytest.mark.parametrize("kind", ANSWERS)
async def test_every_call_of_the_connection_behind_an_intermediary_ends_as_documented(stage: Stage, kind: str):
    answers, cause = ANSWERS[kind]
    alice = await once_connected(stage)
    chat, started = alice.chat, stage.actor().chat
    over_the_socket = ("NO_WEBSOCKET_CONNECTION", None)
    made: list[tuple[str, Callable[[], Awaitable[Any]], Any]] = [
        ("init", started.init, "done"),
        ("ping", chat.ping, over_the_socket),
        ("start_typing", lambda: chat.start_typing("bob"), "done"),
        ("end_typing", lambda: chat.end_typing("bob"), "done"),
        (
            "send_transient_message",
            lambda: chat.send_transient_message(TransientMessage("bob", "user", {"a": 1})),
            over_the_socket,
        ),
        ("stop_draft", lambda: chat.stop_draft(DRAFT), over_the_socket),
        ("connect", chat.connect, ("WS_CONNECTION_FAIL", OF_THE_SOCKET.get(cause, cause))),
        ("wait_connected", lambda: chat.wait_connected(5), TimeoutError),
        ("disconnect", chat.disconnect, "done"),
        ("wait_disconnected", lambda: chat.wait_disconnected(5), "done"),
        ("logout", chat.logout, "done"),
        ("aclose", chat.aclose, "done"),
    ]
    assert {name for name, _, _ in made} == WITHOUT_THE_SERVER
    with in_its_place(stage, answers):
        begin = stage.now
        ended = {name: await outcome_of(call()) for name, call, _ in made}
        assert stage.now - begin < 5 + 15 + 15  # the wait, the attempt, and the logout on the server
    assert ended == {name: expected for name, _, expected in made}


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
@pytest.mark.thorough
@pytest.mark.parametrize("kind", DATA)
async def test_every_call_succeeds_or_raises_a_cometchat_exception_on_data_of_wrong_types(stage: Stage, kind: str):
    body = json.dumps({"data": DATA[kind]}).encode()
    alice = await once_connected(stage)
    with in_its_place(stage, answer("200 OK", JSON, body=body)):
        ended = await outcomes(alice, list(DATA).index(kind))
    others = {n: repr(e) for n, e in ended.items() if e is not None and not isinstance(e, CometChatException)}
    assert others == {}
