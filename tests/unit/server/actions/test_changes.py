"""Entries of the change log whose frames cannot be made: left out if the reader may not see them, refused if the store fails."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.changes import ChangeFrames
from tailwire.server.actions.directory import Directory
from tailwire.server.ports.change_log import ChangeKind, ChangeRow
from tailwire.server.ports.changes import ChangeFeed
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.refusal import Refused

UNAVAILABLE = Refused("ERR_UNAVAILABLE")
GONE = [Refused("ERR_MESSAGE_ID_NOT_FOUND"), Refused("ERR_CONVERSATION_NOT_ACCESSIBLE")]


class Users:
    """A directory of two users: alice is active, bob is deactivated."""

    def __init__(self) -> None:
        self.refusal: Refused | None = None

    async def get(self, uid: str) -> UserRow | None:
        if self.refusal is not None:
            raise self.refusal
        known = {"alice": UserRow("alice", "Alice"), "bob": UserRow("bob", "Bob", deactivated_at=7)}
        return known.get(uid)


class Nobody:
    async def blocker_between(self, one: str, other: str) -> str:
        return ""


def directory(users: Users) -> Directory:
    store = SimpleNamespace(users=users, blocks=Nobody(), feed=ChangeFeed())
    return Directory(cast(Any, store), lambda uid: False, lambda: ())


async def test_user_who_does_not_exist_or_is_deactivated_has_no_entity():
    found = directory(Users())
    assert b'"alice"' in bytes(await found.entity_if_there("alice", "carol") or b"")
    assert await found.entity_if_there("bob", "carol") is None
    assert await found.entity_if_there("nobody", "carol") is None


async def test_user_who_cannot_be_read_does_not_count_as_missing():
    users = Users()
    users.refusal = UNAVAILABLE
    with pytest.raises(Refused) as refused:
        await directory(users).entity_if_there("alice", "carol")
    assert refused.value.code == "ERR_UNAVAILABLE"


def frames_that_raise(refusal: Refused) -> ChangeFrames:
    """Return the frames of a server whose reads of messages and conversations are refused."""

    async def refuse(*_: object) -> Any:
        raise refusal

    services = SimpleNamespace(
        store=None, directory=None, authorizer=SimpleNamespace(message=refuse), delivery=SimpleNamespace(frames=None)
    )
    return ChangeFrames(cast(Any, services), cast(Any, None), cast(Any, SimpleNamespace(get=refuse)))


KINDS = [ChangeKind.SAVED, ChangeKind.UNSAVED, ChangeKind.CONVERSATION_PINNED, ChangeKind.CONVERSATION_UNPINNED]


def entry(kind: ChangeKind) -> ChangeRow:
    """Return an entry about alice's conversation with bob, or a message in it."""
    return ChangeRow(
        number=5, after_id=3, subject="own/alice", kind=kind, uid="alice", device="", to_uid="", message_id=3,
        detail="u/alice/bob", at=1,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_change_is_not_left_out_because_the_store_fails(kind: ChangeKind):
    frames = frames_that_raise(UNAVAILABLE)
    with pytest.raises(Refused):
        await frames.frames_for(Caller("alice", "", ""), [entry(kind)])
    with pytest.raises(Refused):
        await frames.shared_frame(entry(kind))


@pytest.mark.parametrize("refusal", GONE, ids=lambda one: one.code)
@pytest.mark.parametrize("kind", KINDS)
async def test_change_that_the_reader_may_no_longer_see_is_left_out(kind: ChangeKind, refusal: Refused):
    frames = frames_that_raise(refusal)
    assert await frames.frames_for(Caller("alice", "", ""), [entry(kind)]) == []
    assert await frames.shared_frame(entry(kind)) is None
