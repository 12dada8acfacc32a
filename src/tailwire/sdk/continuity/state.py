"""What the machine knows. Rule: a position only rises, except when the server's store is another or went back."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any, NamedTuple


class Position(NamedTuple):
    """How far this user has been served on this device (a tuple: one is made for every message).

    Attributes:
        last_id: every message up to this id has been handed over, or was there before the login.
        store: the name of the server's store that the ids belong to; "" when the server does not tell.
        own: ids above `last_id` that this device sent itself, so that a catch-up does not hand them over.
        updated_at: server time, in seconds, up to which changes of older messages (receipts) have been heard of.
        mark: of the server's start under which `last_id` was reached, for the server to recognise it by; "" when the
            server gave none.
        done: ranges of ids above `last_id`, each without its first and with its last, in order: what was served before
            an older message was. A catch-up does not hand it over.
    """

    last_id: int = 0
    store: str = ""
    own: tuple[int, ...] = ()
    updated_at: int = 0
    mark: str = ""
    done: tuple[tuple[int, int], ...] = ()

    def is_settled(self, message_id: int) -> bool:
        """Return whether a message above the place need not be handed over."""
        if message_id in self.own:
            return True
        i = bisect_left(self.done, (message_id,)) - 1
        return i >= 0 and message_id <= self.done[i][1]


def of_another_store(position: Position, other: Position) -> bool:
    """Return whether the ids of two positions may not be comparable: the store is another, or went back between."""
    return position.store != other.store or position.mark != other.mark


class ContinuityKind(StrEnum):
    """How the messages before and after a connection join."""

    EXACT = "exact"
    GAP = "gap"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Continuity:
    """What a `connected` event says of the time without a connection (K1).

    Attributes:
        kind: `exact`: nothing was missed, or all of it is handed over. `gap`: more was missed than the limit; as many
            as the limit are handed over, what lies after `from_id` and up to `to_id` is only in history. `unknown`:
            there is no position yet, or catch-up is switched off, or the server's store is another than before or an
            older copy of it: what lies after `from_id` and up to `to_id` has to be read anew from history.
        missed: how many messages of history are handed over, in all pages of this catch-up.
    """

    kind: ContinuityKind
    missed: int = 0
    from_id: int = 0
    to_id: int = 0


@dataclass(slots=True)
class CatchUp:
    """State of the continuity machine (changed by the functions of `catch_up` alone).

    Attributes:
        limit: the most messages that are caught up (K1).
        recent: ids handed over live, above `floor`: what a second delivery is recognised by.
        floor: everything up to here is settled: handed over, given up as a gap, or older than the login.
        behind: while not None, a catch-up is under way and holds the live messages that came meanwhile.
        named: for each held message, the id of its predecessor according to the server.
        caught: how many messages the catch-up under way has handed over.
        free: how many of these only tell of edits, and do not count towards the limit.
        size: how many messages are asked for at once.
        pace: seconds that a message of the page before took.
        asked_after: the id after which the catch-up reads on; everything up to it is settled.
        told: receipts that were told: conversation, reader and kind, to the highest message id.
        holes: ids of messages that others say came before them, and that have not come; what follows is held for them.
        quiet: history is read for such a hole, or without a socket, not for a new connection: nothing is told of it.
        back: the server's store is another, or went back: to be told with the end of the catch-up; the ids between
            which history is to be read anew.
        overflowed: more came meanwhile than is held; they are in history, so the catch-up reads on for them.
    """

    position: Position | None = None
    limit: int = 1000
    enabled: bool = True
    floor: int = 0
    recent: OrderedDict[int, None] = field(default_factory=OrderedDict)
    behind: list[tuple[int, Any]] | None = None
    named: dict[int, int] = field(default_factory=dict)
    caught: int = 0
    free: int = 0
    size: int = 20
    pace: float = inf
    asked_after: int = 0
    told: OrderedDict[tuple[str, str, str], int] = field(default_factory=OrderedDict)
    overflowed: bool = False
    holes: set[int] = field(default_factory=set)
    quiet: bool = False
    back: tuple[int, int] | None = None
