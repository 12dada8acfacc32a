"""Changes that were lost between servers: each subject receives each change once, and no older one after a newer."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailwire.server.fanout import numbers
from tailwire.server.fanout.change_healing import HEAL_SECONDS
from tailwire.server.fanout.looking import LOOK_SECONDS
from tailwire.server.fanout.numbers import ChangeNumbers, Missing
from tailwire.server.ports.broker import FramePublication, group_subject, user_subject
from tailwire.server.ports.changes import GROUP_REMOVED
from tailwire.testing.virtual.loop import virtual_run
from unit.server.fanout.log_stage import CHANGE, LogStage

A, B, G = user_subject("a"), user_subject("b"), group_subject("g")
SOON = HEAL_SECONDS + 2 * LOOK_SECONDS + 0.1
carries = pytest.mark.parametrize("carries_messages", [False, True], ids=["database", "nats"])

plans = st.lists(
    st.fixed_dictionaries({
        "key": st.sampled_from("xyz"),  # a later change of the same thing replaces the entry
        "own": st.booleans(),
        "pause": st.sampled_from([0.0, 0.0005, 0.02, 0.4, 1.1]),
        "late": st.sampled_from([0.0, 0.001, 0.3, HEAL_SECONDS, 1.999, 2.0, 2.001, 2.002, 2.003, 3.5]),
        "fate": st.sampled_from(["arrives", "lost", "twice", "for one only"]),
    }),
    min_size=1, max_size=12,
)  # fmt: skip


def live(number: int) -> FramePublication:
    """Return the frame of a change as its process publishes it."""
    return FramePublication(b"%d" % number, number=number)


async def play(plan, troubles, *, carries_messages: bool) -> LogStage:
    """Play changes and their notices; then let time pass until everything has been read."""
    loop = asyncio.get_running_loop()
    async with LogStage(carries_messages=carries_messages) as s:
        for at, fails in troubles:
            loop.call_later(at, setattr, s.store, "fails", fails)
        last_at = {True: 0.0, False: 0.0}  # a process publishes in the order of its commits
        for change in plan:
            await asyncio.sleep(change["pause"])
            number = s.store.change_made(change["key"])
            subjects = [A] if change["fate"] == "for one only" else [A, B]
            take = s.log.publish if change["own"] else s.log.received
            # Later than the one before, because timers of one time may fire in any order.
            at = last_at[change["own"]] = max(loop.time() + change["late"], last_at[change["own"]] + 1e-6)
            if change["fate"] != "lost":
                for subject in subjects:
                    loop.call_at(at, partial(take, subject, live(number)))
                    if change["fate"] == "twice":
                        loop.call_at(at + 0.4, partial(take, subject, live(number)))
        await asyncio.sleep(6)
        s.store.fails = False
        await asyncio.sleep(SOON)
        return s


@pytest.mark.slow
@carries
@settings(max_examples=settings().max_examples * 3, deadline=None)
@given(plan=plans, troubles=st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=3))
def test_each_subject_receives_the_current_changes_once_despite_lost_and_late_notices(carries_messages, plan, troubles):
    s = virtual_run(play(plan, troubles, carries_messages=carries_messages))
    for subject in (A, B):
        received = s.changed[subject]
        assert len(received) == len(set(received)), "each once"
        assert set(s.store.changes_made) <= set(received), "each that was not replaced by a newer one"


@pytest.mark.virtual
async def test_lost_change_is_read_from_the_store_and_a_late_one_is_not_delivered_again():
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        number = s.store.change_made("x")
        await asyncio.sleep(SOON)
        assert (s.changed[A], s.changed[B]) == ([number], [number])
        assert s.metrics.changes_healed == 2
        s.log.received(A, live(number))
        assert s.changed[A] == [number]


@pytest.mark.virtual
async def test_change_that_only_one_subject_lacks_is_delivered_to_it():
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        number = s.store.change_made("x")
        s.log.received(A, live(number))
        await asyncio.sleep(SOON)
        assert (s.changed[A], s.changed[B]) == ([number], [number])
        assert s.metrics.changes_healed == 1


@pytest.mark.virtual
async def test_older_change_of_an_entity_is_not_delivered_after_a_newer_one():
    """While a lost reaction is read from the store, the frame about its removal arrives."""
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        lost = s.store.change_made("x")
        while not s.store.reads:
            await asyncio.sleep(0.0001)
        # The entry and its frame have been read; the store is asked whether the entry is still current.
        await asyncio.sleep(0.0021)
        newer = s.store.change_made("x")
        for subject in (A, B):
            s.log.received(subject, live(newer))
        await asyncio.sleep(SOON)
        assert s.changed[A] == s.changed[B] == [newer]
        assert lost < newer


@pytest.mark.virtual
async def test_change_of_a_group_reaches_only_those_who_were_members_at_the_time():
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        s.store.members = {"b"}
        number = s.store.change_made("x", subject="g/g")
        await asyncio.sleep(SOON)
        assert (s.changed[A], s.changed[B]) == ([], [number])
        s.log.received(G, live(number))
        assert s.changed[G] == []


def leave(s: LogStage, uid: str) -> None:
    """Simulate a user leaving the group: their sockets no longer receive it."""
    s.sockets.here = [here for here in s.sockets.here if here != uid]
    s.store.members.discard(uid)
    s.sockets.on_left(uid, "g")


@pytest.mark.virtual
@pytest.mark.parametrize("late", [False, True], ids=["lost", "late"])
async def test_former_member_receives_missing_changes_from_before_they_left_and_none_from_after(late):
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        heard, lost = s.store.change_made("x", subject="g/g"), s.store.change_made("y", subject="g/g")
        s.log.received(G, live(heard))
        s.store.ended = {"b": 7}
        leave(s, "b")
        if late:
            s.log.received(G, live(lost))
        await asyncio.sleep(SOON)
        sent = [p.payload for p in s.others if isinstance(p, FramePublication) and p.number == lost]
        assert sorted(sent) == [b"2", b"2 until 7"], "to the members, and to the one who has left"
        assert s.changed[B] == [lost]
        s.store.change_made("z", subject="g/g")
        await asyncio.sleep(SOON)
        assert s.changed[B] == [lost]
        assert not s.log._changes.numbers._left


@pytest.mark.virtual
async def test_user_who_has_left_and_may_not_know_a_change_does_not_receive_it():
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        number = s.store.change_made("x", subject="g/g")
        leave(s, "b")
        await asyncio.sleep(SOON)
        assert (s.changed[A], s.changed[B]) == ([number], [])


@carries
@pytest.mark.virtual
@pytest.mark.parametrize("late", [False, True], ids=["lost", "late"])
async def test_members_receive_the_removal_of_their_group_although_a_new_one_has_its_name(late, carries_messages):
    """The log is read before the frame comes, and a new group of that name ends the subscriptions at once."""
    async with LogStage(carries_messages=carries_messages) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        number = s.store.change_made("removed", subject="g/g")
        s.store.members, s.store.ended = set(), {"a": 7, "b": 7}
        first, last = s.store.commit([CHANGE, CHANGE])
        s.store.kinds |= {first: (GROUP_REMOVED, "g"), last: ("group", "g")}
        s.theirs(first, last)
        await asyncio.sleep(0.1)
        assert s.sockets.left == ["g"]
        s.log.unsubscribe(G)
        if late:
            s.log.received(G, live(number))
        await asyncio.sleep(SOON)
        assert (s.changed[A], s.changed[B], s.changed[G]) == ([number], [number], [])


@pytest.mark.virtual
async def test_user_who_rejoins_receives_a_missing_change_once():
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        number = s.store.change_made("x", subject="g/g")
        s.store.ended = {"b": 7}
        leave(s, "b")
        s.log.received(G, live(number))
        s.sockets.here = ["a", "b"]
        s.sockets.on_joined("b", "g")
        leave(s, "b")
        await asyncio.sleep(2 * SOON)
        assert s.changed[B] == [number]


@pytest.mark.virtual
async def test_user_who_rejoins_with_a_new_socket_receives_a_missing_change_once():
    """The socket's groups are read from the store, so it receives the group before the log has reached the change."""
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        number = s.store.change_made("x", subject="g/g")
        s.store.ended = {"b": 7}
        leave(s, "b")
        s.sockets.here = ["a", "b"]
        await asyncio.sleep(2 * SOON)
        assert s.changed[B] == [number]


def test_only_the_latest_departures_from_groups_are_remembered(monkeypatch):
    monkeypatch.setattr(numbers, "MAX_DEPARTURES", 2)
    known = ChangeNumbers(0)
    for uid in "abc":
        known.leave(G, uid, (), 1.0)
    assert known.left_without(1, G) == ["b", "c"]


@pytest.mark.virtual
async def test_change_that_is_for_one_user_reaches_only_them():
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        number = s.store.change_made("x", subject="u/a/b", to_uid="a")
        await asyncio.sleep(SOON)
        assert (s.changed[A], s.changed[B]) == ([number], [])


@pytest.mark.virtual
async def test_socket_opened_after_a_change_receives_it_only_if_its_client_recognises_change_numbers():
    """The server cannot tell which came first. A client that knows numbers has read the change, or recognises it."""
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        number = s.store.change_made("x")
        s.log.unsubscribe(A)
        s.log.subscribe(A)
        await asyncio.sleep(SOON)
        features = {p.feature for p in s.others if isinstance(p, FramePublication)}
        assert (s.changed[A], s.changed[B], features) == ([number], [number], {"", "chain"})


@pytest.mark.virtual
async def test_settled_number_rises_when_all_changes_up_to_it_have_been_delivered():
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        lost, live_one = s.store.change_made("x"), s.store.change_made("y")
        for subject in (A, B):
            s.log.received(subject, live(live_one))
        s.store.fails = True
        await asyncio.sleep(2 * SOON)
        assert s.log.settled < lost
        s.store.fails = False
        while s.log.settled < lost:
            assert lost not in s.changed[A] or s.log.settled < live_one
            await asyncio.sleep(0.01)
        assert s.changed[A] == s.changed[B] == [live_one, lost]
        await asyncio.sleep(2 * LOOK_SECONDS)
        assert s.log.settled == live_one


@pytest.mark.virtual
async def test_changes_are_delivered_after_the_database_was_reverted_to_lower_numbers():
    async with LogStage(carries_messages=True) as s:
        s.store.newest = 50
        s.store.change_made("x")
        await asyncio.sleep(SOON)
        s.store.changes_made.clear()
        s.store.newest = 10
        s.store.change_made("x")
        await asyncio.sleep(SOON)
        number = s.store.change_made("y")
        await asyncio.sleep(SOON)
        assert s.changed[A][-1] == number == 12


@pytest.mark.virtual
async def test_change_that_cannot_be_made_into_a_frame_does_not_hold_up_the_next_one(caplog):
    async with LogStage(carries_messages=True) as s:

        async def broken(row):
            if row.number == 1:
                raise ValueError("broken")
            return b"%d" % row.number

        s.log.attach(s.sockets, lambda message: live(0), broken)
        await asyncio.sleep(LOOK_SECONDS + 0.1)
        s.store.change_made("x")
        s.store.change_made("y")
        await asyncio.sleep(SOON)
        assert s.changed[A] == [2]
        assert "cannot be delivered: number 1" in caplog.text


def test_received_number_that_was_forgotten_above_the_limit_counts_as_perhaps_missing(monkeypatch):
    monkeypatch.setattr(numbers, "MAX_KNOWN_NUMBERS", 3)
    known = ChangeNumbers(0)
    assert all(known.record_received(number, A) for number in range(1, 4))
    assert not known.record_received(2, A)
    assert known.is_missing(9, A) is Missing.YES
    assert known.record_received(4, A)
    assert known.is_missing(2, A) is Missing.PERHAPS
    assert known.is_missing(9, A) is Missing.YES


events = st.lists(
    st.tuples(
        st.sampled_from(["hear", "subscribe", "unsubscribe", "settle", "look"]),
        st.integers(1, 12),
        st.sampled_from("ab"),
    ),
    max_size=40,
)


@given(events=events)
def test_subject_receives_each_number_once_and_lacks_only_those_not_received(events):
    known, heard, now = ChangeNumbers(0), set[tuple[int, str]](), 0.0
    subscribed: dict[str, int] = {}  # the newest number at the time of the subscription
    newest = 0
    for what, number, subject in events:
        now += 1
        if what == "hear":
            newest = max(newest, number)
            taken = known.record_received(number, subject)
            assert taken == (number > known.end and (number, subject) not in heard)
            heard |= {(number, subject)} if taken else set()
        elif what == "subscribe":
            subscribed[subject] = newest
            known.subscribe(subject, now)
        elif what == "unsubscribe":
            subscribed.pop(subject, None)
            known.unsubscribe(subject)
        elif what == "look":
            known.record_newest(max(newest, known.end), now)
        else:
            known.record_settled(min(number, newest))
    for subject, since in subscribed.items():
        for number in range(1, 13):
            missing = known.is_missing(number, subject)
            if number <= known.end or (number, subject) in heard:
                assert missing is Missing.NO
            else:
                assert missing is not Missing.NO
                if number <= since:
                    assert missing is Missing.PERHAPS, "it may have happened before the subscription"
