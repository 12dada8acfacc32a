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
        at_most: if more messages than this were missed, the server may leave out the oldest ones; 0 if it must not
            leave out any.
    """

    after_id: int
    limit: int = FIRST_PAGE_SIZE
    at_most: int = 0


@dataclass(frozen=True, slots=True)
class FetchLatest:
    """Fetch the id of the latest message: it becomes the first position, or the end of a gap."""


class HandOver(NamedTuple):
    """Hand these messages and changes over to the app, in this order.

    `own`, `done` and `before` are needed for the position while only some of the messages are handed over.

    Attributes:
        messages: messages, and `Change` objects between them.
        own: ids, between those of the messages, of messages that this device sent.
        done: ranges of ids that had been handed over before, as in `Position.done`.
        before: the position before the first of them; None if there are no changes among them.
    """

    messages: tuple[Any, ...]
    own: tuple[int, ...] = ()
    done: tuple[tuple[int, int], ...] = ()
    before: Position | None = None


@dataclass(frozen=True, slots=True)
class ReportGap:
    """Tell the app that messages with ids in (`from_id`, `to_id`] are not handed over.

    With `only_changes`, the messages are, but changes from that time are not.
    """

    from_id: int
    to_id: int
    only_changes: bool = False


@dataclass(frozen=True, slots=True)
class ReportContinuity:
    """Tell the app what became of the messages that were missed."""

    continuity: Continuity


Command = FetchAfter | FetchLatest | HandOver | ReportContinuity | ReportGap
