"""The state of the model: users, groups, messages, and who may see them. Shares no code with the server.

The rules that the documentation leaves open are constants here, to be switched in one place.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

HISTORY_BEFORE_JOINING = True
"""Whether members may read messages from before they joined; in every list, search and message.

Even so, catch-up, updates and unread counts begin when they joined.
"""

BLOCKS_HIDE_PRESENCE = True
"""Whether a block hides presence between the two users, over REST and on sockets."""

BLOCKS_STOP_CHANGES = True
"""Whether a block stops edits, reactions and pins of earlier messages between the two. It does not stop deletions."""

RANK_FOR_ONES_OWN_PIN = True
"""Whether participants may not pin their own messages in a group: the documentation requires a moderator."""

NEWEST_IS_THE_LAST_OF_THE_LIST = True
"""Whether a list of size one shows the last visible message, without cleared and deleted ones."""

ROWS_FOLLOW_REMOVALS = True
"""Whether the previous message becomes the last one if the last is removed with its sender."""

Place = tuple[str, ...]  # ("user", one, other), the two in order; ("group", number of the group)


def between(one: str, other: str) -> Place:
    """Return the conversation of two users."""
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
        scope: `participant`, `moderator` or `admin`.
        since: the id of the last message before it began.
    """

    scope: str
    since: int


@dataclass
class Group:
    """A group. A new group with an old guid is distinct, with another number."""

    number: str
    guid: str
    kind: str
    owner: str
    password: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    banned: set[str] = field(default_factory=set)

    @property
    def place(self) -> Place:
        """The group's conversation."""
        return ("group", self.number)

    def rank(self, uid: str) -> str:
        """Return the role of a user in the group; "" if they are not a member."""
        if uid not in self.members:
            return ""
        return "owner" if self.owner == uid else self.members[uid].scope


@dataclass
class Message:
    """A message.

    Attributes:
        kind: `text`; `member`, an action that tells who joined or left; `edit` and `delete`, one that tells of it.
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
    """The whole state.

    Attributes:
        last: the id of the newest message.
        saved, follows: users, each with the id of a message that they saved, or whose thread they follow.
        cleared: the id up to which a user has deleted a conversation for themselves.
        read: the id up to which a user has read a conversation.
    """

    people: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)  # existing groups, by guid
    numbered: dict[str, Group] = field(default_factory=dict)  # all groups that ever existed, by number
    messages: dict[int, Message] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)  # removed messages
    last: int = 0
    saved: set[tuple[str, int]] = field(default_factory=set)
    follows: set[tuple[str, int]] = field(default_factory=set)
    cleared: dict[tuple[str, Place], int] = field(default_factory=dict)
    read: dict[tuple[str, Place], int] = field(default_factory=dict)

    # Relations.

    def exists(self, uid: str) -> bool:
        """Return whether a user exists."""
        return uid in self.people and self.people[uid].here

    def everybody(self) -> list[str]:
        """Return the users who exist."""
        return [uid for uid, p in self.people.items() if p.here]

    def is_blocked_between(self, one: str, other: str) -> bool:
        """Return whether one of two users has blocked the other."""
        return other in self.people[one].blocks or one in self.people[other].blocks

    def block_codes(self, who: str, other: str) -> set[str]:
        """Return the codes with which blocks stop a user from reaching another; empty if they do not."""
        codes = set()
        if other in self.people[who].blocks:
            codes.add("ERR_BLOCKED_RECEIVER")
        if who in self.people[other].blocks:
            codes.add("ERR_BLOCKED_SENDER")
        return codes

    def is_out_of_reach(self, who: str, other: str) -> bool:
        """Return whether a user's role stops them from reaching another user, who is not a friend."""
        return self.people[who].role == "shy" and other not in self.people[who].friends and who != other

    def shows_online(self, reader: str, uid: str) -> bool:
        """Return whether a reader sees that a user is online."""
        hidden = BLOCKS_HIDE_PRESENCE and reader != uid and self.is_blocked_between(reader, uid)
        return self.people[uid].online > 0 and not hidden

    # Visibility.

    def group_of(self, place: Place) -> Group | None:
        """Return the group of a conversation; None for two users."""
        if place[0] != "group":
            return None
        return self.numbered[place[1]]

    def knows_group(self, uid: str, guid: str) -> bool:
        """Return whether a user may know of a group."""
        group = self.groups.get(guid)
        return group is not None and (group.kind != "private" or uid in group.members)

    def members_of(self, place: Place) -> set[str]:
        """Return the users who get the messages of a conversation."""
        group = self.group_of(place)
        return set(group.members) if group is not None else {u for u in place[1:] if self.exists(u)}

    def reads(self, uid: str, number: int) -> bool:
        """Return whether a user may read a message."""
        m = self.messages.get(number)
        if m is None or not self.exists(uid):
            return False
        group = self.group_of(m.place)
        if group is None:
            return uid in m.place[1:]
        return uid in group.members and (HISTORY_BEFORE_JOINING or m.id > group.members[uid].since)

    def readable(self, uid: str) -> list[Message]:
        """Return all messages that a user may read, oldest first."""
        return [m for n, m in sorted(self.messages.items()) if self.reads(uid, n)]

    def history(self, uid: str, place: Place | None = None) -> list[Message]:
        """Return the messages in a user's lists: readable and not cleared, of one conversation or of all."""
        return [
            m
            for m in self.readable(uid)
            if (place is None or m.place == place) and m.id > self.cleared.get((uid, m.place), 0)
        ]

    def missed(self, uid: str, place: Place | None = None) -> list[Message]:
        """Return the messages in a user's lists that can be unread: in a group, those since they joined."""
        found = []
        for m in self.history(uid, place):
            group = self.group_of(m.place)
            if group is None or m.id > group.members[uid].since:
                found.append(m)
        return found

    def places_of(self, uid: str) -> list[Place]:
        """Return the conversations with readable messages for a user."""
        return list(dict.fromkeys(m.place for m in self.history(uid)))

    def unread(self, uid: str, place: Place, without: Collection[str] = ()) -> int:
        """Return how many messages of a conversation a user has not read, without those of some senders."""
        until = self.read.get((uid, place), 0)
        return sum(
            m.id > until and m.sender not in (uid, *without) and m.kind == "text" and not m.deleted
            for m in self.missed(uid, place)
        )

    def last_shown(self, uid: str, place: Place) -> int:
        """Return the id of the message that a user's conversation list shows; 0 for none."""
        shown = [m for m in self.history(uid, place) if not m.parent and m.kind in ("text", "member")]
        return shown[-1].id if shown and not shown[-1].deleted else 0
