"""A missing message is detected by its successor."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tailwire.sdk.continuity import catch_up, chain, changes
from tailwire.sdk.continuity.catch_up import FetchAfter, HandOver, ReportContinuity
from tailwire.sdk.continuity.state import CatchUp, Position


def caught_up(last_id: int = 10) -> CatchUp:
    m = CatchUp(position=Position(last_id, "store"))
    catch_up.on_connected(m, "store")
    catch_up.on_page(m, [], whole=False)
    return m


def test_message_whose_predecessor_is_known_is_not_held():
    m = caught_up()
    assert not chain.is_broken(m, 10)
    assert catch_up.record_live(m, 11)
    assert not chain.is_broken(m, 11)
    assert not chain.is_broken(m, 3)  # from before the connection


def test_missing_message_that_arrives_late_releases_the_held_one():
    m = caught_up()
    assert chain.is_broken(m, 11)
    assert chain.hold(m, 11, 12, "twelve") == [chain.Wait(chain.HOLE_TIMEOUT_SECONDS)]
    assert chain.release_if_mended(m) == []
    assert catch_up.on_live_message(m, 11, "eleven") == []
    assert chain.release_if_mended(m) == [HandOver(("eleven", "twelve"))]
    assert chain.on_wait_over(m) == []
    assert not chain.is_broken(m, 12)


def test_messages_held_after_two_missing_ones_are_released_when_both_have_arrived():
    m = caught_up()
    chain.hold(m, 11, 12, "twelve")
    catch_up.on_live_message(m, 13, "thirteen")
    assert chain.is_broken(m, 14)
    assert chain.hold(m, 14, 15, "fifteen") == []
    catch_up.on_live_message(m, 11, "eleven")
    assert chain.release_if_mended(m) == []
    catch_up.on_live_message(m, 14, "fourteen")
    assert chain.release_if_mended(m) == [HandOver(("eleven", "twelve", "thirteen", "fourteen", "fifteen"))]


def test_messages_that_come_twice_while_one_is_missing_are_handed_over_once():
    m = caught_up()
    catch_up.record_live(m, 11)
    for _ in range(2):
        chain.hold(m, 12, 13, "thirteen")
        catch_up.on_live_message(m, 14, "fourteen", predecessor_id=13)
    catch_up.on_live_message(m, 11, "eleven")  # was handed over before
    catch_up.on_live_message(m, 10, "ten")
    catch_up.on_live_message(m, 12, "twelve")
    assert chain.release_if_mended(m) == [HandOver(("twelve", "thirteen", "fourteen"))]


def test_missing_message_is_fetched_from_history():
    m = caught_up()
    catch_up.record_live(m, 11)
    chain.hold(m, 12, 13, "thirteen")
    assert chain.on_wait_over(m) == [FetchAfter(10)]
    assert not chain.is_broken(m, 99)  # the catch-up fetches what is missing
    catch_up.on_live_message(m, 14, "fourteen")
    # No continuity is reported, because the connection stayed open. Eleven is not handed over again.
    assert catch_up.on_page(m, [(11, "eleven"), (12, "twelve"), (13, "thirteen")], whole=False) == [
        HandOver(("twelve", "thirteen", "fourteen"))
    ]
    assert m.position.last_id == 14


def test_hole_is_filled_in_full_whatever_the_limit():
    m = caught_up()
    m.limit, m.size = 2, 3
    for number in (11, 12, 13):
        catch_up.record_live(m, number)
    chain.hold(m, 14, 15, "fifteen")
    assert chain.on_wait_over(m) == [FetchAfter(10, 3)]
    # The messages that were received do not count: none is left out, so no gap is reported around them.
    page = [(n, str(n)) for n in (11, 12, 13)]
    assert catch_up.on_page(m, page, whole=True, took=2.0) == [FetchAfter(13, 3)]
    page = [(14, "14"), (15, "15"), (16, "16")]
    assert catch_up.on_page(m, page, whole=True, took=2.0) == [HandOver(("14", "15", "16")), FetchAfter(16, 3)]
    assert catch_up.on_page(m, [(17, "17")], whole=False) == [HandOver(("17",))]
    catch_up.on_disconnected(m)
    assert catch_up.on_connected(m, "store") == [FetchAfter(17, 2, at_most=2)]


def test_restored_store_is_read_with_the_limit_after_a_hole():
    m = caught_up()
    chain.hold(m, 11, 12, "twelve")
    chain.on_wait_over(m)
    assert catch_up.on_unknown_position(m, 5) == [FetchAfter(5, at_most=1000)]


def test_predecessor_of_an_own_message_is_fetched():
    m = caught_up()
    catch_up.record_sent(m, 12)
    assert chain.is_broken(m, 11)
    assert chain.on_missing(m, 11) == [chain.Wait(chain.HOLE_TIMEOUT_SECONDS)]
    catch_up.on_live_message(m, 13, "thirteen", predecessor_id=12)
    assert chain.on_missing(m, 10) == []  # a known predecessor
    assert chain.on_wait_over(m) == [FetchAfter(10)]
    pairs = [(11, "eleven"), (12, "mine"), (13, "thirteen")]
    assert catch_up.on_page(m, pairs, whole=False, ours={12}) == [HandOver(("eleven", "thirteen"), (12,))]


def test_message_stored_after_the_page_is_fetched_with_another():
    m = CatchUp(position=Position(10, "store"))
    catch_up.on_connected(m, "store")
    assert not chain.is_broken(m, 12)  # the catch-up may fetch it
    catch_up.on_live_message(m, 13, "thirteen", predecessor_id=12)
    # The page was read before twelve was stored.
    assert catch_up.on_page(m, [(11, "eleven")], whole=False) == [HandOver(("eleven",)), FetchAfter(11)]
    commands, handed = catch_up.on_page(m, [(12, "twelve"), (13, "thirteen")], whole=False)
    assert handed == HandOver(("twelve", "thirteen"))
    assert commands.continuity.missed == 3
    assert not chain.is_broken(m, 13)


def test_nonexistent_predecessor_is_not_requested_forever():
    m = CatchUp(position=Position(10, "store"))
    catch_up.on_connected(m, "store")
    catch_up.on_live_message(m, 13, "thirteen", predecessor_id=9_999)
    assert catch_up.on_page(m, [], whole=False) == [FetchAfter(10, at_most=1000)]
    assert catch_up.on_page(m, [], whole=False)[-1] == HandOver(("thirteen",))
    chain.hold(m, 14, 15, "fifteen")
    chain.on_wait_over(m)
    assert catch_up.on_page(m, [(14, "fourteen")], whole=False) == [HandOver(("fourteen", "fifteen"))]


def test_predecessor_that_arrived_during_a_catch_up_is_not_missing():
    m = CatchUp(position=Position(10, "store"))
    catch_up.on_connected(m, "store")
    catch_up.record_sent(m, 11)
    catch_up.on_live_message(m, 12, "twelve", predecessor_id=11)  # sent by this device
    catch_up.on_live_message(m, 13, "thirteen", predecessor_id=12)
    assert catch_up.on_page(m, [(11, "mine")], whole=False, ours={11})[-1] == HandOver(("twelve", "thirteen"))
    assert m.named == {}


def test_own_messages_are_not_handed_over_from_history():
    m = caught_up()
    catch_up.record_sent(m, 11)
    catch_up.record_live(m, 12)
    chain.hold(m, 13, 14, "fourteen")
    chain.on_wait_over(m)
    pairs = [(11, "mine"), (12, "twelve"), (13, "thirteen"), (14, "fourteen"), (15, "mine too")]
    assert catch_up.on_page(m, pairs, whole=False, ours={11, 15}) == [HandOver(("thirteen", "fourteen"))]


def test_held_messages_above_the_limit_are_read_from_history_after_the_wait(monkeypatch):
    monkeypatch.setattr(catch_up, "MAX_HELD_MESSAGES", 2)
    m = caught_up()
    chain.hold(m, 11, 12, "twelve")
    for number, word in ((13, "thirteen"), (14, "fourteen"), (11, "eleven")):
        catch_up.on_live_message(m, number, word)
        assert chain.release_if_mended(m) == []
    assert chain.on_wait_over(m) == [FetchAfter(10)]
    pairs = [(11, "eleven"), (12, "twelve"), (13, "thirteen"), (14, "fourteen")]
    handed, again = catch_up.on_page(m, pairs, whole=False)
    assert handed == HandOver(("eleven", "twelve", "thirteen", "fourteen"))
    assert again == FetchAfter(14)
    assert catch_up.on_page(m, [], whole=False) == []


def test_hole_that_history_cannot_fill_releases_held_messages():
    m = caught_up()
    chain.hold(m, 11, 12, "twelve")
    chain.on_wait_over(m)
    assert catch_up.on_page(m, [(12, "twelve")], whole=False) == [HandOver(("twelve",))]


def test_own_message_fills_a_hole():
    m = caught_up()
    chain.hold(m, 11, 12, "answer")
    catch_up.record_sent(m, 11)  # the response to the send came after a reply to the message
    assert chain.release_if_mended(m) == [HandOver(("answer",))]
    catch_up.record_sent(m, 13)
    catch_up.record_live(m, 14)
    assert not chain.is_broken(m, 13)


def test_wait_for_a_missing_message_ends_with_the_connection():
    m = caught_up()
    chain.hold(m, 11, 12, "twelve")
    catch_up.on_disconnected(m)
    assert chain.on_wait_over(m) == []
    assert catch_up.on_connected(m, "store") == [FetchAfter(10, at_most=1000)]
    commands = catch_up.on_page(m, [(11, "eleven"), (12, "twelve")], whole=False)
    assert [type(c) for c in commands] == [ReportContinuity, HandOver]


def test_no_message_is_held_without_catch_up_or_without_a_position():
    off = caught_up()
    off.enabled = False
    assert not chain.is_broken(off, 99)
    assert not chain.is_broken(CatchUp(), 99)


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(1, 3))
def test_lost_messages_are_handed_over_once_in_order(lost, conversations):
    m, handed, waiting = caught_up(0), [], False
    ids = range(1, len(lost) + 1)
    stored = [(n, n) for n in ids]
    last: dict[int, int] = {}

    def take(commands):
        for command in commands:
            if isinstance(command, HandOver):
                handed.extend(command.messages)
            elif isinstance(command, FetchAfter):
                page = [pair for pair in stored if pair[0] > command.after_id and pair[0] <= arrived]
                take(catch_up.on_page(m, page, whole=False))

    arrived = 0
    for n, missing in itertools.zip_longest(ids, lost):
        before, last[n % conversations] = last.get(n % conversations, 0), n
        arrived = n
        if missing:
            continue
        if before and chain.is_broken(m, before):
            waiting = True
            take(chain.hold(m, before, n, n))
        elif catch_up.record_live(m, n):
            handed.append(n)
        else:
            take(catch_up.on_live_message(m, n, n))
            take(chain.release_if_mended(m))
        if waiting and n % 3 == 0:
            waiting = False
            take(chain.on_wait_over(m))
    take(chain.on_wait_over(m))
    assert len(handed) == len(set(handed))
    for c in range(conversations):
        of_one = [n for n in handed if n % conversations == c]
        assert of_one == sorted(of_one)
    # Messages lost after the last one of their conversation cannot be detected.
    heard = {
        c: max((n for n in ids if n % conversations == c and not lost[n - 1]), default=0) for c in range(conversations)
    }
    assert {n for n in ids if n <= heard[n % conversations]} <= set(handed)


def test_missing_message_is_waited_for_half_a_second():
    assert chain.hold(caught_up(), 11, 12, "twelve") == [chain.Wait(0.5)]


def test_wait_for_a_missing_message_that_ends_during_a_catch_up_requests_no_page():
    m = caught_up()
    assert chain.hold(m, 11, 12, "twelve") == [chain.Wait(0.5)]
    catch_up.on_connected(m, "store")
    assert chain.on_wait_over(m) == []


def test_predecessor_that_this_device_sent_before_a_restart_is_known():
    m = CatchUp(position=Position(10, "store", own=(12,)))
    catch_up.on_connected(m, "store")
    catch_up.on_page(m, [], whole=False)
    assert not chain.is_broken(m, 12)
    assert chain.is_broken(m, 11)


def test_changes_held_at_a_hole_are_released_when_it_is_filled():
    m = CatchUp(position=Position(10, changes=0))
    chain.hold(m, 11, 12, "twelve")
    assert changes.hold_if_busy(m, 1, "reaction")
    assert catch_up.on_live_message(m, 11, "eleven") == []
    (released,) = chain.release_if_mended(m)
    assert released.messages == ("eleven", "twelve", changes.Change(1, "reaction"))
