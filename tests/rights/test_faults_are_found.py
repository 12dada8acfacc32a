"""Faults about rights are planted in the server, one at a time: each has to be found by its scenarios."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from rights.scenarios import scenario
from rights.shrink import fails
from tailwire.server.actions import delivery, directory, doors, live, members, messages, reactions
from tailwire.server.actions import groups as actions_groups
from tailwire.server.actions.present import encode, group, page
from tailwire.server.ports.records import Event, MemberRow
from tailwire.server.rest import messages as rest_messages
from tailwire.server.rules import names
from tailwire.server.store import groups as store_groups

Plant = Callable[[pytest.MonkeyPatch], None]


def _conversations_of_one_name(patch):
    # The key of a conversation is its name on the wire: that of a group may be that of a pair, that of a pair another's.
    def conversation_of(sender, receiver, receiver_type):
        if receiver_type == "group":
            return f"group_{receiver}"
        return "_user_".join(sorted((sender, receiver)))

    for module in (names, doors, messages, rest_messages):
        patch.setattr(module, "conversation_of", conversation_of)


def _join_is_decided_before_the_password(patch):
    # Nobody looks again, after the slow look at the password, whether there is a ban, or the group is what it was.
    async def add_member(self, member: MemberRow, action):
        def add(c: sqlite3.Connection):
            values = (member.guid, member.uid, member.scope, member.joined_at, self._last_id)
            if c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values).rowcount != 1:
                return None
            c.execute("UPDATE groups SET members_count = members_count + 1 WHERE guid = ?", (member.guid,))
            return self._insert(c, action)

        return await self._writer.submit(add)

    patch.setattr(store_groups.Groups, "add_member", add_member)


def _a_change_of_a_group_is_decided_before_the_hash(patch):
    # All columns are written as they were read before the new password was hashed, whoever may do so by now.
    async def change_group(self, row, events=()):
        def change(c: sqlite3.Connection):
            columns = ("name", "type", "password_hash", "owner")
            marks = ", ".join(f"{name} = ?" for name in columns)
            c.execute(f"UPDATE groups SET {marks} WHERE guid = ?", [*(getattr(row, n) for n in columns), row.guid])
            self._enqueue_all(c, events, None)

        await self._writer.submit(change)

    async def update(self, caller, guid, change):
        found, member = await self._doors.group(caller, guid, "update")
        hashed = await self._hash(change.password) if change.password else None
        row = replace(found, name=change.name or found.name, type=change.type or found.type, password_hash=hashed)
        shown = group(row, member)
        await self._store.change_group(row, (Event("group_updated", encode({"group": shown})),))
        return shown

    patch.setattr(store_groups.Groups, "change_group", change_group)
    patch.setattr(actions_groups.Groups, "update", update)


def _threads_of_groups_that_one_has_left(patch):
    async def threads(self, caller, *, limit, number):
        ids, total = await self._store.followed_threads(caller.uid, limit=limit, offset=(number - 1) * limit)
        found = await self._store.messages_of(ids)
        shown = await self._views.many([found[i] for i in ids if i in found], caller.reader, following=True)
        return encode(page([msgspec.Raw(s) for s in shown], total=total, limit=limit, number=number))

    patch.setattr(reactions.Reactions, "threads", threads)


def _friends_only_is_not_asked_for_what_is_not_kept(patch):
    async def addressee(self, caller, receiver, receiver_type):
        if receiver_type == "user":
            return await self._doors.user(caller, receiver, "type"), 0
        found, _ = await self._doors.group(caller, receiver, "write")
        return found.guid, found.members_count

    patch.setattr(live.Live, "_addressee", addressee)


def _friends_only_is_not_asked_for_new_members(patch):
    async def add(self, caller, guid, uid, scope):
        user = await self._directory.user(uid)
        found = await self._store.group(guid)
        return self._publish(caller, await self._enter(caller, found, user.uid, scope, "added"))

    patch.setattr(members.Members, "_add", add)


def _a_block_does_not_hide_who_is_online(patch):
    honest = directory.Directory.present

    def present(self, row, *more, **named):
        return {**honest(self, row, *more, **named), "status": "available" if self.is_online(row.uid) else "offline"}

    patch.setattr(directory.Directory, "present", present)


def _history_before_joining_in_single_messages(patch):
    async def message(self, caller, wanted, operation):
        row = await self._store.message(doors.message_id(wanted))
        member = await self._store.member(row.receiver, caller.uid) if row and row.receiver_type == "group" else None
        if member is not None and operation == "read":
            return row
        return await honest(self, caller, wanted, operation)

    honest = doors.Doors.message
    patch.setattr(doors.Doors, "message", message)


def _history_before_joining_in_lists_of_a_group(patch):
    honest = messages.Messages.listed

    async def listed(self, caller, wanted, *, uid="", guid=""):
        if not guid:
            return await honest(self, caller, wanted, uid=uid)
        await self._doors.group(caller, guid, "read")
        rows = await self._store.messages(replace(wanted, since=0))
        return rows if wanted.newer else rows[::-1]

    patch.setattr(messages.Messages, "listed", listed)


def _a_token_outlives_its_logout_on_other_sockets(patch):
    patch.setattr(delivery.Delivery, "token_gone", lambda self, uid, token: None)


def _members_of_a_deleted_group_go_on_listening(patch):
    honest = delivery.Delivery.membership

    def membership(self, uid, guid, *, joined):
        if joined:
            honest(self, uid, guid, joined=True)

    patch.setattr(delivery.Delivery, "membership", membership)


PLANTS: dict[Plant, tuple[str, ...]] = {
    _conversations_of_one_name: ("a group named as a conversation of two", "two pairs of users with one name"),
    _join_is_decided_before_the_password: (
        "a ban while a password is looked at",
        "a group that becomes private while a password is looked at",
        "a group is removed while a password is looked at, and made anew",
    ),
    _a_change_of_a_group_is_decided_before_the_hash: (
        "a moderator is banned while a new password is hashed",
        "a group changes hands while a new password is hashed",
    ),
    _threads_of_groups_that_one_has_left: ("a thread of a group that one was banned from",),
    _friends_only_is_not_asked_for_what_is_not_kept: (
        "a role that writes to friends only: a message that is not kept",
        "a role that writes to friends only: typing",
    ),
    _friends_only_is_not_asked_for_new_members: (
        "a role that writes to friends only: a new group",
        "a role that writes to friends only: a new member",
    ),
    _a_block_does_not_hide_who_is_online: ("presence of one who has blocked",),
    _history_before_joining_in_single_messages: ("history before joining",),
    _history_before_joining_in_lists_of_a_group: ("history before joining",),
    _a_token_outlives_its_logout_on_other_sockets: ("all sockets of a token",),
    _members_of_a_deleted_group_go_on_listening: ("a namesake of a group that is gone",),
}
CASES = [(plant, name) for plant, found_by in PLANTS.items() for name in found_by]


@pytest.mark.parametrize(("plant", "name"), CASES, ids=lambda v: v if isinstance(v, str) else v.__name__.strip("_"))
def test_it_is_found(plant: Plant, name: str, monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch)
    failed = fails(scenario(name))
    assert failed is not None
    assert failed.rule.partition(":")[0] in ("right", "answer", "view", "frame", "race", "a token that ended"), failed
