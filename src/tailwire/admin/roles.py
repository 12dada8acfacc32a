"""Roles of users, and the features that they may not use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tailwire.admin.listing import Listing
from tailwire.admin.records import RestrictedFeature, Role, feature_from_wire, role_from_wire
from tailwire.admin.requester import Requester, changed_fields, name_list
from tailwire.sdk.calls.checks import quoted

Audience = Literal["all", "friendsOnly"]


class Roles:
    """The roles of the app (`admin.roles`). Users without another role have the role `default`."""

    def __init__(self, requester: Requester) -> None:
        self._requester = requester

    async def create(
        self,
        role: str,
        *,
        name: str,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        lists_users: Audience = "all",
        sends_to: Audience = "all",
    ) -> Role:
        """Create a role.

        Args:
            role: its id, 1 to 100 characters of `a-z`, `0-9`, `_` and `-`.
            name: at most 100 characters.
            description: a description for people.
            metadata: custom data of the app, at most 5 KiB of JSON.
            lists_users: which users those with this role find in lists of users: `all` or `friendsOnly`.
            sends_to: which users those with this role may send messages to: `all` or `friendsOnly`.

        Raises:
            CometChatException: `ERR_ROLE_ALREADY_EXISTS` if the id is taken; `ERR_BAD_REQUEST` if the server finds an
                argument invalid.
        """
        body = {"role": role, **_fields(name, description, metadata, lists_users, sends_to)}
        return await self._requester.fetch(role_from_wire, "POST", "/roles", body=body)

    async def get(self, role: str) -> Role:
        """Return a role.

        Args:
            role: the id of the role.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND`.
        """
        return await self._requester.fetch(role_from_wire, "GET", f"/roles/{quoted(role)}")

    async def update(
        self,
        role: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        lists_users: Audience | None = None,
        sends_to: Audience | None = None,
    ) -> Role:
        """Change the given fields of the role with the id `role`, and return it. The arguments are those of `create`.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND` if there is no such role; `ERR_BAD_REQUEST` if the server finds an
                argument invalid.
        """
        if (lists_users is None) != (sends_to is None):  # the server takes both together
            before = await self.get(role)
            lists_users = lists_users or before.lists_users  # type: ignore[assignment]
            sends_to = sends_to or before.sends_to  # type: ignore[assignment]
        body = _fields(name, description, metadata, lists_users, sends_to)
        return await self._requester.fetch(role_from_wire, "PUT", f"/roles/{quoted(role)}", body=body)

    async def delete(self, role: str) -> None:
        """Delete a role. Its users get the role `default`.

        Args:
            role: the id of the role.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND` if there is no such role; `ERR_ROLE_DELETE_DENIED` for the role
                `default`.
        """
        await self._requester.ask("DELETE", f"/roles/{quoted(role)}")

    def list(self) -> Listing[Role]:
        """Return all roles, ordered by id."""
        return self._requester.listing("/roles", role_from_wire, "role")

    async def restrict(self, role: str, features: Sequence[str]) -> None:
        """Forbid features to the users of a role. Unknown features are skipped without an error.

        Args:
            role: the role.
            features: CometChat's keys of the features, such as `u.createGroup`.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND` if there is no such role; `ERR_BAD_REQUEST` if the server finds an
                argument invalid; `ERR_INVALID_ARGUMENT` if `features` is not a list of strings.
        """
        await self._requester.ask("POST", _features(role), body={"featuresToRestrict": name_list(features, "features")})

    async def allow(self, role: str, features: Sequence[str]) -> None:
        """Allow features to the users of a role again.

        Args:
            role: the role.
            features: CometChat's keys of the features, as for `restrict`.

        Raises:
            CometChatException: `ERR_ROLE_NOT_FOUND` if there is no such role; `ERR_BAD_REQUEST` if the server finds an
                argument invalid; `ERR_INVALID_ARGUMENT` if `features` is not a list of strings.
        """
        await self._requester.ask("DELETE", _features(role), body={"featuresToAllow": name_list(features, "features")})

    def restricted(self, role: str) -> Listing[RestrictedFeature]:
        """Return the features that the users of a role may not use, ordered by key.

        Args:
            role: the id of the role.
        """
        return self._requester.listing(_features(role), feature_from_wire, "feature")


def _features(role: str) -> str:
    return f"/roles/{quoted(role)}/restrictedfeatures"


def _fields(
    name: str | None,
    description: str | None,
    metadata: Mapping[str, Any] | None,
    lists_users: Audience | None,
    sends_to: Audience | None,
) -> dict[str, Any]:
    settings = changed_fields(listUsers=lists_users, sendMessagesTo=sends_to)
    return changed_fields(
        name=name,
        description=description,
        metadata=dict(metadata) if metadata is not None else None,
        settings=settings or None,
    )
