"""Makes and shows users."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.directory import Directory
from tailwire.server.actions.present import encode, page
from tailwire.server.ports.records import UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import names


class NewUser(msgspec.Struct, rename="camel"):
    """A user as somebody with a key sends it."""

    uid: str = ""
    name: str = ""
    avatar: str | None = None
    link: str | None = None
    role: str | None = None
    status_message: str | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    tags: list[str] | None = None


class Users:
    """What can be done with users."""

    def __init__(self, store: Store, directory: Directory, world: World) -> None:
        self._store = store
        self._directory = directory
        self._world = world

    async def create(self, new: NewUser) -> dict[str, Any]:
        """Make a user.

        Raises:
            Refused: ERR_BAD_REQUEST, ERR_UID_ALREADY_EXISTS.
        """
        now = self._world.seconds()
        row = UserRow(
            uid=names.identifier(new.uid, "uid"),
            name=names.display_name(new.name),
            avatar=names.url(new.avatar, "avatar"),
            link=names.url(new.link, "link"),
            role=names.identifier(new.role, "role") if new.role else "default",
            status_message=new.status_message,
            metadata=names.metadata(bytes(new.metadata)),
            tags=encode(names.tags(new.tags)).decode() if new.tags else None,
            created_at=now,
        )
        if row.uid == names.SYSTEM_USER or not await self._store.add_user(row):
            raise Refused("ERR_UID_ALREADY_EXISTS", {"uid": row.uid})
        return self._directory.present(row)

    async def get(self, uid: str) -> dict[str, Any]:
        """A user.

        Raises:
            Refused: ERR_UID_NOT_FOUND.
        """
        return self._directory.present(await self._directory.user(names.identifier(uid, "uid")))

    async def list(self, *, search: str, uids: list[str], limit: int, number: int) -> dict[str, Any]:
        """A page of users."""
        rows, total = await self._store.users(search=search, uids=uids, limit=limit, offset=(number - 1) * limit)
        return page([self._directory.present(r) for r in rows], total=total, limit=limit, number=number)
