"""Roles, what they restrict, and to whom their users may write."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.present import absent, encode, page, stored, without_none
from tailwire.server.ports.records import RoleRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import names
from tailwire.server.rules.features import FEATURES, feature_key
from tailwire.server.rules.lengths import Lengths

DEFAULT = "default"


class RoleSettings(msgspec.Struct, rename="camel"):
    """Whom the users of a role see and may write to: `all` or `friendsOnly`."""

    list_users: str = "all"
    send_messages_to: str = "all"


class NewRole(msgspec.Struct):
    """A role as somebody with a REST key sends it, new or changed."""

    role: str = ""
    name: str = ""
    description: str | None = None
    metadata: msgspec.Raw = msgspec.field(default_factory=absent)
    settings: RoleSettings | None = None
    unset: list[str] | None = None


class Roles:
    """Roles. What they restrict is kept in memory: it is asked at every request."""

    def __init__(self, store: Store, directory: Directory, world: World, lengths: Lengths) -> None:
        self._store = store
        self._directory = directory
        self._world = world
        self._lengths = lengths
        self._restricted: dict[str, frozenset[str]] = {}
        self._friends_only: dict[str, RoleSettings] = {}

    async def load(self) -> None:
        """Read what roles restrict."""
        rows, _ = await self._store.roles.find(limit=10_000, offset=0)
        self._restricted, self._friends_only = {}, {}
        for row in rows:
            await self._remember(row)

    async def _remember(self, row: RoleRow) -> None:
        features = frozenset(await self._store.roles.restrictions(row.role))
        settings = msgspec.json.decode(row.settings, type=RoleSettings) if row.settings else RoleSettings()
        self._restricted.pop(row.role, None)
        self._friends_only.pop(row.role, None)
        if features:
            self._restricted[row.role] = features
        if "friendsOnly" in (settings.list_users, settings.send_messages_to):
            self._friends_only[row.role] = settings

    # What is asked at every request.

    async def check_feature(self, caller: Caller, feature: str) -> None:
        """Whether the caller's role may use a feature.

        Raises:
            Refused: ERR_FEATURE_RESTRICTED.
        """
        if self._restricted and not caller.system:
            role = (await self._directory.user(caller.uid)).role
            if feature in self._restricted.get(role, ()):
                raise Refused("ERR_FEATURE_RESTRICTED", {"feature": feature_key(feature)})

    async def check_receiver(self, caller: Caller, receiver: str) -> None:
        """Whether the caller's role lets them write to a user.

        Raises:
            Refused: ERR_NOT_A_FRIEND.
        """
        if self._friends_only and not caller.system and receiver != caller.uid:
            settings = self._friends_only.get((await self._directory.user(caller.uid)).role)
            only_friends = settings is not None and settings.send_messages_to == "friendsOnly"
            if only_friends and not await self._store.friends.exists(caller.uid, receiver):
                raise Refused("ERR_NOT_A_FRIEND")

    async def lists_friends_only(self, caller: Caller) -> bool:
        """Whether the caller's role shows them only their friends."""
        if not self._friends_only or caller.system:
            return False
        settings = self._friends_only.get((await self._directory.user(caller.uid)).role)
        return settings is not None and settings.list_users == "friendsOnly"

    # Administration.

    async def exists(self, role: str) -> bool:
        """Whether there is such a role."""
        return role == DEFAULT or await self._store.roles.get(role) is not None

    async def create(self, new: NewRole) -> dict[str, Any]:
        """Make a role.

        Raises:
            Refused: ERR_BAD_REQUEST, ERR_ROLE_ALREADY_EXISTS.
        """
        now = self._world.seconds()
        row = self._filled(RoleRow(names.identifier(new.role, "role"), "", created_at=now), new)
        if row.role == DEFAULT or not await self._store.roles.put(row, new=True):
            raise Refused("ERR_ROLE_ALREADY_EXISTS", {"role": row.role})
        await self._remember(row)
        return _present(row)

    def _filled(self, row: RoleRow, new: NewRole) -> RoleRow:
        for setting in (new.settings.list_users, new.settings.send_messages_to) if new.settings else ():
            if setting not in ("all", "friendsOnly"):
                raise Refused("ERR_BAD_REQUEST", {"settings": "Use all or friendsOnly."})
        unset = {name: None for name in new.unset or () if name in ("settings", "description", "metadata")}
        filled = replace(
            row,
            name=self._lengths.check_name(new.name or row.name),
            description=new.description if new.description is not None else row.description,
            metadata=self._lengths.check_metadata(bytes(new.metadata)) or row.metadata,
            settings=encode(new.settings).decode() if new.settings else row.settings,
            updated_at=self._world.seconds(),
        )
        return replace(filled, **unset)  # type: ignore[arg-type]

    async def get(self, role: str) -> dict[str, Any]:
        """A role.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND.
        """
        return _present(await self._find(role))

    async def _find(self, role: str) -> RoleRow:
        found = await self._store.roles.get(role)
        if found is not None:
            return found
        if role == DEFAULT:
            return RoleRow(DEFAULT, "Default")
        raise Refused("ERR_ROLE_NOT_FOUND", {"role": role[:100]})

    async def listed(self, *, limit: int, number: int) -> dict[str, Any]:
        """A page of roles."""
        rows, total = await self._store.roles.find(limit=limit, offset=(number - 1) * limit)
        return page([_present(row) for row in rows], total=total, limit=limit, number=number)

    async def update(self, role: str, new: NewRole) -> dict[str, Any]:
        """Change a role.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND, ERR_BAD_REQUEST.
        """
        row = self._filled(await self._find(role), new)
        await self._store.roles.put(row, new=False)
        await self._remember(row)
        return _present(row)

    async def delete(self, role: str) -> str:
        """Delete a role; its users get the default one.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND, ERR_ROLE_DELETE_DENIED.
        """
        if role == DEFAULT:
            raise Refused("ERR_ROLE_DELETE_DENIED")
        await self._find(role)
        await self._store.roles.remove(role)
        self._restricted.pop(role, None)
        self._friends_only.pop(role, None)
        self._directory.forget_all()
        return f"Role {role} has been deleted successfully."

    async def restrict(self, role: str, features: list[str]) -> dict[str, Any]:
        """Take features from a role: what became of each.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND.
        """
        row = await self._find(role)
        known = [f.removeprefix("u.") for f in features if f.removeprefix("u.") in FEATURES]
        if row.created_at == 0:
            await self._store.roles.put(replace(row, created_at=self._world.seconds()), new=True)
        await self._store.roles.restrict(role, known, self._world.seconds())
        await self._remember(row)
        return _outcomes(features, f"The feature is restricted for the role {role}.")

    async def allow(self, role: str, features: list[str], *, everything: bool) -> dict[str, Any]:
        """Give features back to a role: what became of each.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND.
        """
        row = await self._find(role)
        wanted = [feature_key(f) for f in await self._store.roles.restrictions(role)] if everything else features
        await self._store.roles.allow(role, [f.removeprefix("u.") for f in wanted])
        await self._remember(row)
        return _outcomes(wanted, f"The feature is allowed for the role {role}.")

    async def restricted(self, role: str, *, limit: int, number: int) -> dict[str, Any]:
        """A page of the features that a role may not use.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND.
        """
        await self._find(role)
        listed = [
            {"title": f, "description": FEATURES[f][0], "key": feature_key(f), "path": FEATURES[f][1], "createdAt": at}
            for f, at in (await self._store.roles.restrictions(role)).items()
            if f in FEATURES
        ]
        begin = (number - 1) * limit
        return page(listed[begin : begin + limit], total=len(listed), limit=limit, number=number)


def _outcomes(features: list[str], message: str) -> dict[str, Any]:
    return {
        f: {"success": True, "message": message}
        if f.removeprefix("u.") in FEATURES
        else {"success": False, "error": Refused("ERR_BAD_REQUEST", {f: "There is no such feature."}).as_error()}
        for f in features
    }


def _present(row: RoleRow) -> dict[str, Any]:
    return without_none(
        {
            "role": row.role,
            "name": row.name,
            "description": row.description,
            "metadata": stored(row.metadata),
            "settings": stored(row.settings),
            "createdAt": row.created_at or None,
            "updatedAt": row.updated_at or None,
        }
    )
