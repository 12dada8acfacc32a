"""Reads what was missed before the live messages pass, without loss, duplicates or disorder (K1, K2).

Rules: recovery goes by number, never by time; a message is known by its id; nothing is handed over while a catch-up is
under way; a page that fails is asked for again, by the one who carries the commands out. `ours` says whether this
device sent the message: its own messages move the position but are not handed over (S27).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tailwire.sdk.continuity.state import Continuity, Kind, Machine, Position

PAGE = 100
MOST_REMEMBERED = 2000
MOST_HELD = 5000


@dataclass(frozen=True, slots=True)
class FetchAfter:
    """Read the next page: messages after `after_id`, oldest first."""

    after_id: int
    limit: int = PAGE


@dataclass(frozen=True, slots=True)
class FetchLatest:
    """Read the id of the latest message: the position to begin with, or the end of a gap."""


class HandOver(NamedTuple):
    """Give these messages to the app, in this order."""

    messages: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TellContinuity:
    """Say how the time without a connection joins."""

    continuity: Continuity


Command = FetchAfter | FetchLatest | HandOver | TellContinuity


def connected(m: Machine, store: str) -> list[Command]:
    """The socket is authenticated.

    Args:
        store: the name of the server's store, or "" when the server does not tell (feature `epoch`).
    """
    _begin(m)
    if not m.enabled:
        m.behind = None
        return [TellContinuity(Continuity(Kind.UNKNOWN))]
    m.behind, m.overflowed = [], False
    position = m.position
    if position is None or (position.store and store and position.store != store):
        m.position, m.floor = None, 0
        m.recent.clear()
        return [FetchLatest()]
    m.position = position = position._replace(store=store or position.store)
    m.floor = m.asked_after = position.last_id
    return [FetchAfter(m.asked_after)]


def disconnected(m: Machine) -> None:
    """The socket is gone: what was held belongs to history now, the next catch-up brings it."""
    m.behind = None
    _begin(m)


def _begin(m: Machine) -> None:
    m.gathered, m.named, m.holes, m.mending = [], {}, set(), False


def latest(m: Machine, last_id: int, store: str) -> list[Command]:
    """The answer to `FetchLatest`."""
    if m.behind is None:
        return []
    known = m.position is not None
    if m.position is not None:
        # More was missed than the limit: the bounds are known now, and the app is told them.
        begin = m.position.last_id
        told = TellContinuity(Continuity(Kind.GAP, 0, begin, max(begin, last_id)))
    else:
        begin = 0
        told = TellContinuity(Continuity(Kind.UNKNOWN))
    held = sorted((pair for pair in m.behind if pair[0] > begin and pair[0] not in m.recent), key=lambda pair: pair[0])
    if known:
        held = [pair for pair in held if pair[0] > last_id]
    m.behind, m.gathered, m.named, m.mending = None, [], {}, False
    m.floor = max(begin, last_id)
    before = m.position or Position()
    m.position = before._replace(last_id=m.floor, store=store)
    return [told, *hand_over(m, held)]


def page(m: Machine, messages: Sequence[tuple[int, Any]], *, whole: bool, ours: Collection[int] = ()) -> list[Command]:
    """The answer to `FetchAfter`.

    Args:
        messages: id and message, in the server's order, all after the id that was asked for.
        whole: whether there may be more (the page was full).
        ours: ids among them that this device sent.
    """
    if m.behind is None:
        return []
    for number in ours:
        sent(m, number)
    m.gathered.extend(p for p in messages if p[0] > m.floor and p[0] not in m.recent and p[0] not in ours)
    if messages:
        m.asked_after = max(pair[0] for pair in messages)
    if whole and len(m.gathered) >= m.limit:
        return [FetchLatest()]
    if whole or m.overflowed or _page_was_too_early(m):
        m.overflowed, m.named = False, {}  # once more is enough for those: they are stored
        return [FetchAfter(m.asked_after)]
    own = set(m.position.own) if m.position else set()
    missed = {n: msg for n, msg in m.gathered if n > m.floor and n not in m.recent and n not in own}
    held = {n: msg for n, msg in m.behind if n > m.floor and n not in m.recent and n not in own}
    together = sorted({**held, **missed}.items())
    m.behind, m.gathered, m.named = None, [], {}
    told = [] if m.mending else [TellContinuity(Continuity(Kind.EXACT, len(missed)))]
    m.mending = False
    settled = max([m.floor, m.asked_after, *(n for n, _ in together)])
    commands: list[Command] = [*told, *hand_over(m, together)]
    m.floor = max(m.floor, m.asked_after)
    _advance(m, settled)
    return commands


def _page_was_too_early(m: Machine) -> bool:
    # One that came live meanwhile follows one that was stored behind what was read, and that did not come.
    come = {number for number, _ in m.behind or ()}
    own = m.position.own if m.position is not None else ()
    return any(b > m.asked_after and b not in come and b not in m.recent and b not in own for b in m.named.values())


def live(m: Machine, message_id: int, message: Any, *, ours: bool = False, before: int = 0) -> list[Command]:
    """A message came over the socket.

    Args:
        before: the one before it in its conversation, where the server said so (feature `chain`).
    """
    if m.behind is not None:
        if len(m.behind) >= MOST_HELD:
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


def passes(m: Machine, message_id: int) -> bool:
    """Whether a message that came over the socket is handed over now, by itself: nothing is held, and it is new.

    It is noted as handed over. This is `live` for the one case that it nearly always is.
    """
    if m.behind is not None or message_id <= m.floor or message_id in m.recent:
        return False
    m.recent[message_id] = None
    if len(m.recent) > MOST_REMEMBERED:
        _forget_oldest(m)
    _advance(m, message_id)
    return True


def sent(m: Machine, message_id: int) -> None:
    """This device sent a message: it must not come back to it as missed."""
    if m.position is not None and message_id > m.floor and (m.behind is None or m.holes):
        m.recent[message_id] = None  # another message may name it as the one before
        if m.behind is None and len(m.recent) > MOST_REMEMBERED:
            _forget_oldest(m)
    if m.position is not None and message_id > m.position.last_id and message_id not in m.position.own:
        own = (*m.position.own, message_id)[-MOST_REMEMBERED:]
        m.position = m.position._replace(own=own)


def hand_over(m: Machine, pairs: Sequence[tuple[int, Any]]) -> list[Command]:
    """Give messages to the app that come next, in this order."""
    if not pairs:
        return []
    for message_id, _ in pairs:
        m.recent[message_id] = None
    while len(m.recent) > MOST_REMEMBERED:
        _forget_oldest(m)
    _advance(m, max(message_id for message_id, _ in pairs))
    return [HandOver(tuple(message for _, message in pairs))]


def _forget_oldest(m: Machine) -> None:
    oldest, _ = m.recent.popitem(last=False)
    m.floor = max(m.floor, oldest)


def _advance(m: Machine, message_id: int) -> None:
    position = m.position or Position()
    last_id = max(position.last_id, message_id)
    own = tuple([n for n in position.own if n > last_id]) if position.own else ()
    m.position = Position(last_id, position.store, own, position.updated_at)
