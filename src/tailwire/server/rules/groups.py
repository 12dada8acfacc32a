"""Validates groups, and passwords for joining them. Permissions are in `permissions`."""

from __future__ import annotations

from typing import get_args

from tailwire.server.ports.records import GroupRow, Scope
from tailwire.server.ports.refusal import Refused

TYPES = ("public", "private", "password")
SCOPES: dict[str, Scope] = {scope: scope for scope in get_args(Scope)}


def check_type(kind: str) -> str:
    """Return a group's type unchanged, after checking that it is valid.

    Raises:
        Refused: ERR_BAD_REQUEST: it is not one of `TYPES`.
    """
    if kind not in TYPES:
        raise Refused("ERR_BAD_REQUEST", {"type": "Use public, private or password."})
    return kind


def check_scope(scope: str) -> Scope:
    """Return a member's scope unchanged, after checking that it is valid.

    Raises:
        Refused: ERR_BAD_REQUEST: it is not one of `SCOPES`.
    """
    found = SCOPES.get(scope)
    if found is None:
        raise Refused("ERR_BAD_REQUEST", {"scope": "Use admin, moderator or participant."})
    return found


def check_new(kind: str, password: str | None) -> None:
    """Check type and password of a new group.

    Raises:
        Refused: ERR_BAD_REQUEST: the type is not one of `TYPES`; ERR_EMPTY_GROUP_PASS: the type is `password`, but
            no password is given.
    """
    check_type(kind)
    if kind == "password" and not password:
        raise Refused("ERR_EMPTY_GROUP_PASS")


def check_join(group: GroupRow, *, password: str | None, matches: bool, max_members: int) -> None:
    """Check that a user may join a group by themselves: its type, its password, and whether it is full.

    Bans and present memberships are checked in `permissions`.

    Args:
        group: the group.
        password: the password that the user has entered; None if they have not.
        matches: whether it is the group's password.
        max_members: how many members a group may have.

    Raises:
        Refused: ERR_GROUP_JOIN_NOT_ALLOWED: the group is private; ERR_EMPTY_GROUP_PASS: it needs a password, and none
            was entered; ERR_WRONG_GROUP_PASS: the password is wrong; ERR_NO_VACANCY: it has `max_members` members.
    """
    if group.type == "private":
        raise Refused("ERR_GROUP_JOIN_NOT_ALLOWED")
    if group.type == "password":
        if not password:
            raise Refused("ERR_EMPTY_GROUP_PASS")
        if not matches:
            raise Refused("ERR_WRONG_GROUP_PASS")
    if group.members_count >= max_members:
        raise Refused("ERR_NO_VACANCY", limit="max_group_members")
