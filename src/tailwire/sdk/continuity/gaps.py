"""Gaps: what a catch-up leaves out because of the limit, the age of messages, or a restored store."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tailwire.sdk.continuity.changes import Listed
from tailwire.sdk.continuity.commands import Command, ReportContinuity, ReportGap
from tailwire.sdk.continuity.state import CatchUp, Continuity, ContinuityKind, Position

MAX_SPARE_MESSAGES = 100_000


def gaps_of_page(m: CatchUp, listed: Listed | None, pruned: int) -> list[ReportGap]:
    """Record and return the gaps that a page of history leaves. Report them before its messages are handed over.

    The order matters because handing messages over moves the position past the gap.

    Args:
        listed, pruned: as for `catch_up.on_page`.
    """
    after, left_out, found = m.asked_after, listed.gap if listed is not None else None, list[ReportGap]()
    if left_out is not None and left_out[1] > left_out[0]:
        found.append(ReportGap(left_out[0], max(left_out[1], pruned)))
        m.asked_after = max(after, left_out[1])
    elif pruned > max([after, *(m.gap or ())]):
        found.append(ReportGap(after, pruned))
    if listed is not None and listed.lost:
        begin = (m.position or Position()).last_id
        found.append(ReportGap(min(begin, listed.lost), listed.lost, only_changes=True))
    record(m, found)
    return found


def leaves_out_held(m: CatchUp, listed: Listed | None, held: Collection[int]) -> bool:
    """Return whether the gap of a page contains messages that came over the socket, so that it has to be read again.

    The server counts live messages towards the limit of missed messages; this client does not. If the page has to be
    read again, this raises `m.spare`, so that the next request allows for the held messages too. It doubles with each
    repetition, so that the repetitions end even if messages keep arriving.

    Args:
        m: the state.
        listed: what the page says about changes.
        held: ids of the messages that came over the socket and were not handed over yet.
    """
    begin, end = listed.gap if listed is not None and listed.gap is not None else (0, 0)
    if m.spare >= MAX_SPARE_MESSAGES or not any(begin < number <= end for number in held):
        return False
    m.spare = 2 * m.spare + len(held)
    return True


def record(m: CatchUp, found: Iterable[ReportGap]) -> None:
    """Merge gaps into `m.gap`, the one range that is reported at the end of the catch-up."""
    for gap in found:
        from_id, to_id = m.gap or (gap.from_id, gap.to_id)
        m.gap = min(from_id, gap.from_id), max(to_id, gap.to_id)


def report(continuity: Continuity) -> list[Command]:
    """Return the command that reports a continuity, followed by one that reports its range as a gap, if it has one."""
    gap = [ReportGap(continuity.from_id, continuity.to_id)] if continuity.to_id else []
    return [ReportContinuity(continuity), *gap]


def report_at_end(m: CatchUp) -> list[Command]:
    """Return the commands that report the outcome of a catch-up that has ended. Its gaps were reported before.

    Returns an empty list after polling, unless the server's store was replaced or restored.
    """
    back, m.back = m.back, None
    if back is not None:
        return report(Continuity(ContinuityKind.UNKNOWN, m.caught, *back))
    gap, m.gap = m.gap, None
    if m.quiet:
        return []
    kind = ContinuityKind.EXACT if gap is None else ContinuityKind.GAP
    return [ReportContinuity(Continuity(kind, m.caught, *(gap or ())))]
