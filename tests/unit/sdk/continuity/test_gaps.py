"""Gaps: how messages that a page leaves out are reported."""

from __future__ import annotations

from tailwire.sdk.continuity import catch_up
from tailwire.sdk.continuity.catch_up import FetchAfter, TellContinuity, TellGap
from tailwire.sdk.continuity.changes import Listed
from tailwire.sdk.continuity.state import CatchUp, Continuity, ContinuityKind, Position


def catching_up(last_id: int) -> CatchUp:
    m = CatchUp(position=Position(last_id, changes=0))
    catch_up.connected(m, "")
    return m


def test_next_page_begins_after_the_omitted_messages():
    told = catch_up.page(catching_up(5), [], whole=False, listed=Listed(7, more=True, gap=(5, 8)))
    assert told[0] == TellGap(5, 8)
    assert isinstance(told[-1], FetchAfter)
    assert told[-1].after_id == 8


def test_empty_range_is_not_a_gap():
    told = catch_up.page(catching_up(5), [], whole=False, listed=Listed(0, gap=(5, 5)))
    assert told == [TellContinuity(Continuity(ContinuityKind.EXACT, missed=0, from_id=0, to_id=0))]


def test_removal_of_the_very_first_message_is_a_gap():
    (gap, told) = catch_up.page(catching_up(0), [], whole=False, pruned=1)
    assert (gap.from_id, gap.to_id, gap.only_changes) == (0, 1, False)
    assert told == TellContinuity(Continuity(ContinuityKind.GAP, 0, 0, 1))
