"""Makes, shows, changes and deletes users."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.present import absent, encode, page
from tailwire.server.actions.relations import block_flags
from tailwire.server.actions.roles import Roles
from tailwire.server.ports.conversations import conversation_of
from tailwire.server.ports.filters import UserFilter
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import names
from tailwire.server.rules.lengths import Lengths

UNSETTABLE = ("avatar", "link", "metadata")
MAX_STATUS = 500


class NewUser(msgspec.Struct, rename="camel"):
    """A user as somebody with a key sends it."""

    uid: str = ""
    name: str = ""
    avatar: str | None = None
    link: str | None = None
    role: str | None = None
    status_message: str | None = None
    metadata: msgspec.Raw = msgspec.field(default_factory=absent)
    tags: list[str] | None = None
    with_auth_token: bool = False


class UserChange(msgspec.Struct, rename="camel"):
    """What of a user somebody wants to change."""

    name: str | None = None
    avatar: str | None = None
    link: str | None = None
    role: str | None = None
    status_message: str | None = None
    metadata: msgspec.Raw = msgspec.field(default_factory=absent)
    tags: list[str] | None = None
    unset: list[str] | None = None


class Deactivated(msgspec.Struct, rename="camel"):
    """Who is put to rest."""

    uids_to_deactivate: list[str] = []


class Reactivated(msgspec.Struct, rename="camel"):
    """Who comes back."""

    uids_to_activate: list[str] = []


class Deleted(msgspec.Struct):
    """What becomes of what a user wrote: it stays, goes with them (`permanent`), or stays without their name."""

    permanent: bool = False
    anonymous: bool = False


class Users:
    """What can be done with users."""

    def __init__(
        self, store: Store, directory: Directory, roles: Roles, delivery: Delivery, world: World, lengths: Lengths
    ) -> None:
        self._store = store
        self._directory = directory
        self._roles = roles
        self._delivery = delivery
        self._world = world
        self._lengths = lengths

    async def create(self, new: NewUser) -> dict[str, Any]:
        """Make a user.

        Raises:
            Refused: ERR_BAD_REQUEST, ERR_UID_ALREADY_EXISTS, ERR_ROLE_NOT_FOUND.
        """
        row = UserRow(
            uid=names.identifier(new.uid, "uid"),
            name=self._lengths.check_name(new.name),
            avatar=self._lengths.check_url(new.avatar, "avatar"),
            link=self._lengths.check_url(new.link, "link"),
            role=await self._role(new.role),
            status_message=_status_message(new.status_message),
            metadata=self._lengths.check_metadata(bytes(new.metadata)),
            tags=encode(self._lengths.check_tags(new.tags)).decode() if new.tags else None,
            created_at=self._world.seconds(),
        )
        if row.uid == names.SYSTEM_USER or not await self._store.users.add(row):
            raise Refused("ERR_UID_ALREADY_EXISTS", {"uid": row.uid})
        return await self._directory.present(row, "")

    async def _role(self, role: str | None) -> str:
        if not role:
            return "default"
        if not await self._roles.exists(names.identifier(role, "role")):
            raise Refused("ERR_ROLE_NOT_FOUND", {"role": role[:100]})
        return names.identifier(role, "role")

    async def get(self, caller: Caller, uid: str) -> dict[str, Any]:
        """A user, with what is between them and the caller.

        Raises:
            Refused: ERR_UID_NOT_FOUND, also of somebody whom the caller's role does not show them.
        """
        row = await self._directory.user(names.identifier(uid, "uid"))
        others = row.uid != caller.uid and await self._roles.lists_friends_only(caller)
        if others and not await self._store.friends.exists(caller.uid, row.uid):
            raise Refused("ERR_UID_NOT_FOUND", {"uid": row.uid})
        shown = await self._directory.present(row, caller.reader)
        if not caller.system:
            shown["conversationId"] = conversation_of(caller.uid, row.uid, "user")
            blocks = await self._store.blocks.with_users(caller.uid, [row.uid])
            shown |= block_flags(*blocks.get(row.uid, (None, None)))
        return shown

    async def listed(self, caller: Caller, wanted: UserFilter, *, status: str, number: int) -> dict[str, Any]:
        """A page of users.

        Args:
            status: `online` (or `available`), `offline`, or "" for both.

        Raises:
            Refused: ERR_BAD_REQUEST.
        """
        if status not in ("", "online", "available", "offline"):
            raise Refused("ERR_BAD_REQUEST", {"status": "Use available, online or offline."})
        self._lengths.check_count(len(wanted.uids), "uids", "uids", least=0)
        if status:
            wanted = replace(
                wanted, online=status != "offline", status_of=await self._directory.online_to(caller.reader)
            )
        if await self._roles.lists_friends_only(caller):
            wanted = replace(wanted, friends_only=True)
        rows, total = await self._store.users.find(wanted)
        listed = [await self._directory.present(row, caller.reader) for row in rows]
        if not caller.system:
            blocks = await self._store.blocks.with_users(caller.uid, [row.uid for row in rows])
            for shown in listed:
                if shown["uid"] in blocks:
                    shown |= block_flags(*blocks[shown["uid"]])
        return page(listed, total=total, limit=wanted.limit, number=number)

    async def update(self, uid: str, change: UserChange, *, own: bool = False) -> dict[str, Any]:
        """Change a user. Users themselves (`own`) cannot change their role.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_BAD_REQUEST, ERR_ROLE_NOT_FOUND.
        """
        found = await self._directory.user(names.identifier(uid, "uid"))
        metadata = self._lengths.check_metadata(bytes(change.metadata))
        columns: dict[str, object] = {"updated_at": self._world.seconds()}
        if change.name is not None:
            columns["name"] = self._lengths.check_name(change.name)
        for field, url in (("avatar", change.avatar), ("link", change.link)):
            if url is not None:
                columns[field] = self._lengths.check_url(url, field)
        if change.role and not own:
            columns["role"] = await self._role(change.role)
        if _status_message(change.status_message):
            columns["status_message"] = change.status_message
        if metadata is not None:
            columns["metadata"] = metadata
        if change.tags is not None:
            columns["tags"] = encode(self._lengths.check_tags(change.tags)).decode()
        columns |= dict.fromkeys(n for n in change.unset or () if n in UNSETTABLE)
        row = await self._store.users.change(found.uid, columns)
        self._directory.forget(found.uid)
        if row is None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": found.uid})
        return await self._directory.present(row, "")

    async def deactivate(self, uids: list[str]) -> dict[str, Any]:
        """Put users to rest: they cannot log in, and nobody finds them. Their sockets end."""
        wanted = [names.identifier(uid, "uidsToDeactivate") for uid in uids]
        done, tokens = await self._store.users.deactivate(wanted, self._world.seconds())
        for uid, token in tokens:
            self._delivery.token_gone(uid, token)
        self._directory.forget_all()
        return {"deactivatedUids": done}

    async def reactivate(self, uids: list[str]) -> dict[str, Any]:
        """Bring users back."""
        done, _ = await self._store.users.deactivate([names.identifier(uid, "uidsToActivate") for uid in uids], None)
        self._directory.forget_all()
        return {"nonDeactivatedUids": done}

    async def delete(self, uid: str, *, permanent: bool, anonymous: bool = False) -> dict[str, Any]:
        """Delete a user. With neither of both, what they wrote stays as it is, their name and avatar with it.

        Args:
            permanent: what they wrote and uploaded, and their conversations with users, are deleted too; in what others
                wrote, nothing is left but their uid.
            anonymous: what they wrote stays, with nothing but their uid.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        found = await self._store.users.get(names.identifier(uid, "uid"))
        if found is None:
            raise Refused("ERR_UID_NOT_FOUND", {"uid": uid[:100]})
        groups, tokens = await self._store.removal.remove_user(found.uid, with_messages=permanent, anonymous=anonymous)
        for token in tokens:
            self._delivery.token_gone(found.uid, token)
        for guid in groups:
            self._delivery.membership(found.uid, guid, joined=False)
        self._directory.forget_all()
        return {"success": True, "message": f"User with {found.uid} has been deleted successfully."}

    def online_count(self) -> int:
        """How many users are online."""
        return len(self._directory.online_uids())


def _status_message(text: str | None) -> str | None:
    if text is not None and len(text) > MAX_STATUS:
        raise Refused("ERR_BAD_REQUEST", {"statusMessage": f"Use at most {MAX_STATUS} characters."})
    return text
