"""Clients name their devices themselves, and everybody sees the names: a user who takes another's name hides nothing."""

from __future__ import annotations

import asyncio

import pytest

from harness import CONNECTED, Actor, Stage
from rest import Rest
from tailwire import (
    EventStream,
    Group,
    GroupChanged,
    MessageDeleted,
    MessageEdited,
    MessageReceived,
    ReactionChanged,
)


async def act(rest: Rest, device: str) -> None:
    """Let mallory join the group, and send, edit, delete and react there, with a client that names itself `device`."""
    as_mallory = {"as_": "mallory", "headers": {"resource": device}}
    await rest("POST", "/groups/team/members", json={}, **as_mallory)
    body = {"receiver": "team", "receiverType": "group"}
    kept = await rest("POST", "/messages", json={**body, "data": {"text": "kept"}}, **as_mallory)
    gone = await rest("POST", "/messages", json={**body, "data": {"text": "gone"}}, **as_mallory)
    await rest("PUT", f"/messages/{kept['id']}", json={"data": {"text": "edited text"}}, **as_mallory)
    await rest("DELETE", f"/messages/{gone['id']}", **as_mallory)
    await rest("POST", f"/messages/{kept['id']}/reactions/👍", **as_mallory)


async def enter_with_a_public_device(stage: Stage, rest: Rest) -> tuple[Actor, str]:
    """Return bob, who owns the group `team`, and the name of his device as another user reads it."""
    bob = await stage.enter("bob")
    await rest("POST", "/users", json={"uid": "mallory", "name": "Mallory"})
    await bob.chat.create_group(Group("team", "Team"))
    sent = await bob.say("mallory", "hello")
    seen = await rest("GET", f"/messages/{sent.id}", as_="mallory")
    return bob, seen["data"]["resource"]


def described(event: object) -> str:
    """Return a short description of an event; "" for other events."""
    match event:
        case MessageReceived():
            return f"text {event.message.text}"
        case MessageEdited():
            return "edited"
        case MessageDeleted():
            return "deleted"
        case ReactionChanged():
            return event.event.reaction.reaction
        case GroupChanged():
            return event.action.action
    return ""


async def record(stream: EventStream, seen: list[str]) -> None:
    """Append the descriptions of the events of a stream to `seen`, until the stream ends."""
    async for event in stream:
        if text := described(event):
            seen.append(text)


@pytest.mark.spec("S2", "S27")
async def test_everything_arrives_from_a_user_who_names_their_device_like_the_receivers(stage: Stage):
    async with Rest(stage) as rest:
        bob, device = await enter_with_a_public_device(stage, rest)
        seen: list[str] = []
        recording = asyncio.ensure_future(record(bob.chat.events(), seen))
        await act(rest, device)
        await stage.pass_time(3)
        assert seen == ["joined", "text kept", "text gone", "edited", "deleted", "👍"]
        await bob.chat.aclose()
        await recording


@pytest.mark.spec("K2")
async def test_everything_missed_arrives_from_a_user_who_names_their_device_like_the_receivers(stage: Stage):
    async with Rest(stage) as rest:
        bob, device = await enter_with_a_public_device(stage, rest)
        bob.chat.set_app_state("background")
        await stage.pass_time(1)
        seen: list[str] = []
        recording = asyncio.ensure_future(record(bob.chat.events(), seen))
        await act(rest, device)
        bob.chat.set_app_state("foreground")
        await bob.ears.until(lambda: bob.ears.statuses.count(CONNECTED) == 2)
        await stage.pass_time(3)
        # A message that was edited meanwhile arrives with its last text, one that was deleted arrives as deleted only.
        assert seen == ["joined", "text edited text", "edited", "deleted", "👍"]
        await bob.chat.aclose()
        await recording
