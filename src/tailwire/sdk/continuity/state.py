"""The state of catch-up, and the position. A position only rises, unless the server's store is replaced or restored."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any, NamedTuple


class Position(NamedTuple):
    """How far this user has been served on this device. A tuple, because one is created for every message.

    Attributes:
        last_id: every message up to this id has been handed over, or was there before the login.
        store: name of the server's store to which the ids belong; "" if the server does not send it.
        own: ids above `last_id` that this device sent itself, so that a catch-up does not hand them over.
        updated_at: server time, in seconds since 1970, up to which changes of older messages (receipts) were received.
        mark: identifies the run of the server during which `last_id` was reached; "" if the server sent none.
        done: ordered ranges of ids above `last_id`, each as (exclusive start, inclusive end): served before an older
            message was, so that a catch-up does not hand them over.
        changes: number up to which the changes of the server's log are settled; None if it is not known.
        heard: numbers of changes above `changes` that were handed over.
    """

    last_id: int = 0
    store: str = ""
    own: tuple[int, ...] = ()
    updated_at: int = 0
    mark: str = ""
    done: tuple[tuple[int, int], ...] = ()
    changes: int | None = None
    heard: tuple[int, ...] = ()

    def is_settled(self, message_id: int) -> bool:
        """Return whether a message above `last_id` need not be handed over: it was already, or this device sent it."""
        if message_id in self.own:
            return True
        i = bisect_left(self.done, (message_id,)) - 1
        return i >= 0 and message_id <= self.done[i][1]


def of_another_store(position: Position, other: Position) -> bool:
    """Return whether two positions differ in store or mark, so that their ids may not be comparable."""
    return position.store != other.store or position.mark != other.mark


class ContinuityKind(StrEnum):
    """What became of the messages that were missed while there was no connection.

    Attributes:
        EXACT: none was missed, or all that were missed are handed over.
        GAP: some are not handed over: because more were missed than the limit, or the server has removed some because
            of their age. Or changes from that time are not handed over (see `HistoryGap`).
        UNKNOWN: there is no position yet, catch-up is disabled, or the server's store was replaced or restored.
    """

    EXACT = "exact"
    GAP = "gap"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Continuity:
    """What became of the messages that were missed; part of the `connected` event (K1).

    Attributes:
        kind: whether all of them are handed over.
        missed: the number of messages from history that are handed over.
        from_id, to_id: the range of ids (`from_id`, `to_id`] that is affected; 0 and 0 without one. With `gap`, those
            of its messages that the server still has are only in history. With `unknown`, the app has to read them
            again.
    """

    kind: ContinuityKind
    missed: int = 0
    from_id: int = 0
    to_id: int = 0


@dataclass(slots=True)
class CatchUp:
    """State of catch-up. Only the functions of this package change it.

    Attributes:
        position: how far the app has been served; None before the first message id is known.
        limit: maximum number of messages that a catch-up hands over (K1).
        enabled: whether catch-up is enabled.
        floor: everything up to this id is settled: handed over, given up as a gap, or older than the login.
        recent: ids above `floor` that were handed over, to recognise duplicates; the oldest raise `floor`.
        behind: live messages held by the catch-up that is in progress; None without one.
        named: for each held message, the id of its predecessor.
        caught: number of messages that this catch-up has handed over.
        counted: number of them that count towards the limit: all but action messages for edits and deletions.
        changed: live changes held like `behind`: number, newest message id known when it came, and event.
        gap: the range of ids that this catch-up leaves out; None if it leaves out nothing.
        size: number of messages requested per page.
        pace: seconds per requested message in the previous page.
        asked_after: the id after which the catch-up continues to read; everything up to it is settled.
        receipts: the receipts that were handed over: conversation, reader and kind, to the highest message id.
        holes: ids of missing messages, which others named as predecessors; messages that follow them are held.
        quiet: history is read for a hole or without a socket, so no `ReportContinuity` follows.
        in_full: history is read without a limit, because a message that was sent over the socket is missing: all that
            is read was sent while the socket was open.
        spare: how many messages more than the limit are requested, because as many came over the socket meanwhile.
        back: the server's store was replaced or restored: the range of ids to read again from history, reported at
            the end of the catch-up.
        refused: the position that the server did not recognise, until a page was read; None without one.
        overflowed: more live messages arrived than can be held; the catch-up fetches them from history.
    """

    position: Position | None = None
    limit: int = 1000
    enabled: bool = True
    floor: int = 0
    recent: OrderedDict[int, None] = field(default_factory=OrderedDict)
    behind: list[tuple[int, Any]] | None = None
    named: dict[int, int] = field(default_factory=dict)
    caught: int = 0
    counted: int = 0
    changed: list[tuple[int, int, Any]] = field(default_factory=list)
    gap: tuple[int, int] | None = None
    size: int = 20
    pace: float = inf
    asked_after: int = 0
    receipts: OrderedDict[tuple[str, str, str], int] = field(default_factory=OrderedDict)
    overflowed: bool = False
    holes: set[int] = field(default_factory=set)
    quiet: bool = False
    in_full: bool = False
    spare: int = 0
    back: tuple[int, int] | None = None
    refused: Position | None = None
