"""Finds what somebody names, if she may do there what she wants: the rules' table is asked here and nowhere else."""

from __future__ import annotations

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.directory import Directory
from tailwire.server.ports.records import GroupRow, MemberRow, MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.rules import permissions
from tailwire.server.rules.names import conversation_of, identifier


class Doors:
    """Looks up, and lets pass or refuses."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    async def group(self, caller: Caller, guid: str, operation: str) -> tuple[GroupRow, MemberRow | None]:
        """A group in which the caller may do something, and her membership.

        Raises:
            Refused: ERR_GUID_NOT_FOUND, or as the table says.
        """
        found = await self._store.group(identifier(guid, "guid"))
        if found is None:
            raise Refused("ERR_GUID_NOT_FOUND")
        if caller.system:
            return found, None
        member = await self._store.member(found.guid, caller.uid)
        ban = await self._store.ban_of(found.guid, caller.uid) if member is None else None
        permissions.check_group(operation, permissions.group_role(found, member, ban, knows=caller.key))
        return found, member

    async def message(self, caller: Caller, wanted: str | int, operation: str) -> MessageRow:
        """A message to which the caller may do something.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, also for one that she may not read; or as the table says.
        """
        row = await self._store.message(message_id(wanted))
        if row is None:
            raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"id": str(wanted)[:50]})
        if caller.system:
            return row
        member = owner = None
        if row.receiver_type == "group":
            member = await self._store.member(row.receiver, caller.uid)
            group = await self._store.group(row.receiver) if member is not None else None
            owner = group.owner if group is not None else None
        permissions.check_message(operation, permissions.message_role(row, caller.uid, member, owner))
        return row

    async def conversation(self, caller: Caller, kind: str, other: str) -> str:
        """The id of the caller's conversation with a user (`kind` is `user`), or of a group that she may read.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, or as the table says.
        """
        if kind == "group":
            found, _ = await self.group(caller, other, "read")
            return conversation_of("", found.guid, "group")
        uid = identifier(other, "uid")
        await self._directory.user_entity(uid)
        return conversation_of(caller.uid, uid, "user")

    async def user(self, caller: Caller, uid: str, operation: str) -> str:
        """The uid of a user to whom the caller may do something.

        Raises:
            Refused: ERR_UID_NOT_FOUND, or as the table says.
        """
        uid = identifier(uid, "uid")
        await self._directory.user_entity(uid)
        if not caller.system:
            blocked_by = await self._store.blocked_between(caller.uid, uid)
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
