"""Finds the groups, messages and users that a caller names, and checks what the caller may do to them.

A read is checked against the current state. For a change, an action builds an act: a description of the change with a
condition, which the store checks in the transaction that writes. The permission tables are in `rules.permissions`. API
keys are checked in `sessions`.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.directory import Directory
from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.records import GroupRow, MemberRow, MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding, MessageAct, MessageStanding
from tailwire.server.ports.store import Store
from tailwire.server.rules import permissions
from tailwire.server.rules.names import identifier
from tailwire.server.rules.permissions import GroupOperation, MessageOperation, UserOperation


class Authorizer:
    """Looks up objects and checks permissions on them."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def group(self, caller: Caller, guid: str, operation: GroupOperation) -> tuple[GroupRow, MemberRow | None]:
        """Return a group, and the caller's membership in it, if the caller may perform an operation there.

        The membership is None for a caller who is not a member, and for the app itself.

        Raises:
            Refused: ERR_BAD_REQUEST: the guid is malformed; ERR_GUID_NOT_FOUND: there is no such group; or the code in
                the permission table.
        """
        if caller.system:
            group = await self._store.groups.get(identifier(guid, "guid"))
            if group is None:
                raise Refused("ERR_GUID_NOT_FOUND")
            return group, None
        result = await self._store.groups.get_for(identifier(guid, "guid"), caller.uid)
        if result is None:
            raise Refused("ERR_GUID_NOT_FOUND")
        found, member, ban = result
        permissions.check_group(operation, permissions.group_role(found, member, ban, knows=caller.key))
        return found, member

    def group_act(
        self,
        caller: Caller,
        guid: str,
        operation: GroupOperation,
        subject: str = "",
        also: Callable[[GroupStanding], None] | None = None,
    ) -> GroupAct:
        """Return an act: who changes what in a group, with the condition under which they may.

        Nothing is checked here but the form of the guid. The store calls the condition in the transaction that writes;
        if the caller may not perform the operation, or `also` raises, it raises `Refused` and nothing is written.

        Args:
            caller: who acts.
            guid: the group.
            operation: a row of the permission table of groups.
            subject: the uid of the user who is acted on; "" for the group itself.
            also: a further condition, checked after the permission; raises `Refused` if it does not hold.

        Raises:
            Refused: ERR_BAD_REQUEST: the guid is malformed.
        """

        def check(standing: GroupStanding) -> None:
            self.check_in_group(caller, standing, operation)
            if also is not None:
                also(standing)

        return GroupAct(identifier(guid, "guid"), caller.uid, subject, check, caller.device)

    def check_in_group(self, caller: Caller, standing: GroupStanding, operation: GroupOperation) -> None:
        """Check that the caller may perform an operation, given their role in the group or their ban from it.

        Args:
            caller: who acts. The app itself may do everything.
            standing: the group, with the caller's membership and ban.
            operation: a row of the permission table of groups.

        Raises:
            Refused: with the code in the permission table.
        """
        if not caller.system:
            role = permissions.group_role(standing.group, standing.actor, standing.actor_ban, knows=caller.key)
            permissions.check_group(operation, role)

    def message_act(
        self,
        caller: Caller,
        message_id: str | int,
        operation: MessageOperation,
        also: Callable[[MessageRow], None] | None = None,
    ) -> MessageAct:
        """Return an act: who changes which message, with the condition under which they may.

        Nothing is checked here but the form of the id. The store calls the condition in the transaction that writes;
        if the caller may not perform the operation, a block between two users forbids it, or `also` raises, it raises
        `Refused` and nothing is written.

        Args:
            caller: who acts.
            message_id: the message's id.
            operation: a row of the permission table of messages.
            also: a further condition on the message, checked last; raises `Refused` if it does not hold.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND: the id is malformed.
        """

        def check(standing: MessageStanding) -> None:
            row = standing.message
            if not caller.system:
                owner = standing.owner if standing.member is not None else None
                role = permissions.message_role(row, caller.uid, standing.member, owner)
                permissions.check_message(operation, role)
                if row.receiver_type == "user" and operation in permissions.STOPPED_BY_BLOCKS:
                    other = row.receiver if caller.uid == row.sender else row.sender
                    permissions.check_user("change", permissions.user_role(caller.uid, other, standing.blocked_by))
            if also is not None:
                also(row)

        return MessageAct(parsed_message_id(message_id), caller.uid, check, caller.device)

    async def message(self, caller: Caller, message_id: str | int, operation: MessageOperation) -> MessageRow:
        """Return a message, if the caller may perform an operation on it.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, also for a message that the caller may not read; or the code in the
                permission table.
        """
        return (await self._store.standings.message(self.message_act(caller, message_id, operation))).message

    async def conversation(self, caller: Caller, kind: str, other: str) -> ConversationKey:
        """Return the key of the caller's conversation with a user, or of the conversation of a group they may read.

        The conversation with a user need not exist yet. If the user was deactivated or deleted, it has to be in the
        caller's list, where it can still be read, marked and deleted.

        Args:
            caller: a participant.
            kind: `user` or `group`.
            other: the uid or guid.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the user does not exist, or is deactivated, and the caller has no conversation
                with them; for a group as in `group`.
        """
        if kind == "group":
            found, _ = await self.group(caller, other, "read")
            return key_of("", found.guid, "group")
        uid = identifier(other, "uid")
        conversation = key_of(caller.uid, uid, "user")
        is_there = await self._directory.entity_if_there(uid, "") is not None
        if not is_there and await self._store.conversations.get(conversation, caller.uid, "user") is None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": uid})
        return conversation

    async def user(self, caller: Caller, uid: str, operation: UserOperation) -> str:
        """Return the normalized uid of a user, if the caller may perform an operation on them.

        Raises:
            Refused: ERR_BAD_REQUEST: the uid is malformed; ERR_UID_NOT_FOUND: the user does not exist, or is
                deactivated; or the code in the permission table.
        """
        uid = identifier(uid, "uid")
        await self.existing_user(caller, uid, operation)
        return uid

    async def existing_user(self, caller: Caller, uid: str, operation: UserOperation) -> msgspec.Raw:
        """Return a user if the caller may perform an operation on them, as JSON without `metadata`.

        Args:
            caller: who acts.
            uid: the user's uid, already normalized.
            operation: a row of the permission table of users.

        Raises:
            Refused: ERR_UID_NOT_FOUND: the user does not exist, or is deactivated; or the code in the permission table.
        """
        entity = await self._directory.stored_entity(uid)
        if not caller.system:
            blocked_by = await self._store.blocks.blocker_between(caller.uid, uid)
            permissions.check_user(operation, permissions.user_role(caller.uid, uid, blocked_by))
        return entity


def parsed_message_id(value: str | int) -> int:
    """Return a message id as a number, from the form in which clients send it.

    Raises:
        Refused: ERR_MESSAGE_ID_NOT_FOUND: no message can have this id.
    """
    if isinstance(value, str):
        number = int(value) if value.isascii() and value.isdecimal() and len(value) < 20 else 0
    else:
        number = value
    if not 0 < number < 2**63:
        raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"id": value[:50] if isinstance(value, str) else "Use a message id."})
    return number
