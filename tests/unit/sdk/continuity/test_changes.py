"""Changes: which are known, where they stand between messages, and the position after each."""

from __future__ import annotations

from typing import NamedTuple

from tailwire.sdk.continuity import catch_up, chain, changes
from tailwire.sdk.continuity.changes import Change, Listed
from tailwire.sdk.continuity.commands import HandOver
from tailwire.sdk.continuity.state import CatchUp, Position


class Message(NamedTuple):
    id: int


def catching_up(position: Position | None) -> CatchUp:
    m = CatchUp(position=position)
    catch_up.on_connected(m, "")
    return m


def positions_of(command: HandOver, after: Position) -> list[Position]:
    return [place for _, place in changes.positions_after_each(command, after)]


def test_new_position_is_before_the_first_message():
    assert Position() == Position(last_id=0, store="", own=(), updated_at=0, mark="", done=(), changes=None, heard=())


def test_changes_up_to_the_number_of_the_position_and_listed_ones_are_known():
    m = CatchUp(position=Position(5, changes=3, heard=(6,)))
    assert [changes.is_known(m, n) for n in (2, 3, 4, 5, 6)] == [True, True, False, False, True]


def test_position_lists_no_changes_up_to_its_number():
    m = CatchUp(position=Position(5, changes=3, heard=(5, 7, 9)))
    changes.on_settled(m, 7)
    assert m.position == Position(5, changes=7, heard=(9,))
    m = CatchUp(position=Position(5, changes=3, heard=(5, 7, 9)))
    changes.settle(m, Listed(7))
    assert m.position == Position(5, changes=7, heard=(9,))


def test_held_change_comes_after_the_messages_that_were_missed_or_came_before_it():
    m = catching_up(Position(5, changes=0))
    changes.hold_if_busy(m, 1, "before seven")
    catch_up.on_live_message(m, 7, Message(7))
    changes.hold_if_busy(m, 2, "after seven")
    catch_up.on_live_message(m, 9, Message(9))
    handed = catch_up.on_page(m, [(6, Message(6))], whole=False, listed=Listed(0))[-1]
    assert handed.messages == (
        Message(6), Change(1, "before seven"), Message(7), Change(2, "after seven"), Message(9),
    )  # fmt: skip


def test_live_change_of_a_missed_message_follows_the_message():
    m = catching_up(Position(5, changes=0))
    changes.hold_if_busy(m, 1, "reaction to seven")
    handed = catch_up.on_page(m, [(6, Message(6)), (7, Message(7))], whole=False, listed=Listed(0))[-1]
    assert handed.messages == (Message(6), Message(7), Change(1, "reaction to seven"))


def test_live_change_follows_the_newest_held_message_although_an_older_one_has_come_since():
    m = CatchUp(position=Position(5, changes=0), floor=5)
    chain.hold(m, 6, 7, Message(7))
    chain.hold(m, 8, 9, Message(9))
    catch_up.on_live_message(m, 6, Message(6))
    assert not chain.release_if_mended(m)
    changes.hold_if_busy(m, 1, "reaction to nine")
    catch_up.on_live_message(m, 8, Message(8))
    handed = chain.release_if_mended(m)[-1]
    assert handed.messages == (Message(6), Message(7), Message(8), Message(9), Change(1, "reaction to nine"))


def test_change_held_before_the_first_message_of_all_comes_before_it():
    m = catching_up(None)
    changes.hold_if_busy(m, 1, "joined")
    catch_up.on_live_message(m, 1, Message(1))
    handed = catch_up.on_latest(m, 0, "", newest_change=0)[-1]
    assert handed.messages == (Change(1, "joined"), Message(1))


def test_position_after_a_message_is_just_before_the_next_message():
    handed = HandOver((Message(6), Message(9)))
    assert positions_of(handed, Position(9)) == [Position(8), Position(9)]


def test_position_after_a_message_lists_only_own_messages_and_ranges_above_it():
    handed = HandOver((Message(1), Message(2), Message(4)), own=(3,))
    assert positions_of(handed, Position(4)) == [Position(1, own=(3,)), Position(3), Position(4)]
    handed = HandOver((Message(11), Message(16), Message(21)), done=((11, 15), (17, 20)))
    assert positions_of(handed, Position(21)) == [Position(15, done=((17, 20),)), Position(20), Position(21)]


def test_position_after_the_last_change_is_that_of_the_page():
    before, after = Position(5, changes=3), Position(6, changes=7)
    handed = HandOver((Message(6), Change(5, "a"), Change(6, "b")), before=before)
    assert positions_of(handed, after) == [
        Position(6, changes=3), Position(6, changes=5), after,
    ]  # fmt: skip


def test_position_lists_changes_above_its_number_one_by_one():
    handed = HandOver((Change(1, "a"), Change(2, "b")), before=Position(5, changes=0))
    assert positions_of(handed, Position(5, changes=0, heard=(1, 2))) == [
        Position(5, changes=0, heard=(1,)), Position(5, changes=0, heard=(1, 2)),
    ]  # fmt: skip
