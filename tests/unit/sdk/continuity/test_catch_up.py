"""Catch-up: as a property, that each message is handed over once and in order; then case by case."""

from __future__ import annotations

import json

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tailwire.sdk.continuity import catch_up, chain, changes, updates
from tailwire.sdk.continuity.catch_up import ReportContinuity
from tailwire.sdk.continuity.state import CatchUp, Continuity, ContinuityKind, Position, of_another_store
from tailwire.sdk.session import Session


class Message(int):
    """A message that is nothing but its id."""

    @property
    def id(self) -> int:
        return int(self)


class Server(RuleBasedStateMachine):
    """A server with a history, an unreliable line, and a client that catches up, polls, and is killed.

    Some servers have a log of changes as well, and leave out the oldest messages if more than the limit were missed.
    """

    @initialize(limit=st.sampled_from([3, 5, 1000]), logs=st.booleans())
    def begin(self, limit, logs):
        self.limit = limit
        self.logs = logs
        self.log: list[tuple[int, int]] = []  # number, id of the message before
        self.changes: list[int] = []  # numbers that were handed over
        self.history: list[tuple[int, bool]] = []  # id, ours
        self.m = CatchUp(position=Position(0, changes=0 if logs else None), limit=limit)
        self.handed: list[int] = []
        self.gaps: list[tuple[int, int]] = []
        self.line: list[int] = []
        self.sending: list[int] = []
        self.up = False
        self.fetch = None
        self.next_id = 1
        self.read_to = 0
        self.catching_up = False

    def carry(self, commands):
        for c in commands:
            if isinstance(c, catch_up.HandOver):
                served = changes.positions_after_each(c, self.m.position)
                assert [place.last_id for _, place in served] == sorted(place.last_id for _, place in served)
                for item, place in served:
                    self.hand_over(item)
                    if isinstance(item, changes.Change):
                        assert item.number <= place.changes or item.number in place.heard
                    assert not [n for n, _ in self.log if n <= place.changes and n not in self.changes]
            elif isinstance(c, catch_up.ReportGap):
                if self.logs:
                    # Only messages before the gap were handed over so far; the newest ones follow.
                    assert not [n for n in self.handed if n > c.from_id]
                self.gaps.append((c.from_id, c.to_id))
            elif isinstance(c, catch_up.ReportContinuity):
                outcome, self.catching_up = c.continuity, False
                if outcome.kind is ContinuityKind.GAP and self.logs:
                    assert outcome.from_id < outcome.to_id
                elif outcome.kind is ContinuityKind.GAP:
                    assert outcome.from_id < outcome.to_id
                    assert outcome.missed >= self.limit
                    # Messages before the gap are handed over, but none within it.
                    assert not [n for n in self.handed if n > outcome.from_id]
                    self.gaps.append((outcome.from_id, outcome.to_id))
                else:
                    assert self.up
                    assert outcome.kind is ContinuityKind.EXACT
            else:
                if isinstance(c, catch_up.FetchAfter):
                    assert c.after_id >= self.read_to  # nothing is read twice
                    assert 1 <= c.limit <= catch_up.MAX_PAGE_SIZE
                self.fetch = c

    def hand_over(self, item):
        if isinstance(item, changes.Change):
            self.changes.append(item.number)
            return
        assert not [n for n, after in self.log if after >= item and n in self.changes], "a change came too early"
        self.handed.append(item)

    @precondition(lambda self: self.logs)
    @rule(late=st.booleans())
    def change(self, late):
        number = len(self.log) + 1
        self.log.append((number, self.history[-1][0] if self.history else 0))
        if self.up:
            self.line.append(-number)
            if late and len(self.line) > 1 and self.line[-2] < 0:  # the server delays some changes
                self.line[-2:] = self.line[:-3:-1]

    @rule(ours=st.booleans(), skip=st.integers(0, 2))
    def message(self, ours, skip):
        self.next_id += skip
        self.history.append((self.next_id, ours))
        if self.up and not ours:
            self.line.append(self.next_id)
        if ours:
            self.sending.append(self.next_id)
        self.next_id += 1

    @precondition(lambda self: self.sending)
    @rule()
    def send_is_answered(self):
        catch_up.record_sent(self.m, self.sending.pop(0))

    @precondition(lambda self: not self.up)
    @rule()
    def connect(self):
        self.up, self.fetch, self.catching_up = True, None, True
        self.carry(catch_up.on_connected(self.m, "store"))

    @precondition(lambda self: not self.up)
    @rule()
    def poll(self):
        commands = catch_up.poll(self.m)
        assert not (commands and self.fetch)  # one at a time
        self.carry(commands)

    @precondition(lambda self: self.up)
    @rule()
    def lose(self):
        self.up, self.fetch, self.line, self.catching_up = False, None, [], False
        catch_up.on_disconnected(self.m)

    @rule()
    def restart_the_app(self):
        self.up, self.fetch, self.line, self.catching_up = False, None, [], False
        for number in self.sending:  # the outbox waits for each response
            catch_up.record_sent(self.m, number)
        self.sending = []
        self.m = CatchUp(position=self.m.position, limit=self.limit)

    @precondition(lambda self: self.line)
    @rule(again=st.booleans())
    def live(self, again):
        message_id = self.line.pop(0)
        if message_id < 0:
            for _ in range(2 if again else 1):
                self.live_change(-message_id)
            return
        self.carry(catch_up.on_live_message(self.m, message_id, Message(message_id)))
        if again:  # some servers send twice
            self.carry(catch_up.on_live_message(self.m, message_id, Message(message_id)))

    def live_change(self, number):
        if not changes.is_known(self.m, number) and not changes.hold_if_busy(self.m, number, number):
            changes.record(self.m, number)
            self.hand_over(changes.Change(number, number))

    def missed(self, fetch):
        """Return a page of a server with a change log: its messages, and the changes that it lists."""
        place, after, gap = self.m.position, fetch.after_id, None
        listed = [(n, ours) for n, ours in self.history if n > after][: fetch.limit]
        newest = [n for n, _ in self.history if n > after][::-1]
        if fetch.at_most and len(listed) == fetch.limit and len(newest) > fetch.at_most:
            gap = (after, newest[fetch.at_most])
            listed = [(n, ours) for n, ours in self.history if n > gap[1]][: fetch.limit]
        whole = len(listed) == fetch.limit
        found = [(n, a, n) for n, a in self.log if n > place.changes and n not in place.heard]
        known = len(self.log)
        if whole and (later := [n for n, a, _ in found if a > listed[-1][0]]):
            known = later[0] - 1
        found = [c for c in found if c[0] <= known]
        more = len(found) > 3
        if more:
            found, rest = found[:3], found[3]
            known, listed = found[-1][0], [pair for pair in listed if pair[0] <= rest[1]]
        return listed, changes.Listed(known, found, more, 0, gap)

    @precondition(lambda self: self.fetch is not None)
    @rule(took=st.sampled_from([0.1, 3.0, 20.0]))
    def answer(self, took):
        fetch, self.fetch = self.fetch, None
        if isinstance(fetch, catch_up.FetchLatest):
            self.carry(catch_up.on_latest(self.m, self.history[-1][0] if self.history else 0, "store"))
            return
        listed, changes = [(n, ours) for n, ours in self.history if n > fetch.after_id][: fetch.limit], None
        if self.logs:
            listed, changes = self.missed(fetch)
        self.read_to = max([self.read_to, *(n for n, _ in listed)])
        whole = len(listed) == fetch.limit
        mine = {n for n, ours in listed if ours}
        self.carry(
            catch_up.on_page(
                self.m, [(n, Message(n)) for n, _ in listed], whole=whole, ours=mine, took=took, listed=changes
            )
        )

    @precondition(lambda self: self.fetch is not None)
    @rule()
    def fail(self):
        smaller = catch_up.on_page_failed(self.m, self.fetch)
        assert getattr(smaller, "limit", 0) <= max(getattr(self.fetch, "limit", 0), catch_up.MIN_PAGE_SIZE)
        self.fetch = None
        self.carry([smaller])

    @invariant()
    def each_change_once_and_all_when_caught_up(self):
        assert len(self.changes) == len(set(self.changes))
        if self.up and not self.catching_up and not self.line and self.m.behind is None:
            assert sorted(self.changes) == [n for n, _ in self.log]

    @invariant()
    def once_and_in_order(self):
        assert self.handed == sorted(set(self.handed))
        ours = {n for n, o in self.history if o}
        assert not ours & set(self.handed)

    @invariant()
    def what_is_behind_the_position_has_been_handed_over(self):
        position = self.m.position.last_id
        theirs = {n for n, ours in self.history if n <= position and not ours}
        assert {n for n in theirs if not any(a < n <= b for a, b in self.gaps)} <= set(self.handed)

    @invariant()
    def when_quiet_nothing_is_missing(self):
        if self.up and self.fetch is None and not self.line and self.m.behind is None:
            assert not self.catching_up  # a continuity was reported for each connection
            theirs = [n for n, o in self.history if not o and not any(a < n <= b for a, b in self.gaps)]
            assert [n for n in self.handed if n in set(theirs)] == theirs


TestServer = Server.TestCase
TestServer.settings = settings(max_examples=settings().max_examples * 3 // 2, stateful_step_count=60, deadline=None)


def _changes_come_before_messages(patch):
    honest = catch_up.in_order
    patch.setattr(
        catch_up, "in_order", lambda messages, changed: honest(messages, [(n, 0, event) for n, _, event in changed])
    )


@pytest.mark.slow
def test_fault_that_puts_changes_before_their_messages_is_found(monkeypatch):
    """Plant a fault, to show that the state machine checks the order."""
    _changes_come_before_messages(monkeypatch)
    many = settings(
        max_examples=3000, stateful_step_count=40, deadline=None, derandomize=True, phases=(Phase.generate,)
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Server, settings=many)


def test_page_moves_the_position_to_the_number_of_changes_that_it_names():
    m = CatchUp(position=Position(5, changes=3, heard=(5, 9)))
    catch_up.on_connected(m, "")
    handed = catch_up.on_page(
        m, [(6, Message(6))], whole=False, listed=changes.Listed(7, [(5, 6, "known"), (6, 6, "new")])
    )
    assert next(c for c in handed if isinstance(c, catch_up.HandOver)).messages == (6, changes.Change(6, "new"))
    assert (m.position.last_id, m.position.changes, m.position.heard) == (6, 7, (9,))


def test_position_does_not_pass_a_change_that_was_not_received():
    m = CatchUp(position=Position(5, changes=10))
    for number in range(12, 12 + 2 * changes.MAX_UNSETTLED_CHANGES):
        changes.record(m, number)
        assert m.position.changes == 10
    assert not changes.is_known(m, 11)
    changes.record(m, 11)
    assert len(m.position.heard) == changes.MAX_UNSETTLED_CHANGES


def test_position_moves_to_the_change_up_to_which_the_server_has_sent_all():
    m = CatchUp(position=Position(5, changes=10))
    for number in (12, 15, 11):
        changes.record(m, number)
    changes.on_settled(m, 13)
    assert (m.position.changes, m.position.heard) == (13, (15,))
    changes.on_settled(m, 11)
    assert m.position.changes == 13
    catch_up.on_connected(m, "")
    changes.on_settled(m, 20)  # what happened before the connection may be missing
    assert m.position.changes == 13


def test_lost_change_is_read_from_history_when_many_came_after_it():
    m = CatchUp(position=Position(5, changes=10))
    for number in range(12, 11 + changes.MANY_UNSETTLED_CHANGES):
        changes.record(m, number)
        assert not changes.has_many_unsettled(m)
    changes.record(m, 1000)
    assert changes.has_many_unsettled(m)
    (command,) = catch_up.poll(m)
    assert command.after_id == 5
    handed = catch_up.on_page(m, [], whole=False, listed=changes.Listed(999, [(11, 5, "lost")]))
    assert handed[-1].messages == (changes.Change(11, "lost"),)
    assert (m.position.changes, m.position.heard) == (999, (1000,))


def test_change_that_comes_while_a_message_is_missing_waits_for_it():
    m = CatchUp(position=Position(5, changes=0))
    chain.hold(m, 6, 7, Message(7))
    assert changes.hold_if_busy(m, 1, "reaction to 7")
    handed = catch_up.on_live_message(m, 6, Message(6)) + chain.release_if_mended(m)
    assert handed[-1].messages == (6, 7, changes.Change(1, "reaction to 7"))
    assert changes.is_known(m, 1)


def test_first_connection_starts_at_the_latest_message():
    m = CatchUp()
    assert catch_up.on_connected(m, "s") == [catch_up.FetchLatest()]
    assert catch_up.on_live_message(m, 7, "seven") == []
    commands = catch_up.on_latest(m, 7, "s")
    assert commands[0].continuity.kind is ContinuityKind.UNKNOWN
    assert commands[1] == catch_up.HandOver(("seven",))
    assert catch_up.on_live_message(m, 6, "six") == []
    assert catch_up.on_live_message(m, 8, "eight") == [catch_up.HandOver(("eight",))]


def test_catch_up_starts_over_on_another_store():
    m = CatchUp(position=Position(500, "old"))
    assert catch_up.on_connected(m, "new") == [catch_up.FetchLatest()]
    catch_up.on_latest(m, 3, "new")
    assert m.position == Position(3, "new")


def test_store_without_a_name_counts_as_the_previous_store():
    for before, now, after in (("", "s", "s"), ("s", "", "s"), ("", "", "")):
        m = CatchUp(position=Position(5, before))
        assert catch_up.on_connected(m, now) == [catch_up.FetchAfter(5, at_most=1000)]
        assert m.position.store == after


def test_messages_above_the_limit_of_held_ones_are_read_from_history():
    m = CatchUp(position=Position(0), limit=10**6)
    catch_up.on_connected(m, "")
    for n in range(1, catch_up.MAX_HELD_MESSAGES + 10):
        catch_up.on_live_message(m, n, n)
    commands = catch_up.on_page(m, [], whole=False)
    assert commands == [catch_up.FetchAfter(0, at_most=1_000_000)]
    history = [(n, n) for n in range(1, catch_up.MAX_HELD_MESSAGES + 10)]
    handed = catch_up.on_page(m, history, whole=False)[1].messages
    assert handed == tuple(n for n, _ in history)


@given(st.lists(st.integers(1, 50), max_size=60))
def test_live_messages_in_any_order_are_handed_over_once(ids):
    m = CatchUp(position=Position(0))
    catch_up.on_connected(m, "")
    catch_up.on_page(m, [], whole=False)
    handed = [msg for n in ids for c in catch_up.on_live_message(m, n, n) for msg in c.messages]
    assert sorted(handed) == sorted(set(ids))


def caught_up_by(m, history, *, took=0.1):
    """Answer all requests. Return the page sizes and what was handed over."""
    fetch, sizes, handed = catch_up.on_connected(m, ""), [], []
    while fetch and isinstance(fetch[-1], catch_up.FetchAfter):
        sizes.append(fetch[-1].limit)
        listed = [(n, n) for n in history if n > fetch[-1].after_id][: fetch[-1].limit]
        seconds = took(len(listed)) if callable(took) else took
        fetch = catch_up.on_page(m, listed, whole=len(listed) == sizes[-1], took=seconds)
        handed += [n for c in fetch if isinstance(c, catch_up.HandOver) for n in c.messages]
    return sizes, handed


@pytest.mark.slow
def test_pages_grow_on_a_fast_line():
    sizes, handed = caught_up_by(CatchUp(position=Position(0), limit=10**6), range(1, 20_001))
    assert sizes[:5] == [20, 40, 80, 100, 100]
    assert len(sizes) <= 20_000 // 100 + 3
    assert handed == list(range(1, 20_001))


def test_pages_stay_small_on_low_bandwidth():
    sizes, _ = caught_up_by(CatchUp(position=Position(0)), range(1, 301), took=lambda n: 0.15 * n)
    assert max(sizes) <= 40
    sizes, _ = caught_up_by(CatchUp(position=Position(0)), range(1, 301), took=lambda n: 1.0 * n)
    assert sizes[-1] == catch_up.MIN_PAGE_SIZE


def test_pages_grow_on_high_latency():
    sizes, _ = caught_up_by(CatchUp(position=Position(0)), range(1, 501), took=lambda n: 3.2 + 0.001 * n)
    assert sizes[:4] == [20, 40, 80, 100]


def test_failed_page_is_requested_again_smaller():
    m = CatchUp(position=Position(5))
    (fetch,) = catch_up.on_connected(m, "")
    limits = []
    for _ in range(4):
        fetch = catch_up.on_page_failed(m, fetch)
        assert fetch.after_id == 5
        limits.append(fetch.limit)
    assert limits == [10, 5, 5, 5]


def test_page_after_a_lost_connection_is_smaller():
    m = CatchUp(position=Position(5))
    catch_up.on_connected(m, "")
    catch_up.on_disconnected(m)
    assert catch_up.on_connected(m, "") == [catch_up.FetchAfter(5, 10, 1000)]


def test_continuity_is_reported_once_before_the_last_page():
    m = CatchUp(position=Position(0), limit=1000)
    catch_up.on_connected(m, "")
    first = catch_up.on_page(m, [(n, n) for n in range(1, 21)], whole=True)
    assert [type(c) for c in first] == [catch_up.HandOver, catch_up.FetchAfter]
    report, handed = catch_up.on_page(m, [(21, 21)], whole=False)
    assert (report.continuity.kind, report.continuity.missed, handed.messages) == (ContinuityKind.EXACT, 21, (21,))


def test_as_many_missed_messages_as_the_limit_are_not_a_gap():
    m = CatchUp(position=Position(0), limit=3)
    catch_up.on_connected(m, "")
    handed, fetch = catch_up.on_page(m, [(1, 1), (2, 2), (3, 3)], whole=True)
    assert (handed.messages, fetch) == ((1, 2, 3), catch_up.FetchLatest())
    (report,) = catch_up.on_latest(m, 3, "")
    assert (report.continuity.kind, report.continuity.missed) == (ContinuityKind.EXACT, 3)


def test_unreadable_page_is_skipped():
    m = CatchUp(position=Position(0))
    catch_up.on_connected(m, "")
    assert catch_up.on_page(m, [], whole=True, end=20, took=2.0) == [catch_up.FetchAfter(20, 40, 1000)]


def test_polling_reports_no_continuity_until_a_connection_catches_up():
    m = CatchUp(position=Position(5))
    assert catch_up.poll(m) == [catch_up.FetchAfter(5, at_most=1000)]
    assert catch_up.poll(m) == []
    assert catch_up.on_page(m, [(6, "six")], whole=False) == [catch_up.HandOver(("six",))]
    assert catch_up.poll(m) == [catch_up.FetchAfter(6, at_most=1000)]
    assert catch_up.on_connected(m, "s") == [catch_up.FetchAfter(6, at_most=1000)]
    assert catch_up.poll(m) == []
    report, handed = catch_up.on_page(m, [(7, "seven")], whole=False)
    assert (report.continuity.missed, handed.messages) == (1, ("seven",))


def test_disabled_catch_up_does_not_poll():
    assert catch_up.poll(CatchUp(position=Position(5), enabled=False)) == []


def test_polling_without_a_position_starts_at_the_latest_message():
    m = CatchUp()
    assert catch_up.poll(m) == [catch_up.FetchLatest()]
    assert catch_up.on_latest(m, 7, "") == []
    assert m.position == Position(7)


def test_own_message_between_others_is_handed_over_by_its_id_only():
    m = CatchUp(position=Position(0))
    catch_up.on_connected(m, "")
    catch_up.record_sent(m, 3)
    _, handed = catch_up.on_page(m, [(n, n) for n in (1, 2, 3, 4)], whole=False, ours={3})
    assert handed == catch_up.HandOver((1, 2, 4), (3,))


def test_restored_store_is_read_from_the_known_id():
    m = CatchUp(position=Position(142, "old", (143,), 9, "m1"))
    assert catch_up.on_connected(m, "new", "m2") == [
        catch_up.FetchAfter(142, at_most=1000)
    ]  # the server decides, not the name
    catch_up.on_live_message(m, 75, "live")
    assert catch_up.on_unknown_position(m, 72) == [catch_up.FetchAfter(72, at_most=1000)]
    commands = catch_up.on_page(m, [(73, "a"), (74, "b")], whole=False, mark="m2")
    unknown = catch_up.ReportContinuity(Continuity(ContinuityKind.UNKNOWN, 2, 72, 142))
    assert commands == [unknown, catch_up.ReportGap(72, 142), catch_up.HandOver(("a", "b", "live"))]
    assert m.position == Position(75, "new", (), 9, "m2")


def test_position_unknown_to_the_server_continues_at_its_latest_message_after_a_gap():
    m = CatchUp(position=Position(142, "s", (), 0, "m1"))
    catch_up.poll(m)  # even without a socket
    assert catch_up.on_unknown_position(m, 0) == [catch_up.FetchLatest()]
    unknown = catch_up.ReportContinuity(Continuity(ContinuityKind.UNKNOWN, 0, 0, 80))
    assert catch_up.on_latest(m, 80, "s", "m2") == [unknown, catch_up.ReportGap(0, 80)]
    assert m.position == Position(80, "s", (), 0, "m2")


@pytest.mark.parametrize("interrupted", [catch_up.on_disconnected, lambda m: None])
def test_position_unknown_to_the_server_is_sent_again_if_no_page_was_read(interrupted):
    m = CatchUp(position=Position(142, "s", (), 9, "m1"))
    catch_up.on_connected(m, "new", "m2")
    catch_up.on_unknown_position(m, 72)
    catch_up.on_unknown_position(m, 70)
    interrupted(m)
    # An older copy was restored again. Without the mark, everything would be unknown.
    (fetch,) = catch_up.on_connected(m, "newer", "m3")
    assert fetch.after_id == 142
    assert m.position == Position(142, "newer", (), 9, "m1")
    catch_up.on_unknown_position(m, 60)
    catch_up.on_page(m, [], whole=True, mark="m3")
    interrupted(m)
    (fetch,) = catch_up.on_connected(m, "newer", "m3")
    assert fetch.after_id == 60
    unknown = catch_up.ReportContinuity(Continuity(ContinuityKind.UNKNOWN, 0, 60, 142))
    assert catch_up.on_page(m, [], whole=False) == [unknown, catch_up.ReportGap(60, 142)]


def test_server_without_marks_is_read_from_its_latest_message_if_its_store_differs():
    m = CatchUp(position=Position(142, "old", (), 0, "m1"))
    assert catch_up.on_connected(m, "new") == [catch_up.FetchLatest()]


def test_ranges_that_the_app_has_handled_are_not_handed_over_again():
    m = CatchUp(position=Position(10, own=(22,), done=((11, 15), (17, 20))), limit=3)
    catch_up.on_connected(m, "")
    pages = [(n, n) for n in range(11, 24)]
    commands = catch_up.on_page(m, pages, whole=False)
    handed = next(c for c in commands if isinstance(c, catch_up.HandOver))
    assert handed.messages == (11, 16, 17, 21, 23)
    assert handed.done == ((11, 15), (17, 20))
    assert m.position == Position(23)


def test_saved_session_keeps_the_ranges_that_the_app_has_handled():
    session = Session({"uid": "bob"}, "token", Position(10, done=((11, 15), (17, 20))))
    saved = json.loads(json.dumps(session.to_saved()))
    assert Session.from_saved(saved) == session
    del saved["position"]["done"]  # saved by an older version
    assert Session.from_saved(saved).position == Position(10)


def test_messages_older_than_what_is_remembered_count_as_handed_over():
    m = CatchUp(position=Position(0, "store"))
    catch_up.on_connected(m, "store")
    catch_up.on_page(m, [], whole=False)
    total = catch_up.MAX_REMEMBERED_MESSAGES + 500
    assert all(catch_up.record_live(m, number) for number in range(1, total + 1))
    # A successor of an early message does not mean that there is a hole; early messages that come again are dropped.
    assert not chain.is_broken(m, 100)
    assert not any(catch_up.record_live(m, number) for number in (1, 100, 500, 501, total))


def test_receipt_during_a_catch_up_does_not_advance_the_time_of_the_next_request():
    m = CatchUp(position=Position(10, "store", updated_at=1_000))
    catch_up.on_connected(m, "store")
    updates.record_time(m, 5_000)
    assert updates.request_since(m) == 1_000 - updates.MARGIN_SECONDS
    catch_up.on_page(m, [], whole=False)
    updates.record_time(m, 5_000)
    assert updates.request_since(m) == 5_000 - updates.MARGIN_SECONDS


def test_catch_up_continues_after_pages_of_own_messages():
    """A device that only sent while it had no socket reads its own messages on return, and must get past them."""
    m = CatchUp(position=Position(0, "store"))
    (command,) = catch_up.on_connected(m, "store")
    history = list(range(1, 101))
    pages = 0
    while isinstance(command, catch_up.FetchAfter):
        read = [n for n in history if n > command.after_id][: command.limit]
        pages += 1
        assert pages <= len(history)
        *reports, command = catch_up.on_page(m, [(n, n) for n in read], whole=len(read) == command.limit, ours=read)
        assert reports == []
    assert command == ReportContinuity(Continuity(ContinuityKind.EXACT, 0))
    assert m.position.last_id == 100


def test_disabled_catch_up_reports_unknown_continuity():
    m = CatchUp(position=Position(5), enabled=False)
    assert catch_up.on_connected(m, "s") == [catch_up.ReportContinuity(Continuity(ContinuityKind.UNKNOWN))]
    assert catch_up.on_live_message(m, 6, "six") == [catch_up.HandOver(("six",))]


def test_results_that_come_after_the_connection_ended_are_ignored():
    m = CatchUp(position=Position(5))
    catch_up.on_connected(m, "")
    catch_up.on_disconnected(m)
    assert catch_up.on_page(m, [(6, "six")], whole=False) == []
    assert catch_up.on_latest(m, 9, "") == []
    assert catch_up.on_unknown_position(m, 3) == []
    assert m.position == Position(5)


def test_failed_request_of_the_latest_id_is_repeated():
    m = CatchUp()
    (fetch,) = catch_up.on_connected(m, "")
    assert catch_up.on_page_failed(m, fetch) == catch_up.FetchLatest()


def test_message_of_this_device_is_not_handed_over_live_or_from_history():
    m = CatchUp(position=Position(0))
    catch_up.on_connected(m, "")
    catch_up.on_page(m, [], whole=False)
    assert catch_up.on_live_message(m, 4, "mine", ours=True) == []
    assert catch_up.on_live_message(m, 4, "mine", ours=True) == []
    assert m.position.own == (4,)
    catch_up.on_disconnected(m)
    assert catch_up.on_connected(m, "") == [catch_up.FetchAfter(0, at_most=1000)]
    assert catch_up.on_live_message(m, 6, "mine too", ours=True) == []
    _, handed = catch_up.on_page(m, [(4, "mine"), (5, "five")], whole=False)
    assert handed.messages == ("five",)


def test_more_live_messages_than_are_remembered_are_each_handed_over_once():
    m = CatchUp(position=Position(0))
    catch_up.on_connected(m, "")
    catch_up.on_page(m, [], whole=False)
    newest = catch_up.MAX_REMEMBERED_MESSAGES + 50
    assert all(catch_up.record_live(m, n) for n in range(1, newest + 1))
    assert len(m.recent) == catch_up.MAX_REMEMBERED_MESSAGES
    assert not any(catch_up.record_live(m, n) for n in range(1, newest + 1))
    for n in range(newest + 1, newest + 100):
        catch_up.record_sent(m, n)
    assert len(m.recent) == catch_up.MAX_REMEMBERED_MESSAGES
    assert not catch_up.record_live(m, newest + 1)


def test_missed_messages_are_handed_over_although_a_newer_one_was_sent_without_a_socket():
    """The id of the sent message is above those that were missed, and more of them than are remembered are fetched."""
    missed = list(range(11, 11 + 2 * catch_up.MAX_REMEMBERED_MESSAGES))
    m = caught_up(Position(10))
    m.limit = len(missed) + 1
    catch_up.on_disconnected(m)
    mine = missed[-1] + 1
    catch_up.record_sent(m, mine)
    handed: list[int] = []
    (command,) = catch_up.on_connected(m, "")
    while isinstance(command, catch_up.FetchAfter):
        read = [n for n in (*missed, mine) if n > command.after_id][: command.limit]
        *reports, command = catch_up.on_page(m, [(n, n) for n in read], whole=len(read) == command.limit, ours={mine})
        handed += [n for c in reports if isinstance(c, catch_up.HandOver) for n in c.messages]
    assert handed == missed
    assert command == ReportContinuity(Continuity(ContinuityKind.EXACT, len(missed)))
    assert not any(catch_up.record_live(m, n) for n in (missed[0], missed[-1], mine))


def test_positions_of_a_replaced_or_restored_store_are_not_comparable():
    here = Position(5, "store", mark="m1")
    assert not of_another_store(here, Position(9, "store", mark="m1"))
    assert of_another_store(here, Position(9, "other", mark="m1"))
    assert of_another_store(here, Position(9, "store", mark="m2"))


def test_live_change_is_not_held_while_no_message_is_held():
    assert not changes.hold_if_busy(CatchUp(position=Position(5, changes=0)), 1, "reaction")


def test_live_changes_above_the_limit_are_fetched_with_one_more_page():
    m = CatchUp(position=Position(5, changes=0))
    catch_up.on_connected(m, "")
    for number in range(1, changes.MAX_HELD_CHANGES + 2):
        assert changes.hold_if_busy(m, number, "reaction")
    assert m.overflowed
    assert [number for number, _, _ in m.changed] == [changes.MAX_HELD_CHANGES + 1]
    assert catch_up.on_page(m, [], whole=False, listed=changes.Listed(0)) == [catch_up.FetchAfter(5, at_most=1000)]
    missed = [(number, 5, "reaction") for number in range(1, changes.MAX_HELD_CHANGES + 2)]
    handed = catch_up.on_page(m, [], whole=False, listed=changes.Listed(len(missed), missed))[-1]
    assert [change.number for change in handed.messages] == [number for number, _, _ in missed]


def test_change_is_not_recorded_before_the_first_position_is_known():
    for position in (None, Position(5)):
        m = CatchUp(position=position)
        changes.record(m, 7)
        assert m.position == position


def test_position_after_each_change_lists_the_changes_handed_over_so_far():
    before, after = Position(5, changes=3), Position(6, changes=4, heard=(9, 11))
    handed = catch_up.HandOver(
        (6, changes.Change(4, "a"), changes.Change(9, "b"), changes.Change(11, "c")), before=before
    )
    handed = handed._replace(messages=(Message(6), *handed.messages[1:]))
    served = [(p.changes, p.heard) for _, p in changes.positions_after_each(handed, after)]
    assert served == [(3, ()), (4, ()), (4, (9,)), (4, (9, 11))]


def test_messages_that_the_server_removed_for_their_age_are_a_gap():
    m = CatchUp(position=Position(5))
    catch_up.on_connected(m, "")
    commands = catch_up.on_page(m, [], whole=False, pruned=8)
    assert commands[0] == catch_up.ReportGap(5, 8)
    assert commands[-1] == ReportContinuity(Continuity(ContinuityKind.GAP, 0, 5, 8))


def test_changes_that_the_log_no_longer_has_are_a_gap_of_changes_only():
    m = CatchUp(position=Position(5, changes=3))
    catch_up.on_connected(m, "")
    commands = catch_up.on_page(m, [(6, Message(6))], whole=False, listed=changes.Listed(7, lost=5))
    assert commands[0] == catch_up.ReportGap(5, 5, only_changes=True)
    assert [c.messages for c in commands if isinstance(c, catch_up.HandOver)] == [(6,)]


def test_messages_that_the_server_left_out_above_the_limit_are_a_gap_before_the_newest():
    m = CatchUp(position=Position(5, changes=3), limit=1)
    catch_up.on_connected(m, "")
    commands = catch_up.on_page(m, [(9, Message(9))], whole=False, listed=changes.Listed(7, gap=(5, 8)))
    assert commands[0] == catch_up.ReportGap(5, 8)
    assert [c.messages for c in commands if isinstance(c, catch_up.HandOver)] == [(9,)]
    assert ReportContinuity(Continuity(ContinuityKind.GAP, 1, 5, 8)) in commands


def test_catch_up_continues_above_the_limit_when_the_server_enforces_it():
    m = CatchUp(position=Position(5, changes=3), limit=1)
    catch_up.on_connected(m, "")
    commands = catch_up.on_page(m, [(6, Message(6))], whole=True, listed=changes.Listed(7, more=True))
    assert isinstance(commands[-1], catch_up.FetchAfter)
    assert commands[-1].after_id == 6


def test_edits_and_deletions_do_not_count_towards_the_limit():
    m = CatchUp(position=Position(10, "store"), limit=3)
    catch_up.on_connected(m, "store")
    catch_up.on_page(m, [(11, "edit"), (12, "edit"), (13, "message")], whole=True, free=[11, 12])
    assert m.counted == 1
    assert catch_up.next_page(m).limit == 2


def test_another_store_may_use_ids_that_were_received_from_the_previous_one():
    m = CatchUp(position=Position(10, "store"))
    catch_up.on_connected(m, "store")
    catch_up.on_page(m, [], whole=False)
    assert catch_up.record_live(m, 11)
    catch_up.on_disconnected(m)
    catch_up.on_connected(m, "another store")
    catch_up.on_latest(m, 5, "another store")
    assert catch_up.record_live(m, 11)


def caught_up(position):
    m = CatchUp(position=position)
    catch_up.on_connected(m, position.store)
    catch_up.on_page(m, [], whole=False)
    return m


def full_page(m, took):
    """Answer with a full page after `took` seconds. Return the size of the next page."""
    size = min(m.size, m.limit - m.counted)
    begin = m.asked_after
    commands = catch_up.on_page(m, [(n, n) for n in range(begin + 1, begin + size + 1)], whole=True, took=took)
    return commands[-1].limit


def test_pages_double_when_they_take_at_most_a_second_and_halve_when_they_take_more_than_eight():
    m = CatchUp(position=Position(0), limit=10**6)
    catch_up.on_connected(m, "")
    assert full_page(m, 1.0) == 40
    assert full_page(m, 2.0) == 40  # 0.05 seconds per message, as before
    assert full_page(m, 1.0) == 80
    assert full_page(m, 8.5) == 40
    assert full_page(m, 0.5) == 80
    assert full_page(m, 8.0) == 80
    assert full_page(m, 0.8) == 100
    m = CatchUp(position=Position(0), limit=10**6)
    catch_up.on_connected(m, "")
    assert [full_page(m, took) for took in (0.5, 1.0)] == [40, 80]  # in spite of the same time per message


def test_page_grows_when_the_time_per_message_is_at_most_four_fifths_of_the_last():
    for took, size in ((5.0, 10), (5.1, 5)):
        m = CatchUp(position=Position(0), limit=10**6, size=10)
        catch_up.on_connected(m, "")
        assert full_page(m, 12.5) == 5  # 1.25 seconds per message
        assert full_page(m, took) == size


def test_failed_page_discards_the_measured_time_per_message():
    m = CatchUp(position=Position(0), limit=10**6)
    (fetch,) = catch_up.on_connected(m, "")
    assert full_page(m, 1.0) == 40
    assert catch_up.on_page_failed(m, fetch).limit == 10
    assert full_page(m, 2.0) == 20


def test_each_catch_up_begins_with_a_page_of_the_default_size():
    m = CatchUp(position=Position(0), limit=10**6)
    catch_up.poll(m)
    full_page(m, 0.1)
    assert full_page(m, 0.1) == 80
    catch_up.on_page(m, [], whole=False)
    (fetch,) = catch_up.poll(m)
    assert fetch.limit == 20


def test_first_page_is_no_larger_than_the_limit():
    assert catch_up.on_connected(CatchUp(position=Position(5), limit=1), "") == [catch_up.FetchAfter(5, 1, 1)]


def test_held_messages_and_changes_are_dropped_when_the_connection_ends():
    m = caught_up(Position(5, changes=0))
    chain.hold(m, 6, 7, Message(7))
    changes.hold_if_busy(m, 1, "reaction")
    catch_up.on_disconnected(m)
    assert (m.behind, m.changed, m.named, m.holes) == (None, [], {}, set())


def test_restored_store_may_use_ids_that_were_received_from_it_before():
    m = caught_up(Position(70, "s", mark="m1"))
    assert catch_up.record_live(m, 75)
    catch_up.on_disconnected(m)
    catch_up.on_connected(m, "s", "m2")
    catch_up.on_unknown_position(m, 72)
    assert catch_up.on_page(m, [(75, "another")], whole=False)[-1] == catch_up.HandOver(("another",))


def test_store_restored_to_its_first_message_is_read_from_that_message():
    m = CatchUp(position=Position(142, mark="m1"))
    catch_up.on_connected(m, "", "m2")
    assert catch_up.on_unknown_position(m, 1) == [catch_up.FetchAfter(1, at_most=1000)]


def test_gap_of_a_replaced_store_is_reported_once():
    m = CatchUp(position=Position(500, "old"))
    catch_up.on_connected(m, "new")
    unknown = ReportContinuity(Continuity(ContinuityKind.UNKNOWN, 0, 0, 3))
    assert catch_up.on_latest(m, 3, "new") == [unknown, catch_up.ReportGap(0, 3)]
    catch_up.on_disconnected(m)
    catch_up.on_connected(m, "new")
    assert catch_up.on_page(m, [], whole=False) == [ReportContinuity(Continuity(ContinuityKind.EXACT))]


def test_first_connection_reports_unknown_continuity_without_a_gap():
    m = CatchUp()
    catch_up.on_connected(m, "s")
    commands = catch_up.on_latest(m, 7, "s")
    assert commands == [ReportContinuity(Continuity(ContinuityKind.UNKNOWN, missed=0, from_id=0, to_id=0))]


def test_first_message_of_a_server_is_handed_over():
    m = CatchUp()
    catch_up.on_connected(m, "s")
    catch_up.on_live_message(m, 1, "one")
    assert catch_up.on_latest(m, 0, "s")[-1] == catch_up.HandOver(("one",))


def test_messages_above_the_limit_are_a_gap_in_the_continuity_too():
    m = CatchUp(position=Position(5), limit=1)
    catch_up.on_connected(m, "")
    for number in (7, 9):
        catch_up.on_live_message(m, number, Message(number))
    assert catch_up.on_page(m, [(6, Message(6))], whole=True)[-1] == catch_up.FetchLatest()
    assert catch_up.on_latest(m, 7, "") == [
        catch_up.ReportGap(6, 7),
        ReportContinuity(Continuity(ContinuityKind.GAP, 1, 6, 7)),
        catch_up.HandOver((9,)),
    ]


def test_message_that_was_served_before_is_not_handed_over_after_a_gap():
    m = CatchUp(position=Position(10, done=((12, 14),)), limit=1)
    catch_up.on_connected(m, "")
    catch_up.on_live_message(m, 14, "fourteen")
    catch_up.on_page(m, [(11, "eleven")], whole=True)
    assert [c for c in catch_up.on_latest(m, 11, "") if isinstance(c, catch_up.HandOver)] == []


def test_gap_ends_at_the_last_removed_message():
    m = CatchUp(position=Position(5), limit=1)
    catch_up.on_connected(m, "")
    catch_up.on_page(m, [(9, "nine")], whole=True, pruned=30)
    commands = catch_up.on_latest(m, 9, "")
    assert commands[-1] == ReportContinuity(Continuity(ContinuityKind.GAP, 1, 5, 30))
    assert m.position.last_id == 30


def test_position_moves_past_the_removed_messages():
    m = CatchUp(position=Position(5))
    catch_up.on_connected(m, "")
    catch_up.on_page(m, [], whole=False, pruned=8)
    assert m.position.last_id == 8


def test_deleted_message_is_not_handed_over_when_it_comes_late():
    m = CatchUp(position=Position(5))
    catch_up.on_connected(m, "")
    handed = catch_up.on_page(m, [(6, "six"), (7, "seven")], whole=False, gone={7})
    assert handed[-1] == catch_up.HandOver(("six",))
    assert catch_up.on_live_message(m, 7, "seven") == []


def test_live_message_moves_the_position():
    m = caught_up(Position(10, own=(11, 15), done=((12, 13), (13, 14))))
    assert catch_up.record_live(m, 11)
    assert m.position == Position(11, own=(15,), done=((12, 13), (13, 14)))
    assert catch_up.record_live(m, 13)
    assert m.position == Position(13, own=(15,), done=((13, 14),))


def test_page_without_a_mark_keeps_the_mark_of_the_position():
    m = CatchUp(position=Position(5, mark="m1"))
    catch_up.on_connected(m, "")
    catch_up.on_page(m, [(6, "six")], whole=False)
    assert m.position.mark == "m1"


def test_hand_over_names_own_messages_that_only_the_page_reports():
    m = CatchUp(position=Position(0))
    catch_up.on_connected(m, "")
    _, handed = catch_up.on_page(m, [(n, n) for n in (1, 2, 3, 4)], whole=False, ours={3})
    assert handed == catch_up.HandOver((1, 2, 4), (3,))


def test_whole_limit_is_requested_again_when_the_server_enforces_it():
    m = CatchUp(position=Position(5, changes=3), limit=2)
    catch_up.on_connected(m, "")
    commands = catch_up.on_page(m, [(6, Message(6)), (7, Message(7))], whole=True, listed=changes.Listed(7, more=True))
    assert commands[-1] == catch_up.FetchAfter(7, 2, 2)


def test_held_message_after_an_own_one_needs_no_further_page():
    m = CatchUp(position=Position(10))
    catch_up.on_connected(m, "")
    catch_up.record_sent(m, 12)
    catch_up.on_live_message(m, 13, "thirteen", predecessor_id=12)
    assert catch_up.on_page(m, [], whole=False)[-1] == catch_up.HandOver(("thirteen",))


def test_held_message_after_an_unreadable_one_needs_no_further_page():
    m = CatchUp(position=Position(10))
    catch_up.on_connected(m, "")
    catch_up.on_live_message(m, 13, "thirteen", predecessor_id=12)
    assert catch_up.on_page(m, [], whole=False, end=12)[-1] == catch_up.HandOver(("thirteen",))


def test_message_without_a_known_predecessor_needs_no_further_page():
    m = CatchUp(position=Position(0))
    catch_up.on_connected(m, "")
    catch_up.on_live_message(m, 5, "five")
    assert catch_up.on_page(m, [], whole=False)[-1] == catch_up.HandOver(("five",))


def test_held_message_at_the_end_of_an_unreadable_page_is_handed_over_before_the_next_page():
    m = CatchUp(position=Position(0))
    catch_up.on_connected(m, "")
    catch_up.on_live_message(m, 20, "twenty")
    handed, fetch = catch_up.on_page(m, [], whole=True, end=20)
    assert (handed, fetch.after_id) == (catch_up.HandOver(("twenty",)), 20)


def test_message_at_the_position_that_comes_again_is_not_handed_over():
    m = CatchUp(position=Position(10))
    catch_up.on_connected(m, "")
    catch_up.on_live_message(m, 10, "ten")
    assert catch_up.on_page(m, [], whole=False) == [ReportContinuity(Continuity(ContinuityKind.EXACT))]


def test_held_change_waits_for_the_last_page():
    m = CatchUp(position=Position(5, changes=0))
    catch_up.on_connected(m, "")
    assert changes.hold_if_busy(m, 8, "reaction")
    first = catch_up.on_page(m, [(6, Message(6))], whole=True, listed=changes.Listed(7))
    assert first[0].messages == (6,)
    last = catch_up.on_page(m, [(7, Message(7))], whole=False, listed=changes.Listed(7))
    assert last[-1].messages == (7, changes.Change(8, "reaction"))
    assert m.changed == []


def test_sent_message_is_remembered_only_above_the_position():
    m = caught_up(Position(10))
    for number in (9, 10):
        catch_up.record_sent(m, number)
    assert (list(m.recent), m.position.own) == ([], ())
    catch_up.record_sent(m, 11)
    assert (list(m.recent), m.position.own) == ([11], (11,))
    unknown = CatchUp()
    catch_up.record_sent(unknown, 11)
    assert (list(unknown.recent), unknown.position) == ([], None)


def test_no_more_messages_are_held_than_allowed(monkeypatch):
    monkeypatch.setattr(catch_up, "MAX_HELD_MESSAGES", 2)
    m = CatchUp(position=Position(0))
    catch_up.on_connected(m, "")
    for number in range(2, 9):
        catch_up.on_live_message(m, number, number, predecessor_id=number - 1)
        assert len(m.behind) <= 2
        assert len(m.named) <= 2
    assert m.overflowed


@pytest.mark.parametrize("how", ["record_live", "record_sent", "hand_over"])
def test_late_message_is_handed_over_unless_a_newer_received_one_was_forgotten(monkeypatch, how):
    monkeypatch.setattr(catch_up, "MAX_REMEMBERED_MESSAGES", 2)
    for numbers, late, new in (((13, 14), 12, True), ((11, 13, 14), 12, True), ((13, 14, 15), 12, False)):
        m = caught_up(Position(10))
        if how == "hand_over":
            catch_up.hand_over(m, [(n, n) for n in numbers])
        else:
            for number in numbers:
                getattr(catch_up, how)(m, number)
        assert len(m.recent) == 2
        # What was sent says nothing about lower ids, which may still be missing.
        assert catch_up.record_live(m, late) is (new or how == "record_sent")
