"""Finds what somebody names, if they may do there what they want: the rules' table is asked here and nowhere else.

Who reads is answered by what stands at that moment. Who changes something makes an act of it: the store asks again in
the transaction that writes.
"""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.directory import Directory
from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.records import GroupRow, MemberRow, MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.standing import GroupAct, GroupStanding, MessageAct, MessageStanding
from tailwire.server.ports.store import Store
from tailwire.server.rules import permissions
from tailwire.server.rules.names import identifier


class Doors:
    """Looks up, and lets pass or refuses."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def group(self, caller: Caller, guid: str, operation: str) -> tuple[GroupRow, MemberRow | None]:
        """A group in which the caller may do something, and their membership.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or as the table says.
        """
        found = await self._store.groups.get(identifier(guid, "guid"))
        if found is None:
            raise Refused("ERR_GUID_NOT_FOUND")
        if caller.system:
            return found, None
        member = await self._store.members.get(found.guid, caller.uid)
        ban = await self._store.members.ban_of(found.guid, caller.uid) if member is None else None
        permissions.check_group(operation, permissions.group_role(found, member, ban, knows=caller.key))
        return found, member

    def group_act(
        self,
        caller: Caller,
        guid: str,
        operation: str,
        on: str = "",
        also: Callable[[GroupStanding], None] | None = None,
    ) -> GroupAct:
        """Return what the caller does in a group, for the store to ask whether they may.

        Args:
            operation: of the table of groups.
            on: the uid of who is acted on.
            also: what else must hold; raises `Refused`.
        """

        def allowed(standing: GroupStanding) -> None:
            if not caller.system:
                role = permissions.group_role(standing.group, standing.by, standing.by_ban, knows=caller.key)
                permissions.check_group(operation, role)
            if also is not None:
                also(standing)

        return GroupAct(identifier(guid, "guid"), caller.uid, on, allowed)

    def message_act(
        self, caller: Caller, wanted: str | int, operation: str, also: Callable[[MessageRow], None] | None = None
    ) -> MessageAct:
        """Return what the caller does to a message, for the store to ask whether they may.

        Args:
            operation: of the table of messages.
            also: what else must hold of the message; raises `Refused`.
        """

        def allowed(standing: MessageStanding) -> None:
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

        return MessageAct(message_id(wanted), caller.uid, allowed)

    async def message(self, caller: Caller, wanted: str | int, operation: str) -> MessageRow:
        """A message to which the caller may do something.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, also for one that they may not read; or as the table says.
        """
        return (await self._store.standings.message(self.message_act(caller, wanted, operation))).message

    async def conversation(self, caller: Caller, kind: str, other: str) -> ConversationKey:
        """The key of the caller's conversation with a user (`kind` is `user`), or of a group that they may read.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, or as the table says.
        """
        if kind == "group":
            found, _ = await self.group(caller, other, "read")
            return key_of("", found.guid, "group")
        uid = identifier(other, "uid")
        await self._directory.user_entity(uid)
        return key_of(caller.uid, uid, "user")

    async def user(self, caller: Caller, uid: str, operation: str) -> str:
        """The uid of a user to whom the caller may do something.

        Raises:
            Refused: ERR_UID_NOT_FOUND, or as the table says.
        """
        uid = identifier(uid, "uid")
        await self._directory.user_entity(uid)
        if not caller.system:
            blocked_by = await self._store.blocks.between(caller.uid, uid)
            permissions.check_user(operation, permissions.user_role(caller.uid, uid, blocked_by))
        return uid


def message_id(value: str | int) -> int:
    """A message id as clients send it.

    Raises:
        Refused: ERR_MESSAGE_ID_NOT_FOUND.
    """
    if isinstance(value, str):
        number = int(value) if value.isascii() and value.isdecimal() and len(value) < 20 else 0
    else:
        number = value
    if not 0 < number < 2**63:
        raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"id": value[:50] if isinstance(value, str) else "Use a message id."})
    return number
