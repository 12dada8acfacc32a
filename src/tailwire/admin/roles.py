"""Roles of users, and what each may not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tailwire.admin.asking import Asking, changes, listed
from tailwire.admin.listing import Listing
from tailwire.admin.records import RestrictedFeature, Role, feature_from_wire, role_from_wire
from tailwire.sdk.calls.checks import quoted

Whom = Literal["all", "friendsOnly"]


class Roles:
    """The roles of the app (`admin.roles`). Users without another one have the role `default`."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    async def create(
        self,
        role: str,
        *,
        name: str,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        lists_users: Whom = "all",
        sends_to: Whom = "all",
    ) -> Role:
        """Create a role.

        Args:
            role: its id.
            lists_users: whom its users find in lists.
            sends_to: whom its users may write to.

        Raises:
            CometChatException: `ERR_ROLE_ALREADY_EXISTS`, `ERR_BAD_REQUEST`.
        """
        body = {"role": role, **_fields(name, description, metadata, lists_users, sends_to)}
        return await self._asking.fetch(role_from_wire, "POST", "/roles", body=body)

    async def get(self, role: str) -> Role:
        """Return a role.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND`.
        """
        return await self._asking.fetch(role_from_wire, "GET", f"/roles/{quoted(role)}")

    async def update(
        self,
        role: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        lists_users: Whom | None = None,
        sends_to: Whom | None = None,
    ) -> Role:
        """Change what is given of a role, and return the role.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND`, `ERR_BAD_REQUEST`.
        """
        if (lists_users is None) != (sends_to is None):  # the server takes both together
            before = await self.get(role)
            lists_users = lists_users or before.lists_users  # type: ignore[assignment]
            sends_to = sends_to or before.sends_to  # type: ignore[assignment]
        body = _fields(name, description, metadata, lists_users, sends_to)
        return await self._asking.fetch(role_from_wire, "PUT", f"/roles/{quoted(role)}", body=body)

    async def delete(self, role: str) -> None:
        """Delete a role that no user has.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND`.
        """
        await self._asking.ask("DELETE", f"/roles/{quoted(role)}")

    def list(self) -> Listing[Role]:
        """Return the roles."""
        return self._asking.listing("/roles", role_from_wire, "role")

    async def restrict(self, role: str, features: Sequence[str]) -> None:
        """Keep features from the users of a role.

        Args:
            features: their documented keys, such as `u.createGroup`.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND`.
        """
        await self._asking.ask("POST", _features(role), body={"featuresToRestrict": listed(features, "features")})

    async def allow(self, role: str, features: Sequence[str]) -> None:
        """Give features back to the users of a role.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND`.
        """
        await self._asking.ask("DELETE", _features(role), body={"featuresToAllow": listed(features, "features")})

    def restricted(self, role: str) -> Listing[RestrictedFeature]:
        """Return the features that the users of a role may not use."""
        return self._asking.listing(_features(role), feature_from_wire, "feature")


def _features(role: str) -> str:
    return f"/roles/{quoted(role)}/restrictedfeatures"


def _fields(
    name: str | None,
    description: str | None,
    metadata: Mapping[str, Any] | None,
    lists_users: Whom | None,
    sends_to: Whom | None,
) -> dict[str, Any]:
    settings = changes(listUsers=lists_users, sendMessagesTo=sends_to)
    return changes(
        name=name,
        description=description,
        metadata=dict(metadata) if metadata is not None else None,
        settings=settings or None,
    )
