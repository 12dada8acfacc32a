"""History is read for a hole from where something may be missing, not from the last settled id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailwire.sdk.continuity import catch_up, chain, conversations
from tailwire.sdk.continuity.commands import FetchAfter, HandOver, ReportContinuity
from tailwire.sdk.continuity.state import CatchUp, Continuity, ContinuityKind, Position

PAGE_SIZE = 3


class Client:
    """A connected client, and the messages that the server has stored: conversation and whether the client sent it."""

    def __init__(self) -> None:
        self.stored: list[tuple[str, bool]] = []
        self.handed: list[int] = []
        self.pages: list[int] = []
        self.request: FetchAfter | None = None
        self.waits = False
        self.m = CatchUp(position=Position(0, "store"))
        catch_up.on_connected(self.m, "store")
        catch_up.on_page(self.m, [], whole=False)
        self.m.size = PAGE_SIZE

    def _carry_out(self, commands) -> None:
        for command in commands:
            if isinstance(command, HandOver):
                self.handed += command.messages
            elif isinstance(command, FetchAfter):
                self.request = command
            elif isinstance(command, chain.Wait):
                self.waits = True

    def store(self, place: str, *, own: bool = False) -> tuple[int, int]:
        """Store a message. Return its id and that of its predecessor."""
        before = max((n for n, (where, _) in enumerate(self.stored, 1) if where == place), default=0)
        self.stored.append((place, own))
        return len(self.stored), before

    def take(self, place: str, number: int, before: int) -> None:
        """Receive a message over the socket."""
        m = self.m
        if before and chain.is_broken(m, before):
            self._carry_out(chain.hold(m, before, number, number))
        elif catch_up.record_live(m, number):
            self.handed.append(number)
        else:
            self._carry_out(catch_up.on_live_message(m, number, number, before=before))
            self._carry_out(chain.release_if_mended(m))
        conversations.record(m, place, number, before)

    def send(self, place: str) -> None:
        """Send a message, and receive the response."""
        m, (number, before) = self.m, self.store(place, own=True)
        catch_up.record_sent(m, number)
        if before and chain.is_broken(m, before):
            self._carry_out(chain.on_missing(m, before))
        else:
            self._carry_out(chain.release_if_mended(m))
        conversations.record(m, place, number, before or None, sent=True)

    def receive(self, *places: str) -> None:
        """Store messages and receive them over the socket."""
        for place in places:
            self.take(place, *self.store(place))

    def end_wait(self) -> None:
        """Let the time end in which missing messages may arrive."""
        self.waits = False
        self._carry_out(chain.on_wait_over(self.m))

    def answer(self, until: int | None = None) -> None:
        """Answer the request for history, which was read when `until` messages were stored; None for all."""
        assert self.request is not None
        begin, limit = self.request.after_id, PAGE_SIZE
        self.request = None
        self.pages.append(begin)
        numbers = range(begin + 1, (until or len(self.stored)) + 1)[:limit]
        self._carry_out(
            catch_up.on_page(
                self.m,
                [(n, n) for n in numbers],
                whole=len(numbers) == limit,
                ours={n for n in numbers if self.stored[n - 1][1]},
                took=2.0,
                conversations={n: self.stored[n - 1][0] for n in numbers},
            )
        )

    def settle(self) -> list[int]:
        """Let everything that is in progress end. Return the ids after which pages were read meanwhile."""
        self.pages.clear()
        while self.waits or self.request is not None:
            if self.request is not None:
                self.answer()
            else:
                self.end_wait()
        return list(self.pages)


def received(*places: str) -> Client:
    client = Client()
    client.receive(*places)
    assert client.handed == list(range(1, len(places) + 1))
    return client


def test_first_hole_is_read_from_the_newest_message_of_its_conversation():
    client = received(*"abab" * 10)
    client.store("a")
    client.receive("a")
    assert client.settle() == [39, 42]
    assert client.handed == list(range(1, 43))
    client.store("a")
    client.receive("b", "a")
    assert client.settle() == [42, 45]
    assert sorted(client.handed) == list(range(1, 46))


def test_hole_of_another_conversation_below_the_read_is_found_afterwards():
    client = received(*"abab")
    missing, _ = client.store("b")
    client.receive("a", "a")
    client.store("a")
    client.receive("a")
    assert client.settle() == [7]
    assert client.handed == [1, 2, 3, 4, 6, 7, 8, 9]
    client.receive("b")
    assert client.settle() == [4, 7, 10]
    assert client.handed == [1, 2, 3, 4, 6, 7, 8, 9, missing, 10]


def test_page_with_a_lost_message_of_another_conversation_is_read_again_from_before_it():
    client = received(*"abab")
    client.store("b")
    client.receive("a")
    for place in "ab":
        client.store(place)
    client.receive("a")
    # The page after 6 has a message of b, which does not say that another one precedes it.
    assert client.settle() == [6, 4, 7]
    assert client.handed == [1, 2, 3, 4, 6, 5, 7, 8, 9]


def test_hole_that_is_noticed_during_the_read_is_read_too():
    client = received(*"abab")
    client.store("b")
    client.receive("a")
    client.store("a")
    client.receive("a")
    client.end_wait()
    client.receive("b")
    assert client.settle() == [6, 4, 7]
    assert client.handed == [1, 2, 3, 4, 6, 5, 7, 8, 9]


def test_own_message_during_the_read_does_not_hide_one_below_it():
    client = received(*"abab")
    client.store("b")
    client.receive("a")
    client.store("a")
    client.receive("a")
    client.end_wait()
    client.send("b")
    assert client.settle() == [6, 4, 7]
    assert client.handed == [1, 2, 3, 4, 6, 5, 7, 8]


def test_message_of_an_unknown_conversation_is_read_from_the_last_settled_id():
    client = received(*"abab")
    number, before = client.store("a")
    client.store("a")
    client.take("a", number, before)
    number, before = client.store("a")
    client.take("", number, before)  # unreadable
    assert client.settle() == [0, 3, 6]
    assert client.handed == list(range(1, 8))


def test_missing_message_that_arrives_late_leaves_its_conversation_complete():
    client = received(*"abab")
    late, before = client.store("a")
    client.receive("a", "a")
    client.take("a", late, before)
    assert client.handed == list(range(1, 8))
    client.settle()
    client.store("a")
    client.receive("a")
    assert client.settle() == [7]


def test_conversation_that_continues_after_the_last_page_is_complete():
    client = received(*"abab")
    client.store("a")
    client.receive("a")
    client.end_wait()
    client.receive("a")
    client.answer(until=6)
    client.answer(until=6)
    assert client.handed == list(range(1, 8))
    client.receive("a")
    client.store("a")
    client.receive("a")
    assert client.settle() == [8]


def test_lost_message_that_a_page_contains_leaves_its_conversation_complete():
    client = received(*"abab")
    client.store("a")
    client.store("b")
    client.receive("a")
    assert client.settle() == [3, 6]
    client.receive("b")
    client.store("b")
    client.receive("b")
    assert client.settle() == [8]


def test_own_message_without_a_predecessor_does_not_make_its_conversation_complete():
    client = received(*"abab")
    client.store("a")
    client.receive("a")
    conversations.record(client.m, "b", client.store("b", own=True)[0], None, sent=True)
    client.end_wait()
    client.answer(until=6)
    client.answer(until=6)
    assert client.request is None
    assert client.m.newest == {"a": 6, "b": 4}


def test_messages_that_were_held_at_a_login_do_not_make_their_conversations_complete():
    m = CatchUp()
    catch_up.on_connected(m, "store")
    catch_up.on_live_message(m, 12, 12, before=11)
    conversations.record(m, "a", 12, 11)
    assert catch_up.on_latest(m, 10, "store") == [ReportContinuity(Continuity(ContinuityKind.UNKNOWN)), HandOver((12,))]
    chain.hold(m, 13, 14, 14)
    conversations.record(m, "a", 14, 13)
    assert m.places == {14: "a"}


def test_missing_message_below_what_is_complete_is_read_from_the_last_settled_id():
    client = received(*"ababa")
    client.m.recent.pop(4)
    client.take("b", client.store("b")[0], 4)
    client.store("a")
    client.receive("a")
    assert client.m.begin == 5
    assert client.settle()[0] == 0


def test_held_messages_that_are_dropped_are_read_from_the_last_settled_id(monkeypatch):
    monkeypatch.setattr(catch_up, "MAX_HELD_MESSAGES", 2)
    client = received(*"abab")
    client.store("a")
    client.receive(*"aabb")
    assert client.settle()[0] == 0
    assert client.handed == list(range(1, 10))


def test_conversations_beyond_the_limit_are_read_from_the_last_settled_id(monkeypatch):
    monkeypatch.setattr(conversations, "MAX_CONVERSATIONS", 2)
    client = received(*"abc")
    assert set(client.m.newest) == {"b", "c"}
    client.store("a")
    client.receive("a")
    assert client.settle()[0] == 0


def test_page_that_is_read_for_a_hole_counts_as_known():
    client = received(*"ab")
    client.store("a")
    client.receive("a")
    client.end_wait()
    client.send("a")
    assert client.settle() == [1, 4]
    assert client.handed == [1, 2, 3, 4]
    assert client.m.floor == 0
    client.receive("a")
    assert not client.waits


def test_messages_that_are_read_for_a_hole_are_remembered_within_the_bound(monkeypatch):
    monkeypatch.setattr(catch_up, "MAX_REMEMBERED_MESSAGES", 4)
    client = received(*"abab")
    client.store("a")
    client.receive("a")
    assert client.settle() == [3, 6]
    assert len(client.m.recent) == 4
    assert client.m.floor == 2


@pytest.mark.parametrize("known", [0, 2])
def test_nothing_is_complete_after_the_store_was_restored(known):
    client = received(*"abab")
    client.store("a")
    client.receive("a")
    client.end_wait()
    catch_up.on_unknown_position(client.m, known)
    assert client.m.newest == client.m.places == {}
    assert client.m.started <= client.m.floor


def test_nothing_is_complete_on_another_connection():
    client = received(*"abab")
    client.store("a")
    client.receive("a")
    client.end_wait()
    catch_up.on_disconnected(client.m)
    assert client.m.newest == client.m.places == {}
    assert client.m.started == 0


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(("receive", "receive", "lose", "send", "late")), st.sampled_from("abc")),
        st.sampled_from([("wait", ""), ("page", "")]),
    ),
    max_size=60,
)


@given(STEPS)
def test_lost_messages_are_received_once_and_in_order_whatever_happens_meanwhile(steps):
    client, late = Client(), []
    for step, place in steps:
        if step == "receive":
            client.receive(place)
        elif step == "lose":
            client.store(place)
        elif step == "send":
            client.send(place)
        elif step == "late":
            late.append((place, *client.store(place)))
        elif step == "wait" and client.waits:
            client.end_wait()
        elif step == "page" and client.request is not None:
            client.answer()
        if late and step == "page":
            client.take(*late.pop(0))
    client.receive(*"abc")
    client.settle()
    client.receive(*"abc")
    client.settle()
    assert sorted(client.handed) == [n for n, (_, own) in enumerate(client.stored, 1) if not own]
    for place in "abc":
        numbers = [n for n in client.handed if client.stored[n - 1][0] == place]
        assert numbers == sorted(numbers)
