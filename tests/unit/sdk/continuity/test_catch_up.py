"""The continuity machine, as a property: whatever comes, each message is handed over once, in order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tailwire.sdk.continuity import catch_up
from tailwire.sdk.continuity.state import Kind, Machine, Position


class Server(RuleBasedStateMachine):
    """A server with a history, a line that breaks, and a client that catches up."""

    @initialize(limit=st.sampled_from([5, 1000]))
    def begin(self, limit):
        self.history: list[tuple[int, bool]] = []  # id, ours
        self.m = Machine(position=Position(0), limit=limit)
        self.handed: list[int] = []
        self.gaps: list[tuple[int, int]] = []
        self.line: list[int] = []
        self.up = False
        self.asked = None
        self.next_id = 1

    def carry(self, commands):
        for c in commands:
            if isinstance(c, catch_up.HandOver):
                self.handed.extend(c.messages)
            elif isinstance(c, catch_up.TellContinuity):
                if c.continuity.kind is Kind.GAP:
                    self.gaps.append((c.continuity.from_id, c.continuity.to_id))
            else:
                self.asked = c

    @rule(ours=st.booleans(), skip=st.integers(0, 2))
    def message(self, ours, skip):
        self.next_id += skip
        self.history.append((self.next_id, ours))
        if self.up and not ours:
            self.line.append(self.next_id)
        if ours:
            catch_up.sent(self.m, self.next_id)
        self.next_id += 1

    @precondition(lambda self: not self.up)
    @rule()
    def connect(self):
        self.up = True
        self.carry(catch_up.connected(self.m, "store"))

    @precondition(lambda self: self.up)
    @rule()
    def lose(self):
        self.up, self.asked, self.line = False, None, []
        catch_up.disconnected(self.m)

    @precondition(lambda self: self.line)
    @rule(again=st.booleans())
    def live(self, again):
        message_id = self.line.pop(0)
        self.carry(catch_up.live(self.m, message_id, message_id))
        if again:  # some servers send twice
            self.carry(catch_up.live(self.m, message_id, message_id))

    @precondition(lambda self: self.asked is not None)
    @rule(size=st.integers(1, 4))
    def answer(self, size):
        asked, self.asked = self.asked, None
        if isinstance(asked, catch_up.FetchLatest):
            self.carry(catch_up.latest(self.m, self.history[-1][0] if self.history else 0, "store"))
            return
        after = [n for n, _ in self.history if n > asked.after_id]
        page = after[:size]
        self.carry(catch_up.page(self.m, [(n, n) for n in page], whole=len(after) > size))

    @invariant()
    def once_and_in_order(self):
        assert self.handed == sorted(set(self.handed))
        ours = {n for n, o in self.history if o}
        assert not ours & set(self.handed)

    @invariant()
    def when_quiet_nothing_is_missing(self):
        if self.up and self.asked is None and not self.line and self.m.behind is None:
            theirs = [n for n, o in self.history if not o and not any(a < n <= b for a, b in self.gaps)]
            assert [n for n in self.handed if n in set(theirs)] == theirs


TestServer = Server.TestCase
TestServer.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


def test_the_first_connection_begins_at_the_latest():
    m = Machine()
    assert catch_up.connected(m, "s") == [catch_up.FetchLatest()]
    assert catch_up.live(m, 7, "seven") == []
    commands = catch_up.latest(m, 7, "s")
    assert commands[0].continuity.kind is Kind.UNKNOWN
    assert commands[1] == catch_up.HandOver(("seven",))
    assert catch_up.live(m, 6, "six") == []
    assert catch_up.live(m, 8, "eight") == [catch_up.HandOver(("eight",))]


def test_another_store_begins_anew():
    m = Machine(position=Position(500, "old"))
    assert catch_up.connected(m, "new") == [catch_up.FetchLatest()]
    catch_up.latest(m, 3, "new")
    assert m.position == Position(3, "new")


def test_a_store_that_is_not_named_is_the_same():
    for before, now, after in (("", "s", "s"), ("s", "", "s"), ("", "", "")):
        m = Machine(position=Position(5, before))
        assert catch_up.connected(m, now) == [catch_up.FetchAfter(5)]
        assert m.position.store == after


def test_more_than_is_held_is_read_from_history():
    m = Machine(position=Position(0), limit=10**6)
    catch_up.connected(m, "")
    for n in range(1, catch_up.MOST_HELD + 10):
        catch_up.live(m, n, n)
    commands = catch_up.page(m, [], whole=False)
    assert commands == [catch_up.FetchAfter(0)]
    history = [(n, n) for n in range(1, catch_up.MOST_HELD + 10)]
    handed = catch_up.page(m, history, whole=False)[1].messages
    assert handed == tuple(n for n, _ in history)


@given(st.lists(st.integers(1, 50), max_size=60))
def test_live_messages_in_any_order_come_once(ids):
    m = Machine(position=Position(0))
    catch_up.connected(m, "")
    catch_up.page(m, [], whole=False)
    handed = [msg for n in ids for c in catch_up.live(m, n, n) for msg in c.messages]
    assert sorted(handed) == sorted(set(ids))
