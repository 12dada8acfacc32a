"""Reads what was missed before the live messages pass, without loss, duplicates or disorder (K1, K2).

Rules: recovery goes by number, never by time; a message is known by its id; no live message is handed over while a
catch-up is under way. Pages come in the server's order, so each is handed over as it comes, and the position moves to
its end: whatever ends the catch-up, the next one goes on from there. A page that fails is asked for again, smaller, by
the one who carries the commands out. `ours` says whether this device sent the message: its own messages move the
position but are not handed over (S27).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple

from tailwire.sdk.continuity.state import CatchUp, Continuity, ContinuityKind, Position

PAGE = 100
FIRST_PAGE = 20
SMALLEST_PAGE = 5
QUICK = 1.0
"""Seconds: a page that took no longer is followed by one of twice the size."""
SLOW = 8.0
"""Seconds: a page that took longer is followed by one of half the size."""
PAYS = 0.8
"""Between the two, pages grow while a message takes at most this part of the time that it took in the page before."""
MAX_REMEMBERED = 2000
MAX_HELD = 5000


@dataclass(frozen=True, slots=True)
class FetchAfter:
    """Read the next page: messages after `after_id`, oldest first."""

    after_id: int
    limit: int = FIRST_PAGE


@dataclass(frozen=True, slots=True)
class FetchLatest:
    """Read the id of the latest message: the position to begin with, or the end of a gap."""


class HandOver(NamedTuple):
    """Give these messages to the app, in this order.

    Attributes:
        own: ids of messages between them that this device sent; still needed if only some of these messages have been
            delivered.
        done: ranges likewise that had been served before.
    """

    messages: tuple[Any, ...]
    own: tuple[int, ...] = ()
    done: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class TellContinuity:
    """Say how the time without a connection joins."""

    continuity: Continuity


Command = FetchAfter | FetchLatest | HandOver | TellContinuity


def connected(m: CatchUp, store: str, mark: str = "") -> list[Command]:
    """The socket is authenticated.

    Args:
        store: the name of the server's store, or "" when the server does not tell (feature `epoch`).
        mark: of the server's start, likewise. A server that has marks recognises positions that have one, whatever its
            store's name.
    """
    _begin(m)
    if not m.enabled:
        m.behind = None
        return [TellContinuity(Continuity(ContinuityKind.UNKNOWN))]
    m.behind, m.overflowed = [], False
    position = m.position
    recognised = position is not None and bool(position.mark and mark)
    if position is None or (position.store and store and position.store != store and not recognised):
        m.back = (0, 0) if position is not None else m.back
        return [_anew(m)]
    m.position = position._replace(store=store or position.store)
    return [_from_the_position(m)]


def _anew(m: CatchUp) -> FetchLatest:
    m.position, m.floor, m.asked_after = None, 0, 0
    m.recent.clear()
    return FetchLatest()


def went_back(m: CatchUp, known: int) -> list[Command]:
    """The server does not recognise the position: an older copy of its store was put back, or it is another one.

    What has come after `known` is not in the store any more, and its ids may be other messages' now.

    Args:
        known: the last id up to which the store is the one that this client knows; 0 when none is.
    """
    if m.behind is None or m.position is None:
        return []
    m.back = (known, max(m.position.last_id, known))
    if known <= 0:
        return [_anew(m)]
    m.recent.clear()
    m.named, m.holes, m.caught, m.free = {}, set(), 0, 0
    m.floor = m.asked_after = known
    m.position = Position(known, m.position.store, updated_at=m.position.updated_at)
    return [next_page(m)]


def poll(m: CatchUp) -> list[Command]:
    """Read what is new without a socket: as a catch-up, page by page, but nothing is told of continuity.

    Nothing happens while history is being read already, or when catch-up is switched off. A socket that opens
    meanwhile begins its own catch-up from the position (`connected`). Without a position, polling begins at the latest
    message. A gap is told when more than the limit has come.
    """
    if m.behind is not None or not m.enabled:
        return []
    _begin(m)
    m.behind, m.overflowed, m.quiet = [], False, True
    return [FetchLatest() if m.position is None else _from_the_position(m)]


def disconnected(m: CatchUp) -> None:
    """The socket is gone: what was held belongs to history now, the next catch-up brings it."""
    if m.behind is not None and not m.holes:
        m.size = max(SMALLEST_PAGE, m.size // 2)  # the page under way may be what the line did not bear
    m.behind = None
    _begin(m)


def _begin(m: CatchUp) -> None:
    m.caught, m.free, m.named, m.holes, m.quiet = 0, 0, {}, set(), False
    m.size, m.pace = min(m.size, FIRST_PAGE), inf


def _from_the_position(m: CatchUp) -> FetchAfter:
    m.floor = m.asked_after = m.position.last_id if m.position is not None else 0
    return next_page(m)


def next_page(m: CatchUp) -> FetchAfter:
    """Ask for the page after what has been read, as large as the line bears and no larger than the limit leaves."""
    return FetchAfter(m.asked_after, max(1, min(m.size, m.limit - m.caught + m.free)))


def failed(m: CatchUp, command: FetchAfter | FetchLatest) -> FetchAfter | FetchLatest:
    """A page did not come: ask for a smaller one."""
    if isinstance(command, FetchLatest):
        return command
    m.size = max(SMALLEST_PAGE, min(m.size, command.limit) // 2)
    m.pace = inf
    return next_page(m)


def latest(m: CatchUp, last_id: int, store: str, mark: str = "") -> list[Command]:
    """The answer to `FetchLatest`, with the mark that came with it."""
    if m.behind is None:
        return []
    begin, quiet = 0, m.quiet
    if m.position is not None:
        # As much as the limit has been handed over: what follows is a gap, and its bounds are known now.
        begin = m.asked_after
        last_id = max(begin, last_id)
        kind = ContinuityKind.GAP if last_id > begin else ContinuityKind.EXACT
        bounds = (begin, last_id) if kind is ContinuityKind.GAP else (0, 0)
        told = [] if quiet and kind is ContinuityKind.EXACT else [TellContinuity(Continuity(kind, m.caught, *bounds))]
        settled = last_id
    else:
        bounds = (0, last_id) if m.back is not None else (0, 0)
        told = [] if quiet and m.back is None else [TellContinuity(Continuity(ContinuityKind.UNKNOWN, 0, *bounds))]
        settled = 0
    m.back = None
    before = m.position or Position()
    pairs = dict(m.behind)
    held = sorted(p for p in pairs.items() if p[0] > settled and p[0] not in m.recent and not before.is_settled(p[0]))
    m.behind, m.named, m.caught, m.free, m.quiet = None, {}, 0, 0, False
    m.floor = last_id
    m.position = before._replace(store=store or before.store, mark=mark or before.mark)
    _advance(m, last_id)
    return [*told, *hand_over(m, held)]


def page(
    m: CatchUp,
    messages: Sequence[tuple[int, Any]],
    *,
    whole: bool,
    ours: Collection[int] = (),
    end: int = 0,
    took: float = 0.0,
    mark: str = "",
    edits: Collection[int] = (),
) -> list[Command]:
    """The answer to `FetchAfter`.

    Args:
        messages: id and message, in the server's order, all after the id that was asked for.
        whole: whether there may be more (the page was full).
        ours: ids among them that this device sent.
        end: the last id that the page covers, where messages at its end cannot be read.
        took: seconds until it came.
        mark: that came with it: the server has recognised the position.
        edits: ids among them that only tell of edits: they do not count towards the limit.
    """
    if m.behind is None:
        return []
    if mark and m.position is not None:
        m.position = m.position._replace(mark=mark)
    for number in ours:
        sent(m, number)
    place = m.position or Position()

    def is_new(number: int) -> bool:
        return number > m.floor and number not in m.recent and number not in ours and not place.is_settled(number)

    missed = {n: msg for n, msg in messages if is_new(n)}
    m.asked_after = max([m.asked_after, end, *(number for number, _ in messages)])
    m.caught += len(missed)
    m.free += sum(n in missed for n in edits)
    _fit(m, took, whole=whole)
    more = whole or m.overflowed or _page_was_too_early(m)
    # What was held meanwhile goes with the page that it belongs to.
    reaches = m.asked_after if more else inf
    held = {n: msg for n, msg in m.behind if n <= reaches and is_new(n)}
    together = sorted({**held, **missed}.items(), key=lambda pair: pair[0])
    told = [] if more else _end_of(m)
    m.behind = [pair for pair in m.behind if pair[0] > m.asked_after] if more else None
    commands: list[Command] = [*told, *hand_over(m, together)]
    m.floor = max(m.floor, m.asked_after)
    _advance(m, m.asked_after)
    if whole and m.caught - m.free >= m.limit:
        return [*commands, FetchLatest()]
    if more:
        m.overflowed, m.named = False, {}  # once more is enough for those: they are stored
        return [*commands, next_page(m)]
    m.named, m.caught, m.free, m.quiet = {}, 0, 0, False
    return commands


def _end_of(m: CatchUp) -> list[Command]:
    back, m.back = m.back, None
    if back is not None:
        return [TellContinuity(Continuity(ContinuityKind.UNKNOWN, m.caught, *back))]
    return [] if m.quiet else [TellContinuity(Continuity(ContinuityKind.EXACT, m.caught))]


def _fit(m: CatchUp, took: float, *, whole: bool) -> None:
    # On a line of low bandwidth, larger pages do not reduce the time per message; on one of high latency they do. A
    # page that is partly filled says little about either.
    pace = took / m.size
    if took > SLOW:
        m.size = max(SMALLEST_PAGE, m.size // 2)
    elif whole and (took <= QUICK or pace <= m.pace * PAYS):
        m.size = min(PAGE, m.size * 2)
    m.pace = pace


def _page_was_too_early(m: CatchUp) -> bool:
    # One that came live meanwhile follows one that was stored behind what was read, and that did not come.
    come = {number for number, _ in m.behind or ()}
    place = m.position or Position()
    unknown = {b for b in m.named.values() if b > m.asked_after and b not in come and b not in m.recent}
    return not all(map(place.is_settled, unknown))


def live(m: CatchUp, message_id: int, message: Any, *, ours: bool = False, before: int = 0) -> list[Command]:
    """A message came over the socket.

    Args:
        before: the one before it in its conversation, where the server said so (feature `chain`).
    """
    if m.behind is not None:
        if len(m.behind) >= MAX_HELD:
            m.behind.clear()
            m.named.clear()
            m.overflowed = True
        if not ours:
            m.behind.append((message_id, message))
            if before:
                m.named[message_id] = before
        return []
    if ours:
        if message_id > m.floor and message_id not in m.recent:
            sent(m, message_id)
        return []
    return [HandOver((message,))] if passes(m, message_id) else []


def passes(m: CatchUp, message_id: int) -> bool:
    """Whether a message that came over the socket is handed over now, by itself: nothing is held, and it is new.

    It is noted as handed over. A fast path of `live` for the common case.
    """
    if m.behind is not None or message_id <= m.floor or message_id in m.recent:
        return False
    m.recent[message_id] = None
    if len(m.recent) > MAX_REMEMBERED:
        _forget_oldest(m)
    _advance(m, message_id)
    return True


def sent(m: CatchUp, message_id: int) -> None:
    """This device sent a message: it must not come back to it as missed."""
    if m.position is not None and message_id > m.floor and (m.behind is None or m.holes):
        m.recent[message_id] = None  # another message may name it as the one before
        if m.behind is None and len(m.recent) > MAX_REMEMBERED:
            _forget_oldest(m)
    if m.position is not None and message_id > m.position.last_id and message_id not in m.position.own:
        own = (*m.position.own, message_id)[-MAX_REMEMBERED:]
        m.position = m.position._replace(own=own)


def hand_over(m: CatchUp, pairs: Sequence[tuple[int, Any]]) -> list[Command]:
    """Give messages to the app that come next, in this order."""
    if not pairs:
        return []
    for message_id, _ in pairs:
        m.recent[message_id] = None
    while len(m.recent) > MAX_REMEMBERED:
        _forget_oldest(m)
    last_id = pairs[-1][0]
    place = m.position or Position()
    own = tuple(n for n in place.own if pairs[0][0] < n < last_id)
    done = tuple(r for r in place.done if r[1] > pairs[0][0])
    _advance(m, last_id)
    return [HandOver(tuple(message for _, message in pairs), own, done)]


def _forget_oldest(m: CatchUp) -> None:
    oldest, _ = m.recent.popitem(last=False)
    m.floor = max(m.floor, oldest)


def _advance(m: CatchUp, message_id: int) -> None:
    position = m.position or Position()
    last_id = max(position.last_id, message_id)
    own = tuple([n for n in position.own if n > last_id]) if position.own else ()
    done = tuple([r for r in position.done if r[1] > last_id]) if position.done else ()
    m.position = Position(last_id, position.store, own, position.updated_at, position.mark, done)
