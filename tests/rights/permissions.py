"""Who may do what, written by hand from the documentation: no line of it comes from the server's own table.

`docs` are the vendor's public pages: the owner may do everything; an admin everything but to the owner and to other admins;
a moderator deals with participants; a participant only speaks. Where these pages differ, the narrower right holds.
"""

from __future__ import annotations

RANKS = ("participant", "moderator", "admin", "owner")
ALL, LEADERS, ADMINS, OWNER = set(RANKS), {"moderator", "admin", "owner"}, {"admin", "owner"}, {"owner"}

# What a member of a group may do in it, by the member's own rank.
IN_A_GROUP: dict[str, set[str]] = {
    "read": ALL,
    "write": ALL,
    "list members": ALL,
    "leave": ALL - OWNER,  # the owner gives the group to another first
    "list banned": LEADERS,
    "update": LEADERS,
    "add": LEADERS,
    "unban": LEADERS,
    "delete": ADMINS,
    "transfer": OWNER,
}
# Kicking and banning: who may do it to whom. Somebody who is no member counts as a participant.
REMOVE: dict[str, set[str]] = {"participant": LEADERS, "moderator": ADMINS, "admin": OWNER, "owner": set()}
# Changing a scope: of whom, and to what. Both have to be allowed.
CHANGE: dict[str, set[str]] = {"participant": LEADERS, "moderator": ADMINS, "admin": OWNER, "owner": set()}
MAKE: dict[str, set[str]] = {"participant": LEADERS, "moderator": LEADERS, "admin": ADMINS}
# What a member may do to a message of somebody else in the group. All of it only where the message may be read.
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
# The sender may do this to a message of their own, whatever their rank.
TO_ONES_OWN = set(TO_A_MESSAGE) - {"pin"}
# In a conversation of two, the one who received a message may do this to it.
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
    """The code with which a member is refused something in a group; "" when they may do it."""
    return "" if rank in IN_A_GROUP[what] else NEEDS[what]


def over_refusals(table: dict[str, set[str]], rank: str, other: str) -> set[str]:
    """The codes with which a member may be refused to act on one of another rank; empty when they may."""
    if rank in table[other]:
        return set()
    if rank == "participant":
        return {"ERR_GROUP_NO_MODERATOR_SCOPE"}
    return {"ERR_GROUP_NO_SCOPE_CLEARANCE", "ERR_GROUP_NO_CLEARANCE", "ERR_GROUP_NO_SELF_ACTION"}
