"""Catch-up while the server removes old messages, as a property: missed messages arrive or are reported as a gap."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from tailwire.sdk.continuity import catch_up
from tailwire.sdk.continuity.state import CatchUp, ContinuityKind, Position
from unit.sdk.continuity.test_catch_up import Message, Server


class PruningServer(Server):
    """A server that removes the oldest messages. Its responses name the newest removed message of another user.

    Attributes:
        gone: the ids of the removed messages.
        reported: the gaps that were reported in the current catch-up.
        beyond_the_limit: whether the client is now given a page that begins after its limit of missed messages.
    """

    @initialize(limit=st.sampled_from([3, 5, 1000]), logs=st.booleans())
    def begin(self, limit, logs):
        super().begin(limit, logs)
        self.gone: set[int] = set()
        self.reported: list[tuple[int, int]] = []
        self.beyond_the_limit = False

    def carry(self, commands):
        for c in commands:
            if isinstance(c, catch_up.ReportGap):
                assert c.from_id < c.to_id
                # Each gap has a reason, and comes before what follows it.
                assert self.beyond_the_limit or any(c.from_id < n <= c.to_id for n in self.gone)
                assert not [n for n in self.handed if n > c.from_id]
                self.gaps.append((c.from_id, c.to_id))
                self.reported.append((c.from_id, c.to_id))
            elif isinstance(c, catch_up.ReportContinuity):
                outcome, self.catching_up = c.continuity, False
                assert (outcome.kind is ContinuityKind.GAP) == bool(self.reported)
                if self.reported:
                    assert (outcome.from_id, outcome.to_id) == (
                        min(self.reported)[0],
                        max(to for _, to in self.reported),
                    )
            else:
                super().carry([c])

    @precondition(lambda self: not self.up)
    @rule()
    def connect(self):
        self.reported = []  # in this catch-up
        super().connect()

    @precondition(lambda self: self.history)
    @rule(count=st.integers(1, 4))
    def prune(self, count):
        left = [n for n, _ in self.history if n not in self.gone]
        self.gone.update(left[:count])

    @precondition(lambda self: self.fetch is not None)
    @rule(took=st.sampled_from([0.1, 20.0]))
    def answer(self, took):
        fetch, self.fetch = self.fetch, None
        there = [(n, ours) for n, ours in self.history if n not in self.gone]
        if isinstance(fetch, catch_up.FetchLatest):
            self.beyond_the_limit = True
            self.carry(catch_up.on_latest(self.m, there[-1][0] if there else 0, "store"))
            self.beyond_the_limit = False
            return
        listed, changes = [(n, ours) for n, ours in there if n > fetch.after_id][: fetch.limit], None
        if self.logs:
            everything, self.history = self.history, there
            listed, changes = self.missed(fetch)
            self.history = everything
        self.read_to = max([self.read_to, *(n for n, _ in listed)])
        theirs = {n for n, ours in self.history if not ours}
        pruned = max((n for n in self.gone & theirs if n > fetch.after_id), default=0)
        self.beyond_the_limit = changes is not None and changes.gap is not None
        commands = catch_up.on_page(
            self.m, [(n, Message(n)) for n, _ in listed], whole=len(listed) == fetch.limit,
            ours={n for n, ours in listed if ours}, took=took, pruned=pruned, listed=changes,
        )  # fmt: skip
        self.carry(commands)
        self.beyond_the_limit = False


TestPruningServer = PruningServer.TestCase
TestPruningServer.settings = settings(max_examples=settings().max_examples, stateful_step_count=60, deadline=None)


def test_gap_is_reported_once_before_the_messages_that_follow():
    m = CatchUp(position=Position(5))
    catch_up.on_connected(m, "")
    first = catch_up.on_page(m, [(n, n) for n in range(31, 51)], whole=True, pruned=30)
    assert first[:2] == [catch_up.ReportGap(5, 30), catch_up.HandOver(tuple(range(31, 51)))]
    *_, report, handed = catch_up.on_page(m, [(51, 51)], whole=False)
    assert (report.continuity.kind, report.continuity.from_id, report.continuity.to_id) == ("gap", 5, 30)
    assert handed.messages == (51,)
    catch_up.on_disconnected(m)
    assert [c.after_id for c in catch_up.on_connected(m, "")] == [51]


def test_position_moves_past_removed_messages_at_the_end():
    m = CatchUp(position=Position(5))
    catch_up.on_connected(m, "")
    gap, report = catch_up.on_page(m, [], whole=False, pruned=30)
    assert (gap, report.continuity.kind) == (catch_up.ReportGap(5, 30), "gap")
    assert m.position.last_id == 30


def test_gap_survives_a_lost_connection_between_two_pages():
    m = CatchUp(position=Position(5))
    catch_up.on_connected(m, "")
    commands = catch_up.on_page(m, [(n, n) for n in range(31, 51)], whole=True, pruned=30)
    catch_up.on_disconnected(m)
    assert catch_up.ReportGap(5, 30) in commands  # at once, because the position has passed the gap
    assert [c.after_id for c in catch_up.on_connected(m, "")] == [50]


def test_polling_reports_the_gap_too():
    m = CatchUp(position=Position(5))
    catch_up.poll(m)
    assert catch_up.on_page(m, [], whole=False, pruned=30) == [catch_up.ReportGap(5, 30)]
    assert m.position.last_id == 30
