"""Knows which changes the sockets of one process have received: numbers of the change log, by subject."""

from __future__ import annotations

import sys
from collections.abc import Container, Iterable
from enum import Enum

MAX_KNOWN_NUMBERS = 100_000
"""How many numbers are remembered. Beyond that, it is not known whether lower ones were received."""
MAX_DEPARTURES = 10_000
"""How many departures are remembered."""
_NOT_SEEN = sys.maxsize


class Missing(Enum):
    """Whether the sockets of a subject lack a change."""

    NO = "no"
    YES = "yes"
    PERHAPS = "perhaps"


class ChangeNumbers:
    """Knows which subjects have received a change, so that each receives it once, and which of them lack one.

    Numbers increase in the order of commits, but a process receives only those for its subjects, in any order. So only
    the store can say which are missing.

    Attributes:
        end: all changes up to this number have been received, or were read from the store.
        arrived: subjects that have received a change since this set was last emptied.
    """

    def __init__(self, end: int) -> None:
        self.end = end
        self.arrived: set[str] = set()
        self._received: dict[int, set[str]] = {}
        self._late: dict[int, dict[str, None]] = {}  # users to whom a group's change is still owed: see `join`
        self._had: dict[int, set[tuple[str, str]]] = {}  # subjects and users who received it and have left
        # Users who have left a subject: when, and up to which number changes may concern them still.
        self._left: dict[tuple[str, str], tuple[float, int]] = {}
        self._forgotten = 0  # up to this number it is not known what was received
        # The number after which a subject was subscribed at the time of each change; `_NOT_SEEN` until a look that
        # begins after the subscription, whose time is in `_new`.
        self._since: dict[str, int] = {}
        self._new: dict[str, float] = {}

    def subscribe(self, subject: str, now: float) -> None:
        """Record that a subject has its first socket here, at a time of the event loop."""
        self._since[subject] = _NOT_SEEN
        self._new[subject] = now

    def unsubscribe(self, subject: str) -> None:
        """Record that a subject no longer has a socket here."""
        self._since.pop(subject, None)
        self._new.pop(subject, None)

    def record_received(self, number: int, subject: str) -> bool:
        """Record that a subject receives a change. Return False if it has already received the change."""
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
        """Record that a user receives a group from now on. Changes that others have already received are late for them.

        Args:
            held: numbers that have come, but are not delivered yet.
        """
        for number, subjects in self._received.items():
            if subject in subjects and number not in held and (subject, uid) not in self._had.get(number, ()):
                self._late.setdefault(number, {})[uid] = None
        self._left.pop((subject, uid), None)

    def leave(self, subject: str, uid: str, held: Container[int], now: float) -> None:
        """Record that a user no longer receives a group. They have received its changes so far, except missing ones.

        Args:
            held: numbers that have come, but are not delivered yet.
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
        """Return the users who have left a group lately and have not received a change of it."""
        if not self._left:
            return []
        had, late = self._had.get(number, ()), self._late.get(number, ())
        return [
            uid for (left, uid), (_, until) in self._left.items()
            if left == subject and number <= until and (left, uid) not in had and uid not in late
        ]  # fmt: skip

    def record_delivered_to(self, number: int, subject: str, uids: Iterable[str]) -> None:
        """Record who has received a change of a group, if they have left it."""
        if left := {(subject, uid) for uid in uids} & self._left.keys():
            self._had.setdefault(number, set()).update(left)

    def late_for(self, number: int) -> list[str]:
        """Return the users who began to receive the group of a change only after the change had come."""
        return list(self._late.get(number, ()))

    def record_delivered_late(self, number: int, subject: str) -> None:
        """Record that the users of `late_for` have received a change."""
        self.record_delivered_to(number, subject, self._late.pop(number, ()))

    def record_newest(self, newest: int, began: float) -> None:
        """Record the newest number in the store, which was read after `began`, a time of the event loop."""
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

        `PERHAPS`: it may have happened before the subscription, or they have received more than is remembered.
        """
        if number <= self.end or subject in self._received.get(number, ()):
            return Missing.NO
        sure = number > self._since.get(subject, 0) and number > self._forgotten
        return Missing.YES if sure else Missing.PERHAPS

    def record_settled(self, number: int) -> None:
        """Record that nothing is missing up to a number."""
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
