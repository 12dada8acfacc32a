"""Standings and acts. A standing is the facts on which a permission is decided, such as a membership, a ban or a block.

An act is who wants to change what, with the condition under which that is allowed: a function that is given the
standing, and raises `Refused` if the change is not allowed.

A decision made on earlier facts may no longer hold when the change is written, because the user was banned, the group
became private, or the message was deleted. So every change of a group, a membership or a message passes an act to the
store, which checks its condition in the transaction of the change. `Store.standings` checks it before, without a write.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tailwire.server.ports.records import BanRow, GroupRow, MemberRow, MessageRow


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """The facts for an act in a group: the group, the user who acts in it, and the user whom the act concerns.

    Attributes:
        actor: the membership of the acting user; None if they are not a member.
        actor_ban: the ban of the acting user, or None.
        subject: the membership of the subject; None if they are not a member, or the subject is the group itself.
        subject_ban: the ban of the subject, or None.
        subject_groups: how many groups the subject is a member of; 0 if the subject is the group itself.
    """

    group: GroupRow
    actor: MemberRow | None = None
    actor_ban: BanRow | None = None
    subject: MemberRow | None = None
    subject_ban: BanRow | None = None
    subject_groups: int = 0


@dataclass(frozen=True, slots=True)
class GroupAct:
    """What a user wants to do in a group, with the condition under which they may.

    Attributes:
        guid: the group.
        actor: the uid of the acting user.
        subject: the uid of the user whom it concerns, such as the member to remove; "" if it is the group itself.
        allowed: raises `Refused` unless the act is allowed in the given standing. The store may call it more than once,
            and in another thread. What it allows with some number of members, it allows with fewer.
        device: the device with which the user acts, to which the change is not reported; "" if it is unknown.
    """

    guid: str
    actor: str
    subject: str
    allowed: Callable[[GroupStanding], None]
    device: str = ""


@dataclass(frozen=True, slots=True)
class MessageStanding:
    """The facts for an act on a message.

    Attributes:
        member: the acting user's membership in the message's group, or None.
        owner: the uid of the owner of the message's group; None without an owner, or in a conversation of two users.
        blocked_by: in a conversation of two users, the uid of the one who has blocked the other; the acting user's if
            both have; "" if neither has, or in a group.
    """

    message: MessageRow
    member: MemberRow | None = None
    owner: str | None = None
    blocked_by: str = ""


@dataclass(frozen=True, slots=True)
class MessageAct:
    """What a user wants to do with a message, with the condition under which they may.

    Attributes:
        actor: the uid of the acting user.
        allowed: raises `Refused` unless the act is allowed in the given standing. The store may call it more than once,
            and in another thread.
        device: the device with which the user acts, to which the change is not reported; "" if it is unknown.
    """

    message_id: int
    actor: str
    allowed: Callable[[MessageStanding], None]
    device: str = ""
