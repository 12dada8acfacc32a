"""Records which changes the sockets of this process have received, and tells which of them they lack.

A change is an entry of the change log, such as a reaction, and is identified by its number there. It is published to
one or more subjects: those of groups or users.
"""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable
from enum import Enum

MAX_KNOWN_NUMBERS = 100_000
"""How many numbers of received changes are remembered. When there are more, all are forgotten."""
MAX_DEPARTURES = 10_000
"""How many users who have left groups are remembered; beyond that the one who left first is forgotten."""
_NOT_SEEN = sys.maxsize


class Missing(Enum):
    """Whether the sockets of a subject lack a change; `PERHAPS` if it is not known."""

    NO = "no"
    YES = "yes"
    PERHAPS = "perhaps"


class ChangeNumbers:
    """Records which subjects have received which changes, so that each change is delivered once.

    Numbers increase in the order of commits. A process receives only the changes for its own subjects, in any order, so
    a gap between numbers does not show that one is missing: the caller compares them with the store.

    Args:
        end: the newest number in the store at the start. Changes up to it are not awaited.

    Attributes:
        end: all changes up to this number have been received or read from the store; records of them are dropped.
        arrived: the subjects for which a change has been received since the caller last emptied this set.
    """

    def __init__(self, end: int) -> None:
        self.end = end
        self.arrived: set[str] = set()
        self._received: dict[int, set[str]] = {}
        self._late: dict[int, dict[str, None]] = {}  # by number of a change: users who joined after it came (`join`)
        self._had: dict[int, set[tuple[str, str]]] = {}  # the same: subjects, with users who have it and have left
        # Users who have left a subject: when, and up to which number changes may concern them still.
        self._left: dict[tuple[str, str], tuple[float, int]] = {}
        self._forgotten = 0  # up to this number it is not known what was received
        # By subject: the changes above this number were committed after its subscription. It is `_NOT_SEEN` until a
        # poll of the log that began after the subscription; until then the time of the subscription is in `_new`.
        self._since: dict[str, int] = {}
        self._new: dict[str, float] = {}

    def subscribe(self, subject: str, now: float) -> None:
        """Record that a subject got its first socket of this process at `now`, a time of the event loop.

        For changes before that time, `is_missing` returns `PERHAPS`.
        """
        self._since[subject] = _NOT_SEEN
        self._new[subject] = now

    def unsubscribe(self, subject: str) -> None:
        """Record that a subject no longer has a socket of this process."""
        self._since.pop(subject, None)
        self._new.pop(subject, None)

    def record_received(self, number: int, subject: str) -> bool:
        """Record that a change has come for a subject. Return False if it came before, so that it is not delivered."""
        self.arrived.add(subject)
        if number <= self.end:
            return False
        subjects = self._received.setdefault(number, set())
        if subject in subjects:
            return False
        subjects.add(subject)
        if len(self._received) > MAX_KNOWN_NUMBERS:
            self._forgotten = max(self._received)
            self._received = {}
            self._had = {}
        return True

    def join(self, subject: str, uid: str, held: Container[int]) -> None:
        """Record that a user with sockets here receives the changes of a group from now on, because they joined it.

        Changes of the group that were delivered here before, and are above `end`, must be delivered to this user
        separately if they may receive them (see `late_for`).

        Args:
            subject: the subject of the group.
            uid: the user.
            held: the numbers of changes that have come, but are not delivered yet, so that the user will receive them.
        """
        for number, subjects in self._received.items():
            if subject in subjects and number not in held and (subject, uid) not in self._had.get(number, ()):
                self._late.setdefault(number, {})[uid] = None
        self._left.pop((subject, uid), None)

    def leave(self, subject: str, uid: str, held: Container[int], now: float) -> None:
        """Record that a user no longer receives the changes of a group, because they left it.

        The changes that were delivered here so far have reached them. They may lack others that were committed before
        they left (see `left_without`).

        Args:
            subject: the subject of the group.
            uid: the user.
            held: the numbers of changes that have come, but are not delivered yet, so that the user does not receive
                them.
            now: the time of the event loop.
        """
        for number, subjects in self._received.items():
            if subject in subjects and number not in held and uid not in self._late.get(number, ()):
                self._had.setdefault(number, set()).add((subject, uid))
        self._left.pop((subject, uid), None)
        if len(self._left) >= MAX_DEPARTURES:
            del self._left[next(iter(self._left))]
        self._left[subject, uid] = now, _NOT_SEEN

    def left_without(self, number: int, subject: str) -> list[str]:
        """Return the users who have left a group and may have been members when it changed, but lack the change.

        Args:
            number: the number of the change.
            subject: the subject of the group.
        """
        if not self._left:
            return []
        had, late = self._had.get(number, ()), self._late.get(number, ())
        return [
            uid for (left, uid), (_, until) in self._left.items()
            if left == subject and number <= until and (left, uid) not in had and uid not in late
        ]  # fmt: skip

    def record_delivered_to(self, number: int, subject: str, uids: Iterable[str]) -> None:
        """Record that a change of a group was delivered to users who have left it. Others among `uids` are ignored."""
        if left := {(subject, uid) for uid in uids} & self._left.keys():
            self._had.setdefault(number, set()).update(left)

    def late_for(self, number: int) -> list[str]:
        """Return the users who joined the group of a change here only after the change was delivered, and lack it."""
        return list(self._late.get(number, ()))

    def record_delivered_late(self, number: int, subject: str) -> None:
        """Record that a change of a group was delivered to the users of `late_for`."""
        self.record_delivered_to(number, subject, self._late.pop(number, ()))

    def record_newest(self, newest: int, began: float) -> None:
        """Record the newest number in the store.

        If it is lower than `end`, the database was reverted to an older copy: everything is forgotten, and `end` is set
        to it.

        Args:
            newest: the number.
            began: the event loop time at which reading it began.
        """
        if newest < self.end:  # the database was reverted to an older copy
            self.end, self._forgotten = newest, 0
            self._received.clear()
            self._late.clear()
            self._had.clear()
            self._left.clear()
        for key, (at, until) in list(self._left.items()):
            if at < began and until == _NOT_SEEN:
                self._left[key] = at, newest
        for subject in [subject for subject, at in self._new.items() if at < began]:
            del self._new[subject]
            self._since[subject] = newest

    def is_missing(self, number: int, subject: str) -> Missing:
        """Return whether the sockets of a subject lack a change that is in the store.

        Returns:
            `PERHAPS` if the change may be older than the subscription, or is among those whose records were forgotten.
        """
        if number <= self.end or subject in self._received.get(number, ()):
            return Missing.NO
        sure = number > self._since.get(subject, 0) and number > self._forgotten
        return Missing.YES if sure else Missing.PERHAPS

    def record_settled(self, number: int) -> None:
        """Record that no change up to a number is missing, and drop what was recorded about these changes."""
        if number <= self.end:
            return
        self.end = number
        for settled in _up_to(number, self._received):
            del self._received[settled]
            self._late.pop(settled, None)
        for had in _up_to(number, self._had):
            del self._had[had]
        for key in [key for key, (_, until) in self._left.items() if until <= number]:
            del self._left[key]
        for subject, since in list(self._since.items()):
            if since <= number:
                del self._since[subject]


def _up_to(number: int, numbers: Iterable[int]) -> list[int]:
    return [n for n in numbers if n <= number]
