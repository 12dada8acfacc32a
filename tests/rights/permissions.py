"""Permissions, written by hand from the documentation, independently of the server's tables.

The documentation is the vendor's public pages: the owner may do everything; an admin everything except to the owner
and to other admins; a moderator deals with participants; a participant only speaks. Where the pages differ, the
narrower right holds.
"""

from __future__ import annotations

RANKS = ("participant", "moderator", "admin", "owner")
ALL, LEADERS, ADMINS, OWNER = set(RANKS), {"moderator", "admin", "owner"}, {"admin", "owner"}, {"owner"}

# Operations in a group, by the role of the member.
IN_A_GROUP: dict[str, set[str]] = {
    "read": ALL,
    "write": ALL,
    "list members": ALL,
    "leave": ALL - OWNER,  # the owner must transfer the group first
    "list banned": LEADERS,
    "update": LEADERS,
    "add": LEADERS,
    "unban": LEADERS,
    "delete": ADMINS,
    "transfer": OWNER,
}
# Kicking and banning, by both roles. A user who is not a member counts as a participant.
REMOVE: dict[str, set[str]] = {"participant": LEADERS, "moderator": ADMINS, "admin": OWNER, "owner": set()}
# Changing a scope: both the member's role and the new scope must be allowed.
CHANGE: dict[str, set[str]] = {"participant": LEADERS, "moderator": ADMINS, "admin": OWNER, "owner": set()}
MAKE: dict[str, set[str]] = {"participant": LEADERS, "moderator": LEADERS, "admin": ADMINS}
# Operations on messages of other members. The message must be readable.
TO_A_MESSAGE: dict[str, set[str]] = {
    "read": ALL,
    "react": ALL,
    "save": ALL,
    "follow": ALL,
    "reply": ALL,
    "edit": LEADERS,
    "delete": LEADERS,
    "pin": LEADERS,
}
# Operations on own messages, for any role.
TO_ONES_OWN = set(TO_A_MESSAGE) - {"pin"}
# Operations of the receiver in a conversation between two users.
AS_RECEIVER = set(TO_A_MESSAGE) - {"edit", "delete"}

NEEDS: dict[str, str] = {
    "list banned": "ERR_GROUP_NO_MODERATOR_SCOPE",
    "update": "ERR_GROUP_NO_MODERATOR_SCOPE",
    "add": "ERR_GROUP_NO_MODERATOR_SCOPE",
    "unban": "ERR_GROUP_NO_MODERATOR_SCOPE",
    "delete": "ERR_GROUP_NO_ADMIN_SCOPE",
    "transfer": "ERR_GROUP_NO_CLEARANCE",
    "leave": "ERR_OWNER_EXIT_FORBIDDEN",
}


def group_refusal(what: str, rank: str) -> str:
    """Return the code with which a member is refused an operation in a group; "" if it is allowed."""
    return "" if rank in IN_A_GROUP[what] else NEEDS[what]


def over_refusals(table: dict[str, set[str]], rank: str, other: str) -> set[str]:
    """Return the codes with which a member may be refused to act on one with another role; empty if they may act.

    Args:
        table: the roles that may act, by the role of the other member, such as `REMOVE`.
        rank: the role of the member who acts.
        other: the role of the other member.
    """
    if rank in table[other]:
        return set()
    if rank == "participant":
        return {"ERR_GROUP_NO_MODERATOR_SCOPE"}
    return {"ERR_GROUP_NO_SCOPE_CLEARANCE", "ERR_GROUP_NO_CLEARANCE", "ERR_GROUP_NO_SELF_ACTION"}
