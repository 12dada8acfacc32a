"""Plants one permission fault at a time in the server. Its scenarios, which pass without the fault, must find it."""

from __future__ import annotations

import functools
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import astuple, fields, replace

import pytest

from planting import replaced
from rights.scenarios import OVERLAPS, overlap, scenario
from rights.shrink import fails
from tailwire.server.actions import authorization, delivery, directory, ephemeral, members, messages
from tailwire.server.actions import groups as actions_groups
from tailwire.server.ports import conversations
from tailwire.server.ports.records import GroupRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupStanding
from tailwire.server.rules import permissions
from tailwire.server.store.sql import annotations as read_annotations
from tailwire.server.store.sql import change_log as log_rows
from tailwire.server.store.sql import conversations as store_conversations
from tailwire.server.store.sql import listing, removed_names
from tailwire.server.store.sql import messages as read_messages
from tailwire.server.store.sql.change_log import ChangeLogRows
from tailwire.server.store.sqlite import annotations, removal, standings
from tailwire.server.store.sqlite import groups as store_groups
from tailwire.server.store.sqlite import members as store_members
from tailwire.server.store.sqlite import messages as store_messages
from tailwire.server.store.sqlite import reactions as store_reactions

Plant = Callable[[pytest.MonkeyPatch], None]


def _everywhere(patch, honest, planted):
    # Replaces a function in all modules that import it.
    for name, module in list(sys.modules.items()):
        if name.startswith("tailwire.server") and getattr(module, honest.__name__, None) is honest:
            patch.setattr(module, honest.__name__, planted)


def _conversations_of_one_name(patch):
    # The key of a conversation is its client-visible id, which is ambiguous.
    def key_of(sender, receiver, receiver_type):
        if receiver_type == "group":
            return f"g/{receiver}"
        name = "_user_".join(sorted((sender, receiver)))
        return f"g/{name.removeprefix('group_')}" if name.startswith("group_") else f"u/{name}"

    def other_in(key, uid):
        name = key.removeprefix("u/") if key.startswith("u/") else f"group_{key.removeprefix('g/')}"
        if name.startswith(f"{uid}_user_"):
            return name.removeprefix(f"{uid}_user_")
        return name.removesuffix(f"_user_{uid}") if name.endswith(f"_user_{uid}") else ""

    _everywhere(patch, conversations.key_of, key_of)
    _everywhere(patch, conversations.other_in, other_in)


def _join_is_decided_before_the_password(patch):
    # Bans and changes of the group during the slow password check are ignored.
    async def enter(self, caller, act, scope, action):
        now = self._world.seconds()
        draft = await self._action.drafter(caller, action, act.subject, now)
        found = GroupStanding(GroupRow(act.guid, act.guid, "password", owner="", created_at=0))

        def add(c: sqlite3.Connection):
            values = (act.guid, act.subject, scope, now, store.database.last_id)
            if c.execute("INSERT INTO members VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", values).rowcount != 1:
                raise Refused("ERR_ALREADY_JOINED")
            c.execute("UPDATE groups SET members_count = members_count + 1 WHERE guid = ?", (act.guid,))
            return store.messages.insert(c, draft(found))

        store = self._store
        stored = await store.database.write(add)
        self._delivery.change_subscription(act.subject, act.guid, joined=True)
        return stored

    patch.setattr(members.Members, "_enter", enter)


def _a_change_of_a_group_is_decided_before_the_hash(patch):
    # All columns are written as they were before the password was hashed, without another check.
    honest = actions_groups.Groups.update

    async def update(self, caller, guid, change):
        before, _ = await self._authorizer.group(caller, guid, "update")
        names = [f.name for f in fields(GroupRow)]

        async def change_group(act, decide, events):
            def write(c: sqlite3.Connection):
                row = replace(before, **decide(GroupStanding(before)))
                marks = ", ".join(f"{name} = ?" for name in names)
                c.execute(f"UPDATE groups SET {marks} WHERE guid = ?", [*astuple(row), guid])
                return row, self._store.groups._log.add_group_change(c, guid, act.actor, act.device)

            return await self._store.database.write(write)

        self._store.groups.change = change_group
        try:
            return await honest(self, caller, guid, change)
        finally:
            del self._store.groups.change

    patch.setattr(actions_groups.Groups, "update", update)


def _threads_of_groups_that_one_has_left(patch):
    patch.setattr(store_members, "_UNFOLLOW_SQL", "SELECT :uid, :conversation")
    followed = "FROM subscriptions s JOIN messages m ON m.id = s.message_id WHERE s.uid = :uid"
    patch.setattr(read_annotations, "_FOLLOWED_FROM_CLAUSE", followed)


def _friends_only_is_not_asked_for_what_is_not_kept(patch):
    async def addressee(self, caller, receiver, receiver_type):
        if receiver_type == "user":
            return await self._authorizer.user(caller, receiver, "type"), 0
        found, _ = await self._authorizer.group(caller, receiver, "write")
        return found.guid, found.members_count

    patch.setattr(ephemeral.Ephemeral, "_addressee", addressee)


def _friends_only_is_not_asked_for_new_members(patch):
    honest = members.Members._add

    async def add(self, *args):
        roles, self._roles = self._roles, _NoRoles()
        try:
            return await honest(self, *args)
        finally:
            self._roles = roles

    patch.setattr(members.Members, "_add", add)


class _NoRoles:
    async def check_receiver(self, caller, receiver):
        pass


def _a_block_does_not_hide_who_is_online(patch):
    async def is_hidden(self, uid, reader):
        return False

    patch.setattr(directory.Directory, "_is_hidden", is_hidden)


def _a_block_does_not_hide_who_is_online_in_lists_of_those(patch):
    async def online_to(self, reader):
        return tuple(self._everyone_online())

    patch.setattr(directory.Directory, "online_to", online_to)


def _a_block_stops_nothing_but_sends(patch):
    patch.setattr(permissions, "STOPPED_BY_BLOCKS", frozenset())


def _blocks_are_not_looked_at_in_the_store(patch):
    patch.setattr(standings, "BETWEEN_SQL", "SELECT uid FROM blocks WHERE :one = '' AND :other = '' AND :by = ''")


def _a_participant_pins_what_they_said(patch):
    patch.setitem(permissions._MESSAGES["pin"], "author", "")


def _no_history_before_joining_in_single_messages(patch):
    honest = authorization.Authorizer.message

    async def message(self, caller, message_id, operation):
        row = await honest(self, caller, message_id, operation)
        member = await self._store.members.get(row.receiver, caller.uid) if row.receiver_type == "group" else None
        if member is not None and row.id <= member.joined_after_id:
            raise Refused("ERR_MESSAGE_ID_NOT_FOUND")
        return row

    patch.setattr(authorization.Authorizer, "message", message)


def _no_history_before_joining_in_lists_of_a_group(patch):
    honest = messages.Messages.list_page

    async def listed(self, caller, criteria, *, uid="", guid=""):
        if guid:
            _, member = await self._authorizer.group(caller, guid, "read")
            criteria = replace(criteria, cursor=member.joined_after_id, newer=True)
        return await honest(self, caller, criteria, uid=uid, guid=guid)

    patch.setattr(messages.Messages, "list_page", listed)


def _newcomers_have_missed_all_that_was_said(patch):
    patch.setattr(listing, "_is_missed", lambda s: False)
    patch.setattr(read_messages, "list_messages", functools.lru_cache(listing.list_messages.__wrapped__))


def _newcomers_have_not_read_what_was_said(patch):
    page_ = replaced(store_conversations._PAGE_SQL, "(read_id, cleared_id, since)", "(read_id, cleared_id)")
    assert page_ != store_conversations._PAGE_SQL
    patch.setattr(store_conversations, "_PAGE_SQL", page_)


def _the_newest_is_shown_though_it_was_cleared(patch):
    latest = listing.LATEST_OF_USER_SQL.partition(" AND NOT (EXISTS")[0]
    assert latest != listing.LATEST_OF_USER_SQL
    patch.setattr(read_messages, "LATEST_OF_USER_SQL", latest)


def _a_conversation_keeps_its_last_message_that_is_gone(patch):
    patch.setattr(removal, "_UPDATE_LAST_SQL", "DELETE FROM conversations WHERE conversation_id = :of AND 0")


def _a_token_outlives_its_logout_on_other_sockets(patch):
    patch.setattr(delivery.Delivery, "close_revoked", lambda self, uid, token: None)


def _members_of_a_deleted_group_go_on_listening(patch):
    honest = delivery.Delivery.change_subscription

    def membership(self, uid, guid, *, joined, **more):
        if joined:
            honest(self, uid, guid, joined=True, **more)

    patch.setattr(delivery.Delivery, "change_subscription", membership)


# Decisions that are made before the transaction, and not again in it.


def _membership_is_decided_before_a_message_is_stored(patch):
    patch.setattr(store_messages, "_IS_MEMBER_SQL", "SELECT 1 WHERE ? <> ?")


def _forget_removed_names(patch):
    patch.setattr(removed_names, "REMOVED_SQL", f"SELECT * FROM ({removed_names.REMOVED_SQL}) WHERE 0")


def _neither_membership_nor_removal_is_looked_at_when_a_message_is_stored(patch):
    _membership_is_decided_before_a_message_is_stored(patch)
    _forget_removed_names(patch)


def _join_is_decided_before_the_password_also_if_the_group_was_removed(patch):
    _join_is_decided_before_the_password(patch)
    _forget_removed_names(patch)


def _groups_are_decided_on_before_the_transaction(patch):
    # The earlier standing is used for the change.
    looked = {}
    honest = standings.check_group_act

    async def group(self, act):
        looked[id(act)] = found = honest(self._db.reader, act)
        return found

    def check_group_act(c, act):
        return looked[id(act)] if id(act) in looked else honest(c, act)

    patch.setattr(standings.Standings, "group", group)
    for module in (store_groups, store_members, removal):
        patch.setattr(module, "check_group_act", check_group_act)


def _messages_are_decided_on_before_the_transaction(patch):
    looked = {}
    honest = standings.check_message_act

    async def message(self, act):
        looked[id(act)] = found = honest(self._db.reader, act)
        return found

    def check_message_act(c, act):
        return looked[id(act)] if id(act) in looked else honest(c, act)

    patch.setattr(standings.Standings, "message", message)
    for module in (store_messages, store_reactions, annotations):
        patch.setattr(module, "check_message_act", check_message_act)


def _absent_member_receives_earlier_changes(patch):
    find = replaced(log_rows._FIND_SQL, "AND c.after_id > m.joined_after_id", "")
    patch.setattr(log_rows, "_FIND_SQL", replaced(find, "ELSE c.after_id > e.since_id END", "ELSE 1 END"))


def _absent_former_member_receives_later_changes(patch):
    patch.setattr(log_rows, "_FIND_SQL", replaced(log_rows._FIND_SQL, "AND c.number < e.number", ""))


def _absent_former_member_receives_later_messages(patch):
    honest = ChangeLogRows.ended_memberships

    async def ended_memberships(self, reader, after_id, limit):
        return [one._replace(until_id=10**9) for one in await honest(self, reader, after_id, limit)]

    patch.setattr(ChangeLogRows, "ended_memberships", ended_memberships)


def _absent_member_does_not_receive_their_own_leaving(patch):
    async def ended_memberships(self, reader, after_id, limit):
        return []

    patch.setattr(ChangeLogRows, "ended_memberships", ended_memberships)


PLANTS: dict[Plant, tuple[str, ...]] = {
    _absent_member_receives_earlier_changes: ("away: before joining and after leaving a group",),
    _absent_former_member_receives_later_changes: ("away: before joining and after leaving a group",),
    _absent_former_member_receives_later_messages: ("away: before joining and after leaving a group",),
    _absent_member_does_not_receive_their_own_leaving: ("away: before joining and after leaving a group",),
    _conversations_of_one_name: (
        "a group named like a conversation of two users",
        "two pairs of users whose conversations have one id",
    ),
    _join_is_decided_before_the_password: (
        "a ban while a password is checked",
        "a group that becomes private while a password is checked",
    ),
    _join_is_decided_before_the_password_also_if_the_group_was_removed: (
        "a group is removed while a password is checked, and created again",
    ),
    _a_change_of_a_group_is_decided_before_the_hash: (
        "a moderator is banned while a new password is hashed",
        "a group changes hands while a new password is hashed",
    ),
    _threads_of_groups_that_one_has_left: ("a thread of a group from which a user was banned",),
    _friends_only_is_not_asked_for_what_is_not_kept: (
        "a role that writes to friends only: a transient message",
        "a role that writes to friends only: typing",
    ),
    _friends_only_is_not_asked_for_new_members: (
        "a role that writes to friends only: a new group",
        "a role that writes to friends only: a new member",
    ),
    _a_block_does_not_hide_who_is_online: ("presence of a user who has blocked another",),
    _a_block_does_not_hide_who_is_online_in_lists_of_those: ("presence of a user who has blocked another",),
    _a_block_stops_nothing_but_sends: ("changes of messages from before a block",),
    _blocks_are_not_looked_at_in_the_store: ("changes of messages from before a block",),
    _a_participant_pins_what_they_said: ("a participant's own message in a group",),
    _the_newest_is_shown_though_it_was_cleared: ("a cleared conversation",),
    _a_conversation_keeps_its_last_message_that_is_gone: ("a sender of the last messages is deleted with them",),
    _no_history_before_joining_in_single_messages: ("history before joining",),
    _no_history_before_joining_in_lists_of_a_group: ("history before joining",),
    _newcomers_have_missed_all_that_was_said: ("history before joining",),
    _newcomers_have_not_read_what_was_said: ("history before joining",),
    _a_token_outlives_its_logout_on_other_sockets: ("all sockets of a token",),
    _members_of_a_deleted_group_go_on_listening: ("a namesake of a removed group",),
    _membership_is_decided_before_a_message_is_stored: (
        "a kicked member sends",
        "a banned member sends",
    ),
    _neither_membership_nor_removal_is_looked_at_when_a_message_is_stored: ("a send to a group that is removed",),
    _groups_are_decided_on_before_the_transaction: (
        "a new owner leaves",
        "a new owner is kicked",
        "a demoted moderator kicks",
        "a moderator is banned, and bans",
        "a leaving member is banned",
        "two users remove a group",
        "a user is banned while they are added",
    ),
    _messages_are_decided_on_before_the_transaction: (
        "a banned member edits",
        "a reaction to a deleted message",
        "a save of a deleted message",
        "a pin of a deleted message",
    ),
}
CASES = [(plant, name) for plant, found_by in PLANTS.items() for name in found_by]


@pytest.mark.parametrize(("plant", "name"), CASES, ids=lambda v: v if isinstance(v, str) else v.__name__.strip("_"))
def test_planted_fault_is_found(plant: Plant, name: str, monkeypatch: pytest.MonkeyPatch):
    # Without the fault the same steps pass in `test_rights.py`.
    plant(monkeypatch)
    failed = fails(overlap(name), looks=False) if name in OVERLAPS else fails(scenario(name))
    assert failed is not None
    assert failed.rule.partition(":")[0] in (
        "right",
        "answer",
        "view",
        "frame",
        "race",
        "a token that ended",
        "catch-up",
        "catch-up missing",
    ), failed


def test_planted_fault_whose_text_to_replace_is_missing_fails():
    assert replaced("SELECT a", "a", "b") == "SELECT b"
    with pytest.raises(AssertionError, match="is not in"):
        replaced("SELECT a", "b", "c")
