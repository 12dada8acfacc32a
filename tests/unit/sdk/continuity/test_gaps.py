"""Gaps: how messages that a page leaves out are reported."""

from __future__ import annotations

from tailwire.sdk.continuity import catch_up
from tailwire.sdk.continuity.catch_up import FetchAfter, HandOver, ReportContinuity, ReportGap
from tailwire.sdk.continuity.changes import Listed
from tailwire.sdk.continuity.state import CatchUp, Continuity, ContinuityKind, Position


def catching_up(last_id: int) -> CatchUp:
    m = CatchUp(position=Position(last_id, changes=0))
    catch_up.on_connected(m, "")
    return m


def test_next_page_begins_after_the_omitted_messages():
    commands = catch_up.on_page(catching_up(5), [], whole=False, listed=Listed(7, more=True, gap=(5, 8)))
    assert commands[0] == ReportGap(5, 8)
    assert isinstance(commands[-1], FetchAfter)
    assert commands[-1].after_id == 8


def test_empty_range_is_not_a_gap():
    commands = catch_up.on_page(catching_up(5), [], whole=False, listed=Listed(0, gap=(5, 5)))
    assert commands == [ReportContinuity(Continuity(ContinuityKind.EXACT, missed=0, from_id=0, to_id=0))]


def test_removal_of_the_very_first_message_is_a_gap():
    (gap, commands) = catch_up.on_page(catching_up(0), [], whole=False, pruned=1)
    assert (gap.from_id, gap.to_id, gap.only_changes) == (0, 1, False)
    assert commands == ReportContinuity(Continuity(ContinuityKind.GAP, 0, 0, 1))


def test_page_that_omits_messages_which_came_live_is_requested_with_a_higher_limit():
    m = catching_up(5)
    m.limit = 2
    for number in (8, 9, 10):
        catch_up.on_live_message(m, number, f"live {number}")
    catch_up.on_live_message(m, 8, "live 8")  # twice
    page = [(9, "9"), (10, "10")]
    assert catch_up.on_page(m, page, whole=False, listed=Listed(7, gap=(5, 8))) == [FetchAfter(5, 2, at_most=5)]
    catch_up.on_live_message(m, 11, "live 11")
    page = [(n, str(n)) for n in range(7, 12)]
    assert catch_up.on_page(m, page, whole=False, listed=Listed(7, gap=(5, 8))) == [FetchAfter(5, 2, at_most=12)]
    commands = catch_up.on_page(m, page, whole=False, listed=Listed(7, gap=(5, 6)))
    assert commands == [
        ReportGap(5, 6), ReportContinuity(Continuity(ContinuityKind.GAP, 5, 5, 6)), HandOver(("7", "8", "9", "10", "11")),
    ]  # fmt: skip


def test_gap_without_live_messages_in_it_is_reported_without_another_request():
    m = catching_up(5)
    catch_up.on_live_message(m, 9, "live 9")
    assert catch_up.on_page(m, [], whole=False, listed=Listed(7, gap=(5, 8)))[0] == ReportGap(5, 8)
    assert m.spare == 0


def test_own_message_that_came_live_within_a_gap_causes_no_other_request():
    m = catching_up(5)
    catch_up.record_sent(m, 8)  # the device's own
    catch_up.on_live_message(m, 8, "live 8")
    assert catch_up.on_page(m, [], whole=False, listed=Listed(7, gap=(5, 8)))[0] == ReportGap(5, 8)


def test_gap_with_thousands_of_live_messages_takes_fewer_than_ten_requests():
    m = catching_up(5)
    for number in range(6, 4006):
        catch_up.on_live_message(m, number, number)
    requests = 0
    while catch_up.on_page(m, [], whole=False, listed=Listed(7, more=True, gap=(5, 4005))) == [
        FetchAfter(5, 20, at_most=m.limit + m.spare)
    ]:
        requests += 1
    assert 1 < requests < 10
    assert m.asked_after == 4005
