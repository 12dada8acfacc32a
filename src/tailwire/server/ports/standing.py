"""Standings: the facts on which a change is allowed, and acts, which carry the condition.

A decision made on earlier facts may no longer hold when the change is written: the user was banned, the group became
private, the message was deleted. So every change of a group, a membership or a message passes an act to the store,
which checks the act's condition in the transaction that writes. `Store.standings` checks it against the present facts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tailwire.server.ports.records import BanRow, GroupRow, MemberRow, MessageRow


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """A group, the user who acts in it, and the user who is the subject of the act.

    Attributes:
        actor: the membership of the acting user; None if they are not a member.
        actor_ban: the ban of the acting user, or None.
        subject: the membership of the subject; None if they are not a member, or the subject is the group itself.
        subject_ban: the ban of the subject, or None.
        subject_groups: how many groups the subject is a member of.
    """

    group: GroupRow
    actor: MemberRow | None = None
    actor_ban: BanRow | None = None
    subject: MemberRow | None = None
    subject_ban: BanRow | None = None
    subject_groups: int = 0


@dataclass(frozen=True, slots=True)
class GroupAct:
    """An act of a user in a group.

    Attributes:
        guid: the group.
        actor: the uid of the acting user.
        subject: the uid of the subject; "" if it is the group itself.
        allowed: raises `Refused` if the act is not allowed in the standing that it is given.
        device: the device with which the user acts.
    """

    guid: str
    actor: str
    subject: str
    allowed: Callable[[GroupStanding], None]
    device: str = ""


@dataclass(frozen=True, slots=True)
class MessageStanding:
    """A message, and the user who acts on it.

    Attributes:
        member: the acting user's membership in the message's group, or None.
        owner: the uid of the owner of the message's group; None without an owner, or in a conversation of two users.
        blocked_by: in a conversation of two users, the uid of the one who has blocked the other; the acting user if
            both have, "" if neither has.
    """

    message: MessageRow
    member: MemberRow | None = None
    owner: str | None = None
    blocked_by: str = ""


@dataclass(frozen=True, slots=True)
class MessageAct:
    """An act of a user on a message.

    Attributes:
        actor: the uid of the acting user.
        allowed: raises `Refused` if the act is not allowed in the standing that it is given.
        device: the device with which the user acts.
    """

    message_id: int
    actor: str
    allowed: Callable[[MessageStanding], None]
    device: str = ""
