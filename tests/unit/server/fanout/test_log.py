"""The log in front of the hub delivers each message once, in order, whatever happens to the news of other processes."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailwire.server.fanout.held import HELD_SECONDS
from tailwire.server.fanout.local import LEAVE_SECONDS
from tailwire.server.fanout.log import CONFIRM_SECONDS, GAP_SECONDS
from tailwire.server.fanout.order import MAX_WAITING_ITEMS, Order
from tailwire.server.ports.broker import (
    FramePublication,
    MembershipChange,
    Publication,
    Record,
    TokenRevoked,
    group_subject,
    user_subject,
)
from tailwire.server.ports.changes import GROUP_REMOVED
from tailwire.server.ports.log import Batch, LoggedMessage
from tailwire.testing.virtual.loop import virtual_run
from unit.server.fanout.log_stage import (
    CHANGE,
    NOTHING,
    TO_GROUP,
    TO_USER,
    LogStage,
    PlayedSockets,
    change_frame,
    frame,
)

G, A = group_subject("g"), user_subject("a")
carries = pytest.mark.parametrize("carries_messages", [False, True], ids=["records only", "with messages"])

batches = st.lists(
    st.fixed_dictionaries({
        "own": st.booleans(),
        "kinds": st.lists(st.sampled_from([TO_GROUP, TO_USER, NOTHING, CHANGE]), min_size=1, max_size=5),
        "pause": st.sampled_from([0.0, 0.001, 0.02, 0.3, 2.0]),  # before it is committed
        "late": st.sampled_from([0.0, 0.0005, 0.004, 0.05, 0.15, 1.5]),  # until its news arrives
        "record": st.sampled_from([0.0, 0.001, 0.003]),  # from their messages to their record
        "cut": st.sampled_from([None, None, 1, 2, 3]),  # how many publications come before the others
        "fate": st.sampled_from(["arrives", "arrives", "lost", "twice", "no record", "skipped"]),
    }),
    min_size=1, max_size=12,
)  # fmt: skip
troubles = st.lists(st.tuples(st.floats(0, 3), st.sampled_from(["disconnect", "connect", "fail", "work"])), max_size=5)


async def play(plan, trouble, *, carries_messages: bool) -> LogStage:
    """Play batches and their news; then let time pass until everything has been read."""
    loop = asyncio.get_running_loop()
    async with LogStage(carries_messages=carries_messages) as s:

        def happen(what: str) -> None:
            if what in ("fail", "work"):
                s.store.fails = what == "fail"
            else:
                s.broker.connect(what == "connect")

        for at, what in trouble:
            loop.call_later(at, happen, what)

        def news(batch, first: int, last: int) -> None:
            fate = batch["fate"]
            if batch["own"]:
                s.own(first, last, skipped=first if fate == "skipped" else 0)
            elif s.broker.connected and fate != "lost":
                s.theirs(first, last, record=False, part=slice(batch["cut"]))
                # Timers of one time may fire in any order, but a broker keeps the order of what one process sends: the
                # rest of the publications, then the record.
                loop.call_later(batch["record"] / 2, rest, batch, first, last)

        def rest(batch, first: int, last: int) -> None:
            if batch["cut"]:
                s.theirs(first, last, record=False, part=slice(batch["cut"], None))
            if batch["fate"] != "no record":
                loop.call_later(batch["record"] / 2, partial(s.theirs, first, last, payloads=False))

        own_at = 0.0
        for batch in plan:
            await asyncio.sleep(batch["pause"])
            first, last = s.store.commit(batch["kinds"])
            at = loop.time() + batch["late"]
            if batch["own"]:
                at = own_at = max(at, own_at + 1e-6)  # a process has one batch at a time
            loop.call_at(at, news, batch, first, last)
            if batch["fate"] == "twice" and not batch["own"]:
                loop.call_at(at + 0.03, news, batch, first, last)
        await asyncio.sleep(4)
        s.store.fails = False
        s.broker.connect(True)
        await asyncio.sleep(4)
        assert s.feed.is_current()
        return s


@pytest.mark.slow
@carries
@settings(max_examples=settings().max_examples * 3, deadline=None)
@given(plan=batches, trouble=troubles)
def test_each_message_is_delivered_once_and_in_order_although_publications_are_lost_or_late(
    carries_messages, plan, trouble
):
    s = virtual_run(play(plan, trouble, carries_messages=carries_messages))
    s.check()
    # A change of another process is reported before frames of higher ids.
    own = set()
    first = 1
    for batch in plan:
        if batch["own"]:
            own |= set(range(first, first + len(batch["kinds"])))
        first += len(batch["kinds"])
    for number, kind in s.store.entries.items():
        if kind == CHANGE and number not in own:
            reported = s.happened.index(("change", number))
            later = [place for place, (what, n) in enumerate(s.happened) if what == "frame" and n > number]
            assert not later or reported < min(later)


@pytest.mark.virtual
async def test_message_of_two_users_reaches_both_when_the_log_is_read_between_its_two_publications():
    async with LogStage(carries_messages=True) as s:
        s.store.commit([TO_GROUP])  # by a process that announces nothing
        both = s.store.commit([TO_USER])
        s.theirs(*both, record=False, part=slice(1))
        s.log.recorded(Record(3, 3, ()))
        s.store.highest = 3
        while not s.heard[G]:
            await asyncio.sleep(0.01)
        s.theirs(*both, part=slice(1, None))
        await asyncio.sleep(1)
        s.check()


@carries
@pytest.mark.virtual
async def test_store_learns_which_ids_others_have_given_out(carries_messages):
    async with LogStage(carries_messages=carries_messages) as s:
        s.theirs(*s.store.commit([TO_GROUP, NOTHING]))
        assert s.store.given_out == 2


@carries
@pytest.mark.virtual
async def test_own_message_is_delivered_before_the_rest_of_its_batch_is_published(carries_messages):
    async with LogStage(carries_messages=carries_messages) as s:
        first, last = s.store.commit([TO_GROUP, NOTHING, TO_USER, CHANGE])
        s.log.committed(Batch(first, last, [1, 3]))
        publications = s.publications(first, last)
        s.log.publish(*publications[0])
        assert s.heard[G] == [1]
        for publication in publications[1:]:
            s.log.publish(*publication)
        assert s.heard[A] == [3]
        s.log.answered()
        await asyncio.sleep(0)
        assert s.metrics.log_behind == 0
        assert s.store.reads == 0


@carries
@pytest.mark.virtual
async def test_own_messages_wait_a_tenth_of_a_second_for_missing_lower_ids_which_are_then_read(carries_messages):
    loop = asyncio.get_running_loop()
    async with LogStage(carries_messages=carries_messages) as s:
        s.store.commit([TO_GROUP])
        s.own(*s.store.commit([TO_GROUP]))
        began = loop.time()
        await asyncio.sleep(GAP_SECONDS - 0.01)
        assert s.heard[G] == []
        while not s.heard[G]:
            await asyncio.sleep(0.001)
        assert loop.time() - began < GAP_SECONDS + 0.01
        s.check()
        assert s.metrics.log_gaps == 1


@carries
@pytest.mark.virtual
async def test_lost_last_messages_are_found_by_polling_once_a_second(carries_messages):
    async with LogStage(carries_messages=carries_messages) as s:
        s.store.commit([TO_GROUP, TO_USER])
        await asyncio.sleep(1.2)
        s.check()


@pytest.mark.virtual
async def test_log_is_polled_twenty_times_a_second_without_the_broker():
    async with LogStage(carries_messages=True) as s:
        s.broker.connect(False)
        await asyncio.sleep(0.1)
        for _ in range(5):
            s.store.commit([TO_GROUP])
            await asyncio.sleep(0.06)
            s.check()


@pytest.mark.virtual
async def test_messages_of_a_disconnected_process_are_found_within_60_ms_for_a_while_after_a_reconnection():
    async with LogStage(carries_messages=True) as s:
        s.broker.connect(False)
        await asyncio.sleep(0.5)
        s.broker.connect(True)
        for after in (0.2, 0.9, 0.5):
            await asyncio.sleep(after)
            s.store.commit([TO_GROUP])
            await asyncio.sleep(0.06)
            s.check()


@pytest.mark.virtual
async def test_store_is_not_read_when_the_messages_of_another_process_arrived_before_their_record():
    async with LogStage(carries_messages=True) as s:
        for _ in range(3):
            s.theirs(*s.store.commit([TO_GROUP, NOTHING]))
        s.check()
        assert s.store.reads == 0


@pytest.mark.virtual
async def test_records_of_a_batch_are_sent_with_its_messages_and_leave_out_unpublished_ids():
    async with LogStage(carries_messages=True) as s:
        first, last = s.store.commit([TO_GROUP, TO_GROUP, TO_GROUP])
        s.own(first, last, skipped=2)
        await asyncio.sleep(0.01)
        sent = [((r.first, r.last), [p.id for _, p in publications]) for r, publications in s.broker.recorded]
        assert sent == [((1, 1), [1]), ((3, 3), [3])]
        s.check()


@carries
@pytest.mark.virtual
async def test_own_messages_that_are_published_out_of_order_are_delivered_in_order(carries_messages):
    async with LogStage(carries_messages=carries_messages) as s:
        first, last = s.store.commit([TO_GROUP] * 4)
        s.log.committed(Batch(first, last, [1, 2, 3, 4]))
        publications = s.publications(first, last)
        for place in (0, 2, 1, 3):
            s.log.publish(*publications[place])
        assert s.heard[G] == [1]
        s.log.answered()
        await asyncio.sleep(0)
        s.check()


@pytest.mark.parametrize("record_after", [0.001, 0.0025], ids=["before the confirmation", "behind it"])
@pytest.mark.virtual
async def test_messages_published_before_a_subscription_took_effect_are_read_from_the_store(record_after):
    """Messages published before the subscription took effect are read, although their record comes later."""
    async with LogStage(carries_messages=True) as s:
        await asyncio.sleep(0.9)  # the next look is far away
        s.broker.connect(False)
        s.broker.connect(True)
        await asyncio.sleep(0.0015)
        first, last = s.store.commit([TO_GROUP])
        s.theirs(first, last, record=False)
        await asyncio.sleep(record_after)
        s.theirs(first, last, payloads=False)
        await asyncio.sleep(0.05)
        s.check()


@pytest.mark.virtual
async def test_new_sockets_and_messages_do_not_wait_for_an_unresponsive_broker():
    """The connection to the broker is cut off silently: a new socket is welcomed soon, and stored messages are read."""
    async with LogStage(carries_messages=True) as s:
        loop = asyncio.get_running_loop()
        s.broker.effective, s.broker.confirmed_at = False, loop.time() + 5
        began = loop.time()
        await s.log.wait_confirmed()
        assert loop.time() - began <= CONFIRM_SECONDS
        for _ in range(5):
            first, last = s.store.commit([TO_GROUP, TO_USER])
            s.theirs(first, last)
            await asyncio.sleep(0.6)
            s.check()
        s.broker.effective = True
        await asyncio.sleep(6)
        reads = s.store.reads
        s.theirs(*s.store.commit([TO_GROUP]))
        s.check()
        assert s.store.reads == reads, "the broker is trusted again"


@pytest.mark.virtual
async def test_message_that_cannot_be_made_into_a_frame_does_not_hold_up_the_next_one(caplog):
    async with LogStage(carries_messages=False) as s:

        def broken(message: LoggedMessage) -> FramePublication:
            if message.row.id == 1:
                raise ValueError("broken")
            return frame(message)

        s.log.attach(PlayedSockets(), broken, change_frame)
        s.theirs(*s.store.commit([TO_GROUP, TO_GROUP]))
        await asyncio.sleep(0.01)
        assert s.heard[G] == [2]
        assert "could not be delivered" in caplog.text


@pytest.mark.virtual
async def test_frame_without_an_id_waits_for_earlier_messages_up_to_a_limit_unless_it_is_droppable():
    async with LogStage(carries_messages=False) as s:
        s.store.commit([TO_GROUP])
        s.own(*s.store.commit([TO_GROUP]))
        await asyncio.sleep(0)
        reaction, typing = FramePublication(b"reaction"), FramePublication(b"typing", droppable=True)
        s.log.publish(G, reaction)
        s.log.publish(G, typing)
        s.log.publish(A, TokenRevoked("t"))
        assert s.others == [typing, TokenRevoked("t")]
        await asyncio.sleep(GAP_SECONDS + 0.01)
        assert s.heard[G] == [1, 2]
        assert s.others[-1] == reaction
        s.store.fails = True
        s.store.commit([TO_GROUP])
        s.own(*s.store.commit([TO_GROUP]))
        await asyncio.sleep(0)
        s.log.received(G, reaction)
        await asyncio.sleep(HELD_SECONDS + 0.01)
        assert s.others.count(reaction) == 2
        assert s.heard[G] == [1, 2]


@pytest.mark.virtual
async def test_membership_change_waits_for_messages_with_lower_ids():
    async with LogStage(carries_messages=False) as s:
        s.store.commit([TO_USER])  # of another process, and not known here yet
        first, last = s.store.commit([TO_USER])
        s.log.committed(Batch(first, last, [2]))
        s.log.publish(A, MembershipChange("g", joined=True, id=2))
        s.log.publish(*s.publications(2, 2)[0])
        s.log.answered()
        await asyncio.sleep(0)
        assert s.others == []
        s.log.recorded(type(s.broker.recorded[0][0])(1, 1))
        await asyncio.sleep(0.01)
        assert s.others == [MembershipChange("g", joined=True, id=2)]
        assert s.heard[A] == [1, 2]


@pytest.mark.virtual
async def test_user_who_connects_while_the_log_is_behind_receives_membership_changes_read_from_the_store():
    """A record completes ids without the changes of users elsewhere, and such a user may connect before their turn."""
    async with LogStage(carries_messages=True) as s:
        s.log.unsubscribe(A)
        s.store.fails = True
        s.store.kinds |= {3: ("member", "g/a"), 4: ("member", "g/a")}
        s.store.commit([TO_USER, TO_USER, CHANGE])  # a page of the store; its news is lost
        s.theirs(*s.store.commit([CHANGE]))
        s.log.subscribe(A)
        s.store.fails = False
        await asyncio.sleep(0.2)
        assert s.others == [MembershipChange("g", joined=True)] * 2
        assert s.heard[A] == [1, 2]


def deliver_as_the_hub(s: LogStage, subject: str, publication: Publication) -> None:
    if isinstance(publication, MembershipChange):
        (s.log.subscribe if publication.joined else s.log.unsubscribe)(group_subject(publication.guid))
    s._deliver(subject, publication)


@pytest.mark.virtual
async def test_user_whose_joining_is_read_from_the_store_receives_the_messages_of_the_group_after_it():
    async with LogStage(carries_messages=True) as s:
        s.log.unsubscribe(G)
        s.log.listen(partial(deliver_as_the_hub, s))
        s.store.fails = True
        s.store.kinds |= {3: ("member", "g/a")}
        s.store.commit([TO_USER, TO_USER, CHANGE])
        s.theirs(*s.store.commit([TO_GROUP]), payloads=False)
        s.store.fails = False
        await asyncio.sleep(0.2)
        assert s.others == [MembershipChange("g", joined=True)]
        assert (s.heard[A], s.heard[G]) == ([1, 2], [4])


@pytest.mark.virtual
async def test_user_who_joins_a_group_without_sockets_here_receives_messages_before_its_subscription_takes_effect():
    async with LogStage(carries_messages=True) as s:
        s.log.unsubscribe(G)
        s.broker.confirmed_at = asyncio.get_running_loop().time() + 0.01
        first, last = s.store.commit([TO_USER])
        s.log.committed(Batch(first, last, [first]))
        s.log.publish(A, MembershipChange("g", joined=True, id=first))
        s.log.subscribe(G)  # as the hub does
        for publication in s.publications(first, last):
            s.log.publish(*publication)
        s.log.answered()
        await asyncio.sleep(0.001)
        s.theirs(*s.store.commit([TO_GROUP]), payloads=False)
        await asyncio.sleep(0.1)
        assert (s.heard[A], s.heard[G]) == ([1], [2])


@pytest.mark.virtual
async def test_group_is_not_subscribed_after_a_user_joined_and_left_it_in_one_part_of_the_log():
    async with LogStage(carries_messages=True) as s:
        s.log.unsubscribe(G)
        s.log.listen(partial(deliver_as_the_hub, s))
        s.store.fails = True
        s.store.kinds |= {2: ("member", "g/a"), 3: ("member", "g/a")}
        s.store.left = {3}
        s.theirs(*s.store.commit([TO_USER, CHANGE, CHANGE]), payloads=False, record=False)
        s.theirs(*s.store.commit([TO_USER]), payloads=False)
        s.store.fails = False
        await asyncio.sleep(0.2)
        assert s.others == [MembershipChange("g", joined=True), MembershipChange("g", joined=False)]
        assert s.heard[A] == [1, 4]
        assert sorted(s.broker.subscribed) == sorted([A, user_subject("b")])


@pytest.mark.virtual
async def test_broker_receives_whether_other_processes_use_the_store():
    async with LogStage(carries_messages=False) as s:
        assert s.broker.alone is False
        s.store.processes = 1
        await asyncio.sleep(1.1)
        assert s.broker.alone is True


@carries
@pytest.mark.virtual
async def test_members_are_notified_that_their_group_was_removed_but_not_about_a_new_one_of_that_name(carries_messages):
    removed = FramePublication(b"removed")
    async with LogStage(carries_messages=carries_messages) as s:
        first, last = s.store.commit([CHANGE])
        s.store.kinds[first] = (GROUP_REMOVED, "g")
        s.theirs(first, last)
        await asyncio.sleep(0.1)
        s.log.received(G, removed)  # published after the commit, so it may come after what was read
        assert (s.others, s.sockets.left) == ([removed], [])
        await asyncio.sleep(LEAVE_SECONDS)
        assert s.sockets.left == ["g"]
        first, last = s.store.commit([CHANGE, CHANGE])
        s.store.kinds |= {first: (GROUP_REMOVED, "g"), last: ("member", "g/b")}
        s.theirs(first, last)
        await asyncio.sleep(0.1)
        assert s.sockets.left == ["g", "g"], "the member belongs to a new group"
        s.store.kinds[s.store.highest + 1] = (GROUP_REMOVED, "g")
        s.theirs(*s.store.commit([CHANGE, TO_GROUP]))
        await asyncio.sleep(0.1)
        assert s.sockets.left == ["g"] * 3


@pytest.mark.virtual
async def test_members_at_the_server_that_removes_a_group_are_notified_before_they_leave():
    async with LogStage(carries_messages=False) as s:
        removed, left = FramePublication(b"removed"), MembershipChange("g", joined=False)
        first, last = s.store.commit([CHANGE])
        s.log.committed(Batch(first, last, []))
        s.log.publish(G, removed)
        s.log.publish(A, left)
        s.log.answered()
        await asyncio.sleep(0.01)
        assert s.others == [removed, left]


@pytest.mark.virtual
async def test_process_behind_the_kept_part_of_the_log_reports_that_changes_were_missed():
    reported = []
    async with LogStage(carries_messages=False) as s:
        s.feed.listen(reported.append)
        s.store.highest = 1_000_000  # what was between is no longer kept
        s.store.commit([CHANGE])
        await asyncio.sleep(1.2)
        assert reported[0] is None


def test_items_above_the_limit_of_waiting_items_are_read_from_the_store():
    order: Order[str] = Order(0)
    for number in range(2, MAX_WAITING_ITEMS + 10):
        order.add(number, str(number))
    order.record_complete(2, MAX_WAITING_ITEMS + 9)
    order.record_complete(1, 1)
    assert order.release() == [str(n) for n in range(2, MAX_WAITING_ITEMS + 2)]
    assert order.behind
    assert order.doubtful
    rest = {n: [str(n)] for n in range(MAX_WAITING_ITEMS + 2, MAX_WAITING_ITEMS + 10)}
    assert order.pass_up_to(MAX_WAITING_ITEMS + 9, rest) == [text for texts in rest.values() for text in texts]
    assert not order.doubtful
    assert not order.behind


@settings(max_examples=settings().max_examples * 3)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(0, 5)), max_size=30),
    st.lists(st.integers(1, 40), max_size=10),
)
def test_order_releases_each_id_once_and_in_ascending_order(ranges, pages):
    order: Order[int] = Order(0)
    for number in range(1, 46):
        order.add(number, number)
        order.add(number, number)
    released = []
    for place, (first, more) in enumerate(ranges):
        order.record_complete(first, first + more)
        released += order.release()
        if place < len(pages):
            released += order.pass_up_to(pages[place], {n: [n] for n in range(1, pages[place] + 1)})
    assert released == list(range(1, order.end + 1))
    known = {n for first, more in ranges for n in range(first, first + more + 1)}
    known |= set(range(1, max(pages[: len(ranges)], default=0) + 1))
    assert order.end == next(n for n in range(50) if n + 1 not in known)
    assert all(a < b for a, b in pairwise(released))
