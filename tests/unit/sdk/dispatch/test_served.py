"""How far the app has been served, in whatever order it acknowledges events."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from tailwire.sdk.continuity.state import Position
from tailwire.sdk.dispatch.served import MAX_MESSAGES_AHEAD, Served


def event(number: int) -> SimpleNamespace:
    return SimpleNamespace(message=SimpleNamespace(id=number))


def served_from(last_id: int = 0) -> Served:
    served = Served()
    served.begin(Position(last_id))
    return served


def hand_over(served: Served, number: int, *, held: bool) -> SimpleNamespace:
    handed = event(number)
    served.open(handed, Position(number))
    if held:
        assert served.hold(handed)
    served.release(handed)
    return handed


def missed_ids(served: Served, newest: int) -> list[int]:
    """Return what a catch-up from the position would hand over."""
    return [n for n in range(served.position.last_id + 1, newest + 1) if not served.position.is_settled(n)]


@settings(deadline=None)
@given(st.permutations(range(1, 9)), st.integers(0, 8), st.sets(st.integers(1, 8)))
def test_exactly_the_unfinished_events_are_handed_over_again(order: list[int], done: int, unheld: set[int]):
    served = served_from()
    events = {n: hand_over(served, n, held=n not in unheld) for n in range(1, 9)}
    for n in order[:done]:
        served.release(events[n])
    assert missed_ids(served, 8) == [n for n in range(1, 9) if n not in unheld and n not in order[:done]]


class Mixed:
    """Messages and changes that are handed over in order, each held until it is released."""

    def __init__(self) -> None:
        self.served = Served()
        self.served.begin(Position(0, changes=0))
        self.until = Position(0, changes=0)
        self.messages: dict[int, object] = {}
        self.changes: dict[int, object] = {}

    def receive_message(self, number: int) -> None:
        self.until = self.until._replace(last_id=number)
        self.messages[number] = event(number)
        self.served.open(self.messages[number], self.until)

    def receive_change(self) -> None:
        number = len(self.changes) + 1
        self.until = self.until._replace(changes=number)
        self.changes[number] = SimpleNamespace(receipt="an event without an id in history")
        self.served.open(self.changes[number], self.until)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["message", "own", "change"]), max_size=10), st.data())
def test_unfinished_changes_bring_no_finished_message_again(kinds: list[str], data: st.DataObject):
    mixed, top = Mixed(), 0
    for kind in kinds:
        top += kind != "change"
        if kind == "message":
            mixed.receive_message(top)
        elif kind == "own":
            mixed.served.record_sent_ahead(top)
            mixed.until = mixed.until._replace(own=(*mixed.until.own, top))
            if data.draw(st.booleans()):  # nothing is queued
                mixed.served.record_all_handed_over(mixed.until)
        else:
            mixed.receive_change()
    unfinished_messages = data.draw(st.sets(st.sampled_from([*mixed.messages, 0]))) - {0}
    unfinished_changes = data.draw(st.sets(st.sampled_from([*mixed.changes, 0]))) - {0}
    for one in data.draw(st.permutations([*mixed.messages])):
        if one not in unfinished_messages:
            mixed.served.release(mixed.messages[one])
    for one in data.draw(st.permutations([*mixed.changes])):
        if one not in unfinished_changes:
            mixed.served.release(mixed.changes[one])
    assert set(missed_ids(mixed.served, top)) == unfinished_messages
    assert all(number > mixed.served.position.changes for number in unfinished_changes)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["receive", "send", "open", "finish"]), max_size=20), st.booleans())
def test_own_messages_never_count_as_missed_while_others_wait_in_the_queue(steps: list[str], held: bool):
    served, top, until = served_from(), 0, Position(0)
    queue: list[tuple[int, Position]] = []
    unfinished: list[int] = []
    opened: list[SimpleNamespace] = []
    for step in steps:
        if step == "receive":
            top += 1
            until = until._replace(last_id=top)
            queue.append((top, until))
            unfinished.append(top)
        elif step == "send":
            top += 1
            until = until._replace(own=(*until.own, top))
            served.record_sent_ahead(top)
            if not queue and (held or not opened):
                served.record_all_handed_over(until)
        elif step == "open" and queue and (held or not opened):
            number, place = queue.pop(0)
            opened.append(event(number))
            served.open(opened[-1], place)
        elif step == "finish" and opened:
            finished = opened.pop()
            served.release(finished)
            unfinished.remove(finished.message.id)
        assert missed_ids(served, top) == unfinished


def test_message_that_was_sent_before_the_store_was_replaced_is_not_taken_for_one_of_the_new_store():
    served = Served()
    served.begin(Position(10, "former"))
    former, first = event(11), event(1)
    served.open(former, Position(11, "former"))
    served.record_sent_ahead(12)
    served.release(former)
    assert served.position == Position(11, "former", own=(12,))
    served.open(first, Position(1, "new"))
    served.release(first)
    assert served.position == Position(1, "new")
    served.open(event(2), Position(2, "new"))
    assert served.position == Position(1, "new")


def test_message_that_the_app_has_changed_is_handed_over_again():
    served = served_from()
    handed = hand_over(served, 1, held=True)
    hand_over(served, 2, held=False)
    handed.message.id = 7
    assert missed_ids(served, 2) == [1]


def test_deferring_an_event_does_not_move_the_position():
    served, name = Served(), object()
    served.begin(Position(0, changes=1))
    handed = [event(1), event(2)]
    for one, until in zip(handed, (Position(1, changes=3), Position(2, changes=3)), strict=True):
        served.open(one, until)
    place = served.position
    served.substitute(handed[0], name)
    assert served.position == place
    assert place.changes == 1
    served.release(name)
    assert missed_ids(served, 2) == [2]


def test_event_without_a_position_is_not_held():
    served = served_from(3)
    assert not served.hold(event(0))
    assert not served.release(event(0))
    assert served.position == Position(3)


def test_own_messages_are_remembered_within_a_bound():
    served = served_from(10)
    open_one = hand_over(served, 11, held=True)
    for n in range(12, 12 + MAX_MESSAGES_AHEAD + 50):
        served.record_sent_ahead(n)
    assert len(served.position.own) == MAX_MESSAGES_AHEAD
    served.record_all_handed_over(Position(5000))
    assert served.position.last_id == 10
    served.release(open_one)
    assert (served.position.last_id, served.position.own) == (5000, ())


def test_sent_message_whose_answer_comes_after_a_newer_message_does_not_count_as_missed():
    served = served_from(10)
    newer = hand_over(served, 12, held=True)
    served.record_sent_ahead(11)
    served.record_all_handed_over(Position(12))
    assert missed_ids(served, 12) == [12]
    served.release(newer)
    assert missed_ids(served, 12) == []


def test_position_in_another_store_ignores_the_previous_store_and_older_events():
    served = served_from(10)
    first, second = hand_over(served, 11, held=True), hand_over(served, 12, held=True)
    served.release(second)
    assert (served.position.last_id, served.position.done) == (10, ((11, 12),))
    served.record_all_handed_over(Position(3, "another"))
    served.release(first)
    assert served.position == Position(3, "another")
    older = event(2)
    served.open(older, Position(2, "another"))
    served.release(older)
    assert served.position == Position(3, "another")


def test_new_session_begins_at_its_own_position():
    served = served_from(10)
    open_one = hand_over(served, 11, held=True)
    served.begin(Position(20), same_user=True)
    assert served.position == Position(10)
    served.begin(Position(30))
    assert not served.release(open_one)
    assert served.position == Position(30)
    served.begin(None)
    assert served.position is None


def test_events_finished_after_an_unfinished_one_are_kept_as_ranges():
    served = served_from(10)
    hanging = hand_over(served, 11, held=True)
    for n in range(12, 12 + 5000):
        hand_over(served, n, held=False)
    also = hand_over(served, 5100, held=True)
    hand_over(served, 5200, held=False)
    assert served.position == Position(10, done=((11, 5099), (5100, 5200)))
    served.release(hanging)
    assert served.position == Position(5011, done=((5100, 5200),))
    served.release(also)
    assert served.position == Position(5200)


def test_late_older_message_counts_as_missed_until_it_is_finished():
    served = served_from(10)
    hand_over(served, 12, held=False)
    late = event(11)
    served.open(late, Position(12))
    assert missed_ids(served, 12) == [11]
    served.release(late)
    assert served.position == Position(12)


def test_saved_ranges_are_kept_until_the_position_passes_them():
    served = Served()
    served.begin(Position(10, done=((20, 30),)))
    first = event(11)
    served.open(first, Position(11, done=((20, 30),)))
    assert served.position == Position(10, done=((20, 30),))
    second = event(25)
    served.open(second, Position(40))
    assert served.position == Position(10, done=((11, 24), (25, 40)))
    served.release(second)
    assert served.position == Position(10, done=((11, 40),))
    served.release(first)
    assert served.position == Position(40)


def test_deferred_event_is_released_by_the_object_that_was_substituted_for_it():
    served = served_from(10)
    first, name = hand_over(served, 11, held=True), object()
    served.substitute(first, name)
    assert not served.release(first)
    assert missed_ids(served, 11) == [11]
    served.release(name)
    assert served.position == Position(11)


def test_unfinished_change_after_a_finished_message_moves_the_position_back_only_to_before_the_change():
    served = served_from(10)
    hand_over(served, 11, held=False)
    change = SimpleNamespace(receipt="an event without an id in history")
    served.open(change, Position(11, changes=5))
    assert served.position == Position(11)
    hand_over(served, 12, held=False)
    held = hand_over(served, 15, held=True)
    assert served.position == Position(11, done=((11, 12),))
    hand_over(served, 16, held=False)
    assert served.position == Position(11, done=((11, 12), (15, 16)))
    served.release(held)
    assert served.position == Position(11, done=((11, 16),))
    served.release(change)
    assert served.position == Position(16)


def test_messages_settled_before_the_first_unfinished_message_stay_settled():
    served = Served()
    served.begin(Position(10, done=((20, 30),)))
    change = SimpleNamespace(receipt="an event without an id in history")
    served.open(change, Position(10, done=((20, 30),), changes=5))
    served.record_sent_ahead(35)
    hand_over(served, 40, held=True)
    assert served.position == Position(10, own=(35,), done=((20, 30),))
