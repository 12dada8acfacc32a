"""What there is: people, groups, messages, and who may know of which. Shares no code with the server.

The rules that the documentation leaves open are constants here, to be switched in one place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

HISTORY_BEFORE_JOINING = True
"""Whether a member may read what was said in a group before they joined. One rule for every list, search and message.

They have not missed it all the same: what comes after a position, updates and what is unread begin when they joined.
"""

BLOCKS_HIDE_PRESENCE = True
"""Whether a block hides from each of the two whether the other is online: over REST as on the socket."""

BLOCKS_STOP_CHANGES = True
"""Whether a block also stops edits, reactions and pins of what was said between the two before it. A deletion it does not."""

RANK_FOR_ONES_OWN_PIN = True
"""Whether a participant may not even pin a message of their own in a group: the pages name moderators and up."""

NEWEST_IS_THE_LAST_OF_THE_LIST = True
"""Whether a list of one shows the last of the whole list: nothing that was cleared away, and nothing that is gone."""

ROWS_FOLLOW_REMOVALS = True
"""Whether a conversation's last message is the one before, when the last one is removed for good with its sender."""

Place = tuple[str, ...]  # ("user", one, other), the two in order; ("group", number of the group)


def between(one: str, other: str) -> Place:
    """The conversation of two users."""
    return ("user", *sorted((one, other)))


@dataclass
class Person:
    """A user."""

    uid: str
    role: str = "default"
    here: bool = True
    blocks: set[str] = field(default_factory=set)
    friends: set[str] = field(default_factory=set)
    online: int = 0  # open sockets


@dataclass
class Member:
    """A membership.

    Attributes:
        since: the last message before it.
    """

    scope: str
    since: int


@dataclass
class Group:
    """A group. One that is made anew under an old guid is another one, with another number."""

    number: str
    guid: str
    kind: str
    owner: str
    password: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    banned: set[str] = field(default_factory=set)

    @property
    def place(self) -> Place:
        """Its conversation."""
        return ("group", self.number)

    def rank(self, uid: str) -> str:
        """What somebody is in it; "" for no member."""
        if uid not in self.members:
            return ""
        return "owner" if self.owner == uid else self.members[uid].scope


@dataclass
class Message:
    """A message.

    Attributes:
        kind: `text`; `member`, an action that tells who came or went; `edit` and `delete`, one that tells of it.
        about: of an `edit` or `delete`: which message.
    """

    id: int
    place: Place
    sender: str
    text: str = ""
    kind: str = "text"
    parent: int = 0
    about: int = 0
    muid: str = ""
    deleted: bool = False
    pinned: bool = False
    reactions: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class State:
    """All of it."""

    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)  # those that there are, by guid
    numbered: dict[str, Group] = field(default_factory=dict)  # all that there ever were, by number
    messages: dict[int, Message] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)  # messages that once were
    last: int = 0
    saved: set[tuple[str, int]] = field(default_factory=set)
    follows: set[tuple[str, int]] = field(default_factory=set)
    cleared: dict[tuple[str, Place], int] = field(default_factory=dict)
    read: dict[tuple[str, Place], int] = field(default_factory=dict)

    # Who is who.

    def there(self, uid: str) -> bool:
        """Whether there is such a user."""
        return uid in self.people and self.people[uid].here

    def everybody(self) -> list[str]:
        """The users that there are."""
        return [uid for uid, p in self.people.items() if p.here]

    def apart(self, one: str, other: str) -> bool:
        """Whether one of the two has blocked the other."""
        return other in self.people[one].blocks or one in self.people[other].blocks

    def block_codes(self, who: str, other: str) -> set[str]:
        """With what somebody is refused to reach another because of blocks; empty when they may."""
        codes = set()
        if other in self.people[who].blocks:
            codes.add("ERR_BLOCKED_RECEIVER")
        if who in self.people[other].blocks:
            codes.add("ERR_BLOCKED_SENDER")
        return codes

    def strange(self, who: str, other: str) -> bool:
        """Whether the role of somebody keeps them from reaching another, who is no friend."""
        return self.people[who].role == "shy" and other not in self.people[who].friends and who != other

    def shows_online(self, reader: str, uid: str) -> bool:
        """Whether a reader is told that somebody is online."""
        hidden = BLOCKS_HIDE_PRESENCE and reader != uid and self.apart(reader, uid)
        return self.people[uid].online > 0 and not hidden

    # Who may know what.

    def group_of(self, place: Place) -> Group | None:
        """The group of a conversation; None for one between users."""
        if place[0] != "group":
            return None
        return self.numbered[place[1]]

    def knows_group(self, uid: str, guid: str) -> bool:
        """Whether somebody may know that there is such a group."""
        group = self.groups.get(guid)
        return group is not None and (group.kind != "private" or uid in group.members)

    def members_of(self, place: Place) -> set[str]:
        """Who is told what is said in a conversation."""
        group = self.group_of(place)
        return set(group.members) if group is not None else {u for u in place[1:] if self.there(u)}

    def reads(self, uid: str, number: int) -> bool:
        """Whether somebody may read a message."""
        m = self.messages.get(number)
        if m is None or not self.there(uid):
            return False
        group = self.group_of(m.place)
        if group is None:
            return uid in m.place[1:]
        return uid in group.members and (HISTORY_BEFORE_JOINING or m.id > group.members[uid].since)

    def readable(self, uid: str) -> list[Message]:
        """All that somebody may read, oldest first."""
        return [m for n, m in sorted(self.messages.items()) if self.reads(uid, n)]

    def history(self, uid: str, place: Place | None = None) -> list[Message]:
        """What lists show somebody: what they may read and have not cleared away, of one conversation or of all."""
        return [
            m
            for m in self.readable(uid)
            if (place is None or m.place == place) and m.id > self.cleared.get((uid, m.place), 0)
        ]

    def missed(self, uid: str, place: Place | None = None) -> list[Message]:
        """Of what lists show somebody: what can be new to them, which in a group begins when they joined."""
        found = []
        for m in self.history(uid, place):
            group = self.group_of(m.place)
            if group is None or m.id > group.members[uid].since:
                found.append(m)
        return found

    def places_of(self, uid: str) -> list[Place]:
        """The conversations in which there is something to read for somebody."""
        return list(dict.fromkeys(m.place for m in self.history(uid)))

    def unread(self, uid: str, place: Place) -> int:
        """How many messages of a conversation somebody has not read."""
        until = self.read.get((uid, place), 0)
        return sum(
            m.id > until and m.sender != uid and m.kind == "text" and not m.deleted for m in self.missed(uid, place)
        )

    def last_shown(self, uid: str, place: Place) -> int:
        """The message that a conversation's row shows somebody; 0 for none."""
        shown = [m for m in self.history(uid, place) if not m.parent and m.kind in ("text", "member")]
        return shown[-1].id if shown and not shown[-1].deleted else 0
