"""The commands that the continuity machine gives its caller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from tailwire.sdk.continuity.state import Continuity, Position

FIRST_PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class FetchAfter:
    """Fetch the next page: at most `limit` messages after `after_id`, oldest first, with the changes between them.

    Attributes:
        at_most: if more messages than this were missed, the server may leave out the older ones; 0 if it must not.
    """

    after_id: int
    limit: int = FIRST_PAGE_SIZE
    at_most: int = 0


@dataclass(frozen=True, slots=True)
class FetchLatest:
    """Fetch the id of the latest message: it becomes the first position, or the end of a gap."""


class HandOver(NamedTuple):
    """Hand these messages and changes over to the app, in this order.

    Attributes:
        messages: messages, and `Change` objects between them.
        own: ids of messages between them that this device sent, for the position while only some are handed over.
        done: ranges of ids that had been served before, for the same purpose.
        before: the position before the first of them; None if there are no changes among them.
    """

    messages: tuple[Any, ...]
    own: tuple[int, ...] = ()
    done: tuple[tuple[int, int], ...] = ()
    before: Position | None = None


@dataclass(frozen=True, slots=True)
class ReportGap:
    """Tell the app that messages, or only changes, with ids in (from, to] are not handed over."""

    from_id: int
    to_id: int
    only_changes: bool = False


@dataclass(frozen=True, slots=True)
class ReportContinuity:
    """Tell the app what became of the messages that were missed."""

    continuity: Continuity


Command = FetchAfter | FetchLatest | HandOver | ReportContinuity | ReportGap
