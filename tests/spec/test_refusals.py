"""What an app reads when our server refuses a call: the server's own words, and a code that the call documents."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import make_client
import tailwire.sdk
from harness import Actor, Stage
from rest import Rest
from sizes import size
from spec.every_call import LOGINS, MAY_SUCCEED, OVER_THE_SOCKET, calls, once_connected
from spec.strangers import JSON, answer, in_its_place
from tailwire import (
    CometChatException,
    Conversation,
    FlagDetail,
    Group,
    GroupMember,
    MutedConversation,
    MutedConversationType,
    TextMessage,
    User,
)
from tailwire.wire.catalogue import CATALOGUE

WITH_A_KEY = frozenset({"create_user", "update_user"})  # as the app, not as the user
REPLACED = {"ERR_REASON_NOT_FOUND": ("flag_message", "INVALID_REASON_ID")}
"""The SDK's code for a code of the server, with the call that replaces it."""


def codes_of_the_server() -> list[str]:
    """Return the codes with which the server refuses: all, or one of each status and those that the SDK looks for."""
    codes = [code for code, entry in CATALOGUE.items() if entry.status]
    sources = "".join(path.read_text("utf-8") for path in Path(tailwire.sdk.__path__[0]).rglob("*.py"))
    of_each_status = {CATALOGUE[code].status: code for code in codes}.values()
    return size([code for code in codes if code in of_each_status or f'"{code}"' in sources], codes)


async def refusals(actor: Actor, **values: Any) -> dict[str, CometChatException]:
    """Make every call, one after the other, logins last. Return what was refused."""
    made, refused = calls(actor.chat, **values), {}
    for name in sorted(made, key=lambda name: name in LOGINS):
        try:
            await made[name]()
        except CometChatException as e:
            refused[name] = e
    return refused


@pytest.mark.slow
@pytest.mark.thorough
async def test_every_call_reports_a_refusal_in_the_words_of_the_server(stage: Stage):
    alice = await once_connected(stage)
    expected = set(calls(alice.chat)) - OVER_THE_SOCKET - MAY_SUCCEED
    assert len(expected) > 60
    for code in codes_of_the_server():
        error = {"code": code, "message": f"The words on {code}.", "details": f"What to do about {code}."}
        body = json.dumps({"error": error}).encode()
        with in_its_place(stage, answer(f"{CATALOGUE[code].status} Refused", JSON, body=body)):
            refused = await refusals(alice)
        call, its_own = REPLACED.get(code, ("", ""))
        sent = {name: (refused[name].code, refused[name].message) for name in expected if name in refused}
        assert sent == {name: (its_own if name == call else code, error["message"]) for name in expected}
        advice = {refused[name].details for name in expected - {call}}
        assert advice == {error["details"]}


DOCSTRINGS = {node.name: kind for _, kind in make_client.groups() for node in make_client.public_methods(kind)}
"""The class with the docstring of each method of the client."""


def documented(call: str) -> set[str]:
    """Return the codes that the docstring of a call names, and those of the calls to which it refers."""
    text = getattr(DOCSTRINGS[call], call).__doc__ or ""
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", text))
    others = re.findall(r"[Aa]s\s+(?:for\s+)?`(\w+)`", text)
    return named.union(*(documented(other) for other in others if other in DOCSTRINGS))


async def nobody(stage: Stage, alice: Actor) -> dict[str, Any]:
    """Return arguments that name nothing that exists."""
    stranger = User("nobody", "Nobody")
    return {
        "guid": "nowhere", "guids": ["nowhere"], "group": Group("nowhere", "Nowhere"), "message_id": 999,
        **dict.fromkeys(("uid", "receiver", "receiver_id", "conversation_with"), "nobody"), "uids": ["nobody"],
        "user": stranger, "members": [GroupMember("nobody")], "detail": FlagDetail("boredom"),
        "conversation": Conversation("alice_user_nobody", "user", stranger),
        "conversations": [MutedConversation("nobody", MutedConversationType.ONE_ON_ONE, 4_000_000_000_000)],
        "message": TextMessage(id=999, receiver="alice", sender=stranger, text="hello"),
        "auth_key": "wrong", "auth_token": "wrong", "token": "", "timezone": "Moon/Crater",
    }  # fmt: skip


async def a_group_of_others(stage: Stage, alice: Actor, kind: str = "private") -> dict[str, Any]:
    """Return arguments that name a group and a message of other users."""
    async with Rest(stage) as rest:
        await rest("POST", "/groups", json={"guid": "club", "name": "Club", "type": kind, "owner": "bob"})
        body = {"receiver": "club", "receiverType": "group", "data": {"text": "hello"}}
        sent = await rest("POST", "/messages", as_="bob", json=body)
    club = Group("club", "Club")
    return {
        "guid": "club", "guids": ["club"], "group": club, "message_id": int(sent["id"]),
        "conversation_with": "club", "conversation_type": "group", "receiver": "club", "receiver_id": "club",
        "receiver_type": "group", "conversation": Conversation("group_club", "group", club),
        "conversations": [MutedConversation("club", MutedConversationType.GROUP, 4_000_000_000_000)],
    }  # fmt: skip


async def a_public_group_of_others(stage: Stage, alice: Actor) -> dict[str, Any]:
    """Return arguments that name a group that alice may join."""
    return await a_group_of_others(stage, alice, "public")


async def a_block(stage: Stage, alice: Actor, by: str = "alice") -> dict[str, Any]:
    """Let one of alice and bob block the other, after a message of alice. Return arguments."""
    sent = await alice.say("bob", "hello")
    async with Rest(stage) as rest:
        await rest("POST", f"/users/{by}/blockedusers", json={"blockedUids": ["bob" if by == "alice" else "alice"]})
        await rest("POST", "/groups", json={"guid": "group", "name": "Group", "type": "public", "owner": "alice"})
    return {"message_id": sent.id, "uids": ["carol"]}


async def being_blocked(stage: Stage, alice: Actor) -> dict[str, Any]:
    """Let bob block alice. Return arguments."""
    return await a_block(stage, alice, by="bob")


@pytest.mark.parametrize("state", [nobody, a_group_of_others, a_public_group_of_others, a_block, being_blocked])
async def test_calls_refused_in_each_listed_state_raise_documented_codes_and_say_what_to_do(stage: Stage, state):
    alice = await stage.enter("alice")
    refused = await refusals(alice, **await state(stage, alice))
    undocumented = {name: e.code for name, e in refused.items() if e.code not in documented(name)}
    assert undocumented == {}
    without_words = {name: str(e) for name, e in refused.items() if not (e.message and e.details)}
    assert without_words == {}
    assert len(refused) > 10


async def test_calls_with_a_revoked_token_say_that_the_user_must_log_in_again(stage: Stage):
    alice = await once_connected(stage)
    made = set(calls(alice.chat)) - OVER_THE_SOCKET - MAY_SUCCEED - LOGINS
    async with Rest(stage) as rest:
        await rest("DELETE", "/users/alice/auth_tokens")
    refused = await refusals(alice)
    sent = {name: str(refused[name]) for name in made - WITH_A_KEY}
    words = "AUTH_ERR_AUTH_TOKEN_NOT_FOUND: The auth token does not exist. (Log in again to get a valid auth token.)"
    assert sent == dict.fromkeys(sent, words)


async def test_refused_connection_is_reported_in_the_words_of_the_server(stage: Stage):
    alice = await once_connected(stage)
    error = {"code": "ERR_HOST_NOT_ALLOWED", "message": "Not under this name.", "details": "Use another name."}
    with in_its_place(stage, answer("421 Misdirected", JSON, body=json.dumps({"error": error}).encode())):
        with pytest.raises(CometChatException):
            await alice.chat.connect()
        await alice.ears.until(lambda: bool(alice.ears.all("error")))
        assert "ERR_HOST_NOT_ALLOWED: Not under this name. Use another name" in str(alice.ears.all("error")[0])
