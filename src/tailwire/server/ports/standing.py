"""How things stand when a change is about to be stored, and under which condition it may be.

What is decided from an earlier look may no longer hold when the change is written: somebody was banned, the group
became private, the message was deleted. So whoever changes a group, a membership or a message gives the store an act,
and the store asks its condition in the transaction that writes. `Store.look` asks the same condition of how things
stand now.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tailwire.server.ports.records import BanRow, GroupRow, MemberRow, MessageRow


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """A group, who acts in it, and on whom.

    Attributes:
        by: the membership of who acts, if they have one.
        by_ban: their ban, if there is one.
        on: the membership of who is acted on.
        on_ban: the ban of who is acted on.
        on_groups: how many groups who is acted on is a member of.
    """

    group: GroupRow
    by: MemberRow | None = None
    by_ban: BanRow | None = None
    on: MemberRow | None = None
    on_ban: BanRow | None = None
    on_groups: int = 0


@dataclass(frozen=True, slots=True)
class GroupAct:
    """Something that somebody does in a group.

    Attributes:
        by: the uid of who acts.
        on: the uid of who is acted on; "" for the group itself.
        allowed: raises `Refused` when it may not be done.
    """

    guid: str
    by: str
    on: str
    allowed: Callable[[GroupStanding], None]


@dataclass(frozen=True, slots=True)
class MessageStanding:
    """A message, and who does something to it.

    Attributes:
        member: the membership of who acts in the message's group, if both exist.
        owner: the owner of the message's group.
        blocked_by: of a message between two users, who of the two has blocked the other, who acts before the other;
            "" when neither has.
    """

    message: MessageRow
    member: MemberRow | None = None
    owner: str | None = None
    blocked_by: str = ""


@dataclass(frozen=True, slots=True)
class MessageAct:
    """Something that somebody does to a message.

    Attributes:
        by: the uid of who acts.
        allowed: raises `Refused` when it may not be done.
    """

    message_id: int
    by: str
    allowed: Callable[[MessageStanding], None]
