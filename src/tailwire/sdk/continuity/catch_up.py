"""Fetch what was missed before live messages are handed over: nothing lost, repeated or out of order (K1, K2).

Catch-up reads history in pages, by message id, never by time. A live message that arrives during a catch-up is held,
that is, kept back until the pages before it have been handed over. Pages come in the server's order, so each is handed
over at once and moves the position to its end; a catch-up that is interrupted continues from there. The caller requests
a failed page again, with a smaller size. Messages that this device sent (`ours`) move the position but are not handed
over (S27).

The functions change the state `m`, and return the commands that the caller has to carry out, in order.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import inf
from typing import Any

from tailwire.sdk.continuity import gaps
from tailwire.sdk.continuity.changes import Listed, in_order, is_known, record, settle, take_held, unknown_changes
from tailwire.sdk.continuity.commands import (
    FIRST_PAGE_SIZE,
    Command,
    FetchAfter,
    FetchLatest,
    HandOver,
    ReportContinuity,
    ReportGap,
)
from tailwire.sdk.continuity.state import CatchUp, Continuity, ContinuityKind, Position

MAX_PAGE_SIZE = 100
MIN_PAGE_SIZE = 5
FAST_PAGE_SECONDS = 1.0
"""A full page that took at most this long is followed by one of twice the size."""
SLOW_PAGE_SECONDS = 8.0
"""A page that took longer is followed by one of half the size."""
GROWTH_RATIO = 0.8
"""After a full page that took a time between these two, the size doubles if larger pages help: if the time per message
was at most this fraction of that of the previous page. Otherwise the size stays."""
MAX_REMEMBERED_MESSAGES = 2000
MAX_HELD_MESSAGES = 5000


def on_connected(m: CatchUp, store: str, mark: str = "") -> list[Command]:
    """Begin a catch-up, because the socket is authenticated.

    If the store has another name than the one in the position, message ids are not comparable and the catch-up starts
    over at the latest message, unless both have a mark: then the server itself verifies the position. If catch-up is
    disabled, this only reports that the outcome is unknown.

    Args:
        store: name of the server's store; "" if the server does not send it (feature `epoch`).
        mark: identifies the run of the server, from one start to the next; "" if the server sends none.
    """
    _begin(m)
    if not m.enabled:
        return [ReportContinuity(Continuity(ContinuityKind.UNKNOWN))]
    m.behind, m.overflowed = [], False
    position = m.position
    recognised = position is not None and bool(position.mark and mark)
    if position is None or (position.store and store and position.store != store and not recognised):
        m.back = (0, 0) if position is not None else m.back
        return [_start_over(m)]
    m.position = position._replace(store=store or position.store)
    return [_begin_after(m, position)]


def _start_over(m: CatchUp) -> FetchLatest:
    m.position = None
    m.recent.clear()
    return FetchLatest()


def on_unknown_position(m: CatchUp, last_valid_id: int) -> list[Command]:
    """Continue a catch-up whose position the server rejected: its store was restored from a backup, or replaced.

    Messages after `last_valid_id` that were handed over are no longer in the store, and their ids may belong to other
    messages now. So the catch-up reads again from that id; if it is 0, it starts over at the latest message.

    Args:
        last_valid_id: the last id up to which the position is valid; 0 if it is not valid at all.
    """
    if m.behind is None or m.position is None:
        return []
    m.back, m.in_full = (last_valid_id, max(m.position.last_id, last_valid_id)), False
    if last_valid_id <= 0:
        return [_start_over(m)]
    m.refused = m.refused or m.position
    m.recent.clear()
    m.named, m.holes, m.caught, m.counted = {}, set(), 0, 0
    m.floor = m.asked_after = last_valid_id
    m.position = Position(last_valid_id, m.position.store, updated_at=m.position.updated_at)
    return [next_page(m)]


def poll(m: CatchUp) -> list[Command]:
    """Read new messages without a socket: like a catch-up, page by page, but without a `ReportContinuity`.

    Does nothing while history is being read, or if catch-up is disabled. A socket that opens meanwhile begins its own
    catch-up (`on_connected`). Without a position, polling starts at the newest message. A gap is reported if there are
    more messages than the limit.
    """
    if m.behind is not None or not m.enabled:
        return []
    _begin(m)
    m.behind, m.overflowed, m.quiet = [], False, True
    return [FetchLatest() if m.position is None else _begin_after(m, m.position)]


def on_disconnected(m: CatchUp) -> None:
    """End the catch-up, because the socket is gone. Held messages are dropped: the next catch-up fetches them."""
    if m.behind is not None and not m.holes:
        m.size = max(MIN_PAGE_SIZE, m.size // 2)  # the page in progress may have been too large for the line
    m.behind = None
    _begin(m)


def _begin(m: CatchUp) -> None:
    m.caught, m.counted, m.named, m.holes, m.quiet, m.gap = 0, 0, {}, set(), False, None
    m.in_full, m.spare = False, 0
    if m.refused is not None:  # no page has been read since
        m.position, m.refused, m.back = m.refused, None, None
    m.changed.clear()
    m.size, m.pace = min(m.size, FIRST_PAGE_SIZE), inf


def _begin_after(m: CatchUp, position: Position) -> FetchAfter:
    m.floor = m.asked_after = position.last_id
    return next_page(m)


def next_page(m: CatchUp) -> FetchAfter:
    """Return the command for the next page: at most `m.size` messages, and no more than the limit still allows."""
    if m.in_full:
        return FetchAfter(m.asked_after, m.size)
    size = max(1, min(m.size, m.limit - m.counted))
    return FetchAfter(m.asked_after, size, m.limit + m.spare if m.counted == 0 else 0)


def on_page_failed(m: CatchUp, command: FetchAfter | FetchLatest) -> FetchAfter | FetchLatest:
    """Return the command that replaces a failed one: a smaller page for `FetchAfter`, the same for `FetchLatest`."""
    if isinstance(command, FetchLatest):
        return command
    m.size = max(MIN_PAGE_SIZE, min(m.size, command.limit) // 2)
    m.pace = inf
    return next_page(m)


def on_latest(m: CatchUp, last_id: int, store: str, mark: str = "", newest_change: int | None = None) -> list[Command]:
    """Process the result of `FetchLatest`: end the catch-up at the latest message and hand over what was held.

    Args:
        last_id: the latest message's id; 0 without messages.
        store: name of the server's store, as for `on_connected`.
        mark: the mark of the server's start in the response; "" without one.
        newest_change: the number of the newest entry of the server's change log in the response; None without one.
    """
    if m.behind is None:
        return []
    if m.position is not None:
        # As many messages as the limit allows were handed over. The rest is a gap, which ends at the latest message.
        begin = m.asked_after
        last_id = max(begin, last_id, *(m.gap or ()))
        left_out = [ReportGap(begin, last_id)] if last_id > begin else []
        gaps.record(m, left_out)
        reports = [*left_out, *gaps.report_at_end(m)]
        settled = last_id
    else:
        bounds = (0, last_id) if m.back is not None else (0, 0)
        reports = [] if m.quiet and m.back is None else gaps.report(Continuity(ContinuityKind.UNKNOWN, 0, *bounds))
        settled = 0
    m.back = m.gap = None
    before = m.position or Position(changes=newest_change)
    pairs = dict(m.behind)
    held = sorted(p for p in pairs.items() if p[0] > settled and not before.is_settled(p[0]))
    changed = take_held(m)
    m.behind, m.named = None, {}
    m.floor = last_id
    m.position = before._replace(store=store or before.store, mark=mark or before.mark)
    _advance(m, last_id)
    return [*reports, *hand_over(m, held, unknown_changes(m, changed))]


def on_page(
    m: CatchUp,
    messages: Sequence[tuple[int, Any]],
    *,
    whole: bool,
    ours: Collection[int] = (),
    end: int = 0,
    took: float = 0.0,
    mark: str = "",
    free: Collection[int] = (),
    gone: Collection[int] = (),
    listed: Listed | None = None,
    pruned: int = 0,
) -> list[Command]:
    """Process the result of `FetchAfter`: hand the page over, and fetch the next one or end the catch-up.

    Args:
        messages: id and message, in the server's order, all after the requested id.
        whole: whether the page was full, so that there may be more.
        ours: ids among them that this device sent.
        end: the last id that the page covers, even if its message cannot be read.
        took: seconds that the request took; decides about the size of the next page.
        mark: the mark of the server's start in the response; "" without one. It replaces that of the position.
        free: ids of action messages for edits and deletions among them: they do not count towards the limit.
        gone: ids of messages among them that were deleted meanwhile: they are not handed over.
        listed: what the response says about changes; None if the server has no change log.
        pruned: the highest id of a missed message that the server has removed because of its age; 0 if none.
    """
    if m.behind is None:
        return []
    _accept(m, mark, ours)
    place = m.position or Position()

    def is_new(number: int) -> bool:
        known = number <= m.floor or number in m.recent or place.is_settled(number)
        return not known and number not in ours and number not in gone

    if gaps.leaves_out_held(m, listed, {n for n, _ in m.behind if is_new(n)}):
        return [next_page(m)]
    missed = {n: msg for n, msg in messages if is_new(n)}
    commands: list[Command] = [*gaps.gaps_of_page(m, listed, pruned)]
    m.asked_after = max([m.asked_after, end, *(number for number, _ in messages)])
    m.caught += len(missed)
    m.counted += len(missed) - sum(n in missed for n in free)
    _fit_page_size(m, took, whole=whole)
    more = whole or m.overflowed or _page_was_too_early(m) or (listed is not None and listed.more)
    # Held messages are handed over with the page to which they belong.
    reaches = m.asked_after if more else inf
    held = {n: msg for n, msg in m.behind if n <= reaches and is_new(n)}
    together = sorted({**held, **missed}.items(), key=lambda pair: pair[0])
    m.asked_after = m.asked_after if more or m.gap is None else max(m.asked_after, m.gap[1])
    commands += [] if more else gaps.report_at_end(m)
    held_changes = [] if more else take_held(m)
    m.behind = [pair for pair in m.behind if pair[0] > m.asked_after] if more else None
    commands += _hand_over_with_changes(m, together, listed, held_changes)
    m.floor = max(m.floor, m.asked_after)
    _advance(m, m.asked_after)
    return [*commands, *_commands_after_page(m, listed, whole=whole, more=more)]


def _accept(m: CatchUp, mark: str, ours: Collection[int]) -> None:
    m.refused = None
    if mark and m.position is not None:
        m.position = m.position._replace(mark=mark)
    for number in ours:
        record_sent(m, number)


def _hand_over_with_changes(
    m: CatchUp, pairs: Sequence[tuple[int, Any]], listed: Listed | None, held: Sequence[tuple[int, int, Any]]
) -> list[Command]:
    before, changed = m.position, []
    if listed is not None:
        changed = unknown_changes(m, listed.changes)
        settle(m, listed)
    return hand_over(m, pairs, [*changed, *unknown_changes(m, held)], before)


def _commands_after_page(m: CatchUp, listed: Listed | None, *, whole: bool, more: bool) -> list[Command]:
    if whole and m.counted >= m.limit and not m.in_full:
        if listed is None:
            return [FetchLatest()]
        m.counted = 0  # the server leaves out what exceeds the limit
    if more:
        m.overflowed, m.named = False, {}  # the next page contains the held messages that were dropped
        return [next_page(m)]
    m.named = {}
    return []


def _fit_page_size(m: CatchUp, took: float, *, whole: bool) -> None:
    # On a line with low bandwidth, larger pages do not reduce the time per message; on one with high latency they
    # do. A page that is not full tells little about either.
    pace = took / m.size
    if took > SLOW_PAGE_SECONDS:
        m.size = max(MIN_PAGE_SIZE, m.size // 2)
    elif whole and (took <= FAST_PAGE_SECONDS or pace <= m.pace * GROWTH_RATIO):
        m.size = min(MAX_PAGE_SIZE, m.size * 2)
    m.pace = pace


def _page_was_too_early(m: CatchUp) -> bool:
    # A live message names a predecessor newer than the page and not yet seen: the page was read too early.
    come = {number for number, _ in m.behind or ()}
    place = m.position or Position()
    unknown = {b for b in m.named.values() if b > m.asked_after and b not in come and b not in m.recent}
    return not all(map(place.is_settled, unknown))


def on_live_message(
    m: CatchUp, message_id: int, message: Any, *, ours: bool = False, predecessor_id: int = 0
) -> list[Command]:
    """Process a message from the socket: hold it during a catch-up, else hand it over unless it came before.

    Args:
        ours: whether this device sent it: then it is only recorded, and not handed over.
        predecessor_id: id of its predecessor in the conversation, if the server named one (feature `chain`); else 0.
    """
    if m.behind is not None:
        if len(m.behind) >= MAX_HELD_MESSAGES:
            m.behind.clear()
            m.named.clear()
            m.overflowed = True
        if not ours:
            m.behind.append((message_id, message))
            if predecessor_id:
                m.named[message_id] = predecessor_id
        return []
    if ours:
        record_sent(m, message_id)
        return []
    return [HandOver((message,))] if record_live(m, message_id) else []


def record_live(m: CatchUp, message_id: int) -> bool:
    """Record that a live message is handed over, unless a catch-up is in progress or it was handed over before.

    Returns:
        True if the caller has to hand the message over now. False if nothing was recorded: then the caller calls
        `on_live_message`, which holds or drops the message. Most messages need only this faster function.
    """
    if m.behind is not None or message_id <= m.floor or message_id in m.recent:
        return False
    m.recent[message_id] = None
    _advance(m, message_id)
    if len(m.recent) > MAX_REMEMBERED_MESSAGES:
        _forget_oldest(m)
    return True


def record_sent(m: CatchUp, message_id: int) -> None:
    """Record a message that this device sent, so that catch-up does not hand it over."""
    if m.position is not None and message_id > m.floor and (m.behind is None or m.holes):
        m.recent[message_id] = None  # a later message may name it as its predecessor
        if m.behind is None and len(m.recent) > MAX_REMEMBERED_MESSAGES:
            _forget_oldest(m)
    if m.position is not None and message_id > m.position.last_id and message_id not in m.position.own:
        own = (*m.position.own, message_id)[-MAX_REMEMBERED_MESSAGES:]
        m.position = m.position._replace(own=own)


def hand_over(
    m: CatchUp,
    pairs: Sequence[tuple[int, Any]],
    changed: Sequence[tuple[int, int, Any]] = (),
    before: Position | None = None,
) -> list[Command]:
    """Record that messages and changes are handed over, and return the one `HandOver` command with both, in order.

    Returns an empty list if there are neither messages nor changes.

    Args:
        pairs: the id of each message and the message, by ascending id.
        changed: for each change its number, the id of the message before it, and its event.
        before: the position before them; None for the current one.
    """
    if not pairs and not changed:
        return []
    before = before or m.position or Position()
    for number, _, _ in changed:
        if not is_known(m, number):
            record(m, number)
    own: tuple[int, ...] = ()
    done: tuple[tuple[int, int], ...] = ()
    if pairs:
        for message_id, _ in pairs:
            m.recent[message_id] = None
        first, last_id = pairs[0][0], pairs[-1][0]
        place = m.position or Position()
        own = tuple(n for n in place.own if first < n < last_id)
        done = tuple(r for r in place.done if r[1] > first)
        _advance(m, last_id)
        while len(m.recent) > MAX_REMEMBERED_MESSAGES:
            _forget_oldest(m)
    return [HandOver(in_order(pairs, changed), own, done, before if changed else None)]


def _forget_oldest(m: CatchUp) -> None:
    oldest, _ = m.recent.popitem(last=False)
    # The oldest id may be above the position: that of a message that this device sent without a socket. Then messages
    # with lower ids are still to be fetched, so the floor must not rise.
    if m.position is not None and m.floor < oldest <= m.position.last_id:
        m.floor = oldest


def _advance(m: CatchUp, message_id: int) -> None:
    position = m.position or Position()
    last_id = message_id if message_id > position.last_id else position.last_id
    own = tuple([n for n in position.own if n > last_id]) if position.own else ()
    done = tuple([r for r in position.done if r[1] > last_id]) if position.done else ()
    m.position = Position(
        last_id, position.store, own, position.updated_at, position.mark, done, position.changes, position.heard
    )
