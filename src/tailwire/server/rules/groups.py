"""Who may join, leave and see a group."""

from __future__ import annotations

from tailwire.server.ports.records import GroupRow, MemberRow
from tailwire.server.ports.refusal import Refused

TYPES = ("public", "private", "password")
MOST_PASSWORD = 100
MOST_DESCRIPTION = 255


def check_new(kind: str, password: str | None, description: str | None) -> None:
    """What a new group must be.

    Raises:
        Refused: ERR_BAD_REQUEST, ERR_EMPTY_GROUP_PASS.
    """
    if kind not in TYPES:
        raise Refused("ERR_BAD_REQUEST", {"type": "Use public, private or password."})
    if kind == "password" and not password:
        raise Refused("ERR_EMPTY_GROUP_PASS")
    if password is not None and len(password) > MOST_PASSWORD:
        raise Refused("ERR_BAD_REQUEST", {"password": f"Use at most {MOST_PASSWORD} characters."})
    if description is not None and len(description) > MOST_DESCRIPTION:
        raise Refused("ERR_BAD_REQUEST", {"description": f"Use at most {MOST_DESCRIPTION} characters."})


def check_visible(group: GroupRow | None, member: MemberRow | None) -> GroupRow:
    """A private group exists for its members alone.

    Raises:
        Refused: ERR_GUID_NOT_FOUND.
    """
    if group is None or (group.type == "private" and member is None):
        raise Refused("ERR_GUID_NOT_FOUND")
    return group


def check_join(group: GroupRow, *, password: str | None, right: bool, most: int) -> None:
    """Who may join.

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


def check_leave(group: GroupRow, member: MemberRow | None) -> None:
    """Who may leave.

    Raises:
        Refused: ERR_NOT_A_MEMBER, ERR_OWNER_EXIT_FORBIDDEN.
    """
    if member is None:
        raise Refused("ERR_NOT_A_MEMBER", "Cannot leave a group that you are not a member of.")
    if group.owner == member.uid:
        raise Refused("ERR_OWNER_EXIT_FORBIDDEN")
