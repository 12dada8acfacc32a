"""What a group must be, and what a password opens. Who may do what stands in `permissions`."""

from __future__ import annotations

from tailwire.server.ports.records import GroupRow
from tailwire.server.ports.refusal import Refused

TYPES = ("public", "private", "password")
SCOPES = ("admin", "moderator", "participant")


def check_type(kind: str) -> str:
    """The type of a group.

    Raises:
        Refused: ERR_BAD_REQUEST.
    """
    if kind not in TYPES:
        raise Refused("ERR_BAD_REQUEST", {"type": "Use public, private or password."})
    return kind


def check_scope(scope: str) -> str:
    """The scope of a member.

    Raises:
        Refused: ERR_BAD_REQUEST.
    """
    if scope not in SCOPES:
        raise Refused("ERR_BAD_REQUEST", {"scope": "Use admin, moderator or participant."})
    return scope


def check_new(kind: str, password: str | None) -> None:
    """What a new group must be.

    Raises:
        Refused: ERR_BAD_REQUEST, ERR_EMPTY_GROUP_PASS.
    """
    check_type(kind)
    if kind == "password" and not password:
        raise Refused("ERR_EMPTY_GROUP_PASS")


def check_join(group: GroupRow, *, password: str | None, right: bool, most: int) -> None:
    """What else a join needs, for those who may join at all.

    Args:
        right: whether the password is the group's.
        most: members that a group may have.

    Raises:
        Refused: ERR_GROUP_JOIN_NOT_ALLOWED, ERR_EMPTY_GROUP_PASS, ERR_WRONG_GROUP_PASS, ERR_NO_VACANCY.
    """
    if group.type == "private":
        raise Refused("ERR_GROUP_JOIN_NOT_ALLOWED")
    if group.type == "password":
        if not password:
            raise Refused("ERR_EMPTY_GROUP_PASS")
        if not right:
            raise Refused("ERR_WRONG_GROUP_PASS")
    if group.members_count >= most:
        raise Refused("ERR_NO_VACANCY")
