"""Roles of users: which features a role may not use, which users it sees, and to whom it may write."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.raw_json import encode
from tailwire.server.ports.changes import Change
from tailwire.server.ports.records import RoleRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import names
from tailwire.server.rules.features import FEATURES, feature_key
from tailwire.server.rules.lengths import Lengths

DEFAULT_ROLE = "default"
UNCHANGED_DEFAULT_ROLE = RoleRow(DEFAULT_ROLE, "Default")
MAX_ROLES = 10_000
UNSETTABLE_FIELDS = ("settings", "description", "metadata")


class RoleSettings(msgspec.Struct, rename="camel"):
    """Which users a role sees, and to which it may write. Stored as JSON.

    Attributes:
        list_users: `all`, or `friendsOnly` if lists of users contain only friends.
        send_messages_to: `all`, or `friendsOnly`.
    """

    list_users: str = "all"
    send_messages_to: str = "all"

    @property
    def is_limited(self) -> bool:
        """Whether the role sees only friends, or may write only to them."""
        return "friendsOnly" in (self.list_users, self.send_messages_to)


@dataclass(frozen=True, slots=True)
class RoleFields:
    """The fields of a role to set. None keeps a field as it is, and so does "" for the name.

    Attributes:
        metadata: an encoded JSON object; `null` keeps the present one.
        unset: names of fields to clear: those in `UNSETTABLE_FIELDS`; other names are ignored.
    """

    name: str = ""
    description: str | None = None
    metadata: bytes = b"null"
    settings: RoleSettings | None = None
    unset: tuple[str, ...] = ()


class RestrictedFeature(NamedTuple):
    """A feature that a role may not use, given by its key, and since when, in seconds since 1970."""

    name: str
    since: int


class Roles:
    """Administers roles. Their restrictions are cached in memory, because every request checks them."""

    def __init__(self, store: Store, directory: Directory, world: World, lengths: Lengths) -> None:
        self._store = store
        self._directory = directory
        self._world = world
        self._lengths = lengths
        self._restricted: dict[str, frozenset[str]] = {}
        self._friends_only: dict[str, RoleSettings] = {}
        self._changes = self._loaded = 0  # numbers of changes of roles: reported so far, and at the time of `load`
        self._loading = asyncio.Lock()
        store.feed.listen(self._changed)

    def _changed(self, changes: Sequence[Change] | None) -> None:
        if changes is None or any(kind == "role" for _, kind, _ in changes):
            self._changes += 1

    async def load(self) -> None:
        """Read the restrictions of all roles from the store, and replace those in memory."""
        changes = self._changes
        rows, _ = await self._store.roles.find(limit=MAX_ROLES, offset=0)
        restricted: dict[str, frozenset[str]] = {}
        friends_only: dict[str, RoleSettings] = {}
        for row in rows:
            if features := frozenset(await self._store.roles.restrictions(row.role)):
                restricted[row.role] = features
            if (settings := _settings_of(row)).is_limited:
                friends_only[row.role] = settings
        # Replaced in one step, so that no request is checked against only some of the restrictions.
        self._restricted, self._friends_only, self._loaded = restricted, friends_only, changes

    def _in_memory(self) -> bool:
        # Whether the restrictions in memory may be used as they are.
        return self._loaded == self._changes and self._store.feed.is_current()

    async def _load_and_check(self) -> bool:
        # Whether the restrictions in memory may be used; if a role has changed, they are first read again.
        if not self._store.feed.is_current():
            return False
        if self._loaded != self._changes:
            async with self._loading:
                if self._loaded != self._changes:
                    await self.load()
        return True

    # Checks of every request.

    async def check_feature(self, caller: Caller, feature: str) -> None:
        """Check that the caller's role may use a feature. The app itself may use all.

        Args:
            caller: the user.
            feature: a key of `rules.features.FEATURES`.

        Raises:
            Refused: ERR_FEATURE_RESTRICTED.
        """
        if caller.system:
            return
        in_memory = self._in_memory() or await self._load_and_check()
        if in_memory and not self._restricted:
            return
        role = (await self._directory.user(caller.uid)).role
        restricted = self._restricted.get(role, ()) if in_memory else await self._store.roles.restrictions(role)
        if feature in restricted:
            raise Refused("ERR_FEATURE_RESTRICTED", {"feature": feature_key(feature)})

    async def check_receiver(self, caller: Caller, receiver: str) -> None:
        """Check that the caller's role permits them to write to a user.

        Raises:
            Refused: ERR_NOT_A_FRIEND: the role permits writing only to friends, and the receiver is not a friend.
        """
        if caller.system or receiver == caller.uid:
            return
        settings = await self._settings(caller)
        only_friends = settings is not None and settings.send_messages_to == "friendsOnly"
        if only_friends and not await self._store.friends.exists(caller.uid, receiver):
            raise Refused("ERR_NOT_A_FRIEND")

    async def lists_friends_only(self, caller: Caller) -> bool:
        """Return whether the caller's role sees only friends in lists of users."""
        settings = None if caller.system else await self._settings(caller)
        return settings is not None and settings.list_users == "friendsOnly"

    async def _settings(self, caller: Caller) -> RoleSettings | None:
        # Returns the settings of the caller's role. None means that they limit nothing.
        in_memory = self._in_memory() or await self._load_and_check()
        if in_memory and not self._friends_only:
            return None
        role = (await self._directory.user(caller.uid)).role
        if in_memory:
            return self._friends_only.get(role)
        row = await self._store.roles.get(role)
        return _settings_of(row) if row is not None else None

    # Administration.

    async def exists(self, role: str) -> bool:
        """Return whether a role exists."""
        return role == DEFAULT_ROLE or await self._store.roles.get(role) is not None

    async def create(self, role: str, fields: RoleFields) -> RoleRow:
        """Create a role, and return it.

        Raises:
            Refused: ERR_BAD_REQUEST: the id or a field is invalid; ERR_ROLE_ALREADY_EXISTS.
        """
        now = self._world.seconds()
        row = self._with_fields(RoleRow(names.identifier(role, "role"), "", created_at=now), fields)
        if row.role == DEFAULT_ROLE or not await self._store.roles.add(row):
            raise Refused("ERR_ROLE_ALREADY_EXISTS", {"role": row.role})
        self._changes += 1
        return row

    def _with_fields(self, row: RoleRow, fields: RoleFields) -> RoleRow:
        settings = fields.settings
        for setting in (settings.list_users, settings.send_messages_to) if settings else ():
            if setting not in ("all", "friendsOnly"):
                raise Refused("ERR_BAD_REQUEST", {"settings": "Use all or friendsOnly."})
        unset = {name: None for name in fields.unset if name in UNSETTABLE_FIELDS}
        changed = replace(
            row,
            name=self._lengths.check_name(fields.name or row.name),
            description=fields.description if fields.description is not None else row.description,
            metadata=self._lengths.check_metadata(fields.metadata) or row.metadata,
            settings=encode(settings).decode() if settings else row.settings,
            updated_at=self._world.seconds(),
        )
        return replace(changed, **unset)  # type: ignore[arg-type]

    async def get(self, role: str) -> RoleRow:
        """Return a role.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND.
        """
        role = role.lower()
        found = await self._store.roles.get(role)
        if found is not None:
            return found
        if role == DEFAULT_ROLE:
            return UNCHANGED_DEFAULT_ROLE
        raise _not_found(role)

    async def list_page(self, *, limit: int, offset: int) -> tuple[list[RoleRow], int]:
        """Return a page of the stored roles, sorted by their ids, and how many there are.

        The default role is among them only after it was changed or restricted.
        """
        return await self._store.roles.find(limit=limit, offset=offset)

    async def update(self, role: str, fields: RoleFields) -> RoleRow:
        """Change a role, and return it.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND; ERR_BAD_REQUEST: a field is invalid.
        """
        role = role.lower()
        if role == DEFAULT_ROLE:  # checked first, so that a refused change does not store the default role
            self._with_fields(UNCHANGED_DEFAULT_ROLE, fields)
        await self._add_if_default(role)
        row = await self._store.roles.change(role, lambda row: self._with_fields(row, fields))
        if row is None:
            raise _not_found(role)
        self._changes += 1
        return row

    async def _add_if_default(self, role: str) -> None:
        # The default role exists without being stored, as long as nobody changes it.
        if role == DEFAULT_ROLE:
            await self._store.roles.add(replace(UNCHANGED_DEFAULT_ROLE, created_at=self._world.seconds()))

    async def delete(self, role: str) -> None:
        """Delete a role. Users who have it get the default role.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND; ERR_ROLE_DELETE_DENIED: it is the default role.
        """
        role = (await self.get(role)).role
        if role == DEFAULT_ROLE:
            raise Refused("ERR_ROLE_DELETE_DENIED")
        await self._store.roles.remove(role)
        self._changes += 1
        self._directory.forget_all()

    async def restrict(self, role: str, features: list[str]) -> Mapping[str, Refused | None]:
        """Forbid a role to use features, in addition to those that are forbidden already.

        Args:
            role: the id of the role.
            features: keys of `FEATURES`, with or without the prefix `u.`.

        Returns:
            For each feature as it was given: None if the role may no longer use it, or the refusal if there is no such
            feature.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND.
        """
        role = role.lower()
        await self._add_if_default(role)
        known = [f.removeprefix("u.") for f in features if f.removeprefix("u.") in FEATURES]
        if not await self._store.roles.restrict(role, known, self._world.seconds()):
            raise _not_found(role)
        self._changes += 1
        return _outcomes(features)

    async def allow(self, role: str, features: list[str], *, everything: bool) -> Mapping[str, Refused | None]:
        """Allow a role to use features again.

        Args:
            role: the id of the role.
            features: keys of `FEATURES`, with or without the prefix `u.`.
            everything: allow all features that were forbidden; then `features` is ignored.

        Returns:
            For each of these features: None if the role may use it, or the refusal if there is no such feature.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND.
        """
        role = (await self.get(role)).role
        keys = [feature_key(f) for f in await self._store.roles.restrictions(role)] if everything else features
        await self._store.roles.allow(role, [f.removeprefix("u.") for f in keys])
        self._changes += 1
        return _outcomes(keys)

    async def restricted(self, role: str) -> list[RestrictedFeature]:
        """Return the features that a role may not use, and since when.

        Raises:
            Refused: ERR_ROLE_NOT_FOUND.
        """
        role = (await self.get(role)).role
        restrictions = await self._store.roles.restrictions(role)
        return [RestrictedFeature(f, since) for f, since in restrictions.items() if f in FEATURES]


def _not_found(role: str) -> Refused:
    return Refused("ERR_ROLE_NOT_FOUND", {"role": role[:100]})


def _settings_of(row: RoleRow) -> RoleSettings:
    return msgspec.json.decode(row.settings, type=RoleSettings) if row.settings else RoleSettings()


def _outcomes(features: list[str]) -> dict[str, Refused | None]:
    return {
        f: None if f.removeprefix("u.") in FEATURES else Refused("ERR_BAD_REQUEST", {f: "This feature does not exist."})
        for f in features
    }
