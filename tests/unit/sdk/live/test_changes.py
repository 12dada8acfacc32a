"""Steps transform the old list into the new one, with one step for a move."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tailwire.sdk.live.changes import Change, ChangeKind, steps


@dataclass(frozen=True)
class Row:
    key: str
    text: str = ""


rows = st.lists(st.builds(Row, st.sampled_from("abcdefghij"), st.sampled_from("xy")), unique_by=lambda r: r.key)


@given(rows, rows)
def test_steps_transform_the_old_list_into_the_new(old, new):
    mine = list(old)
    for change in steps(old, new):
        change.apply(mine)
        assert len({r.key for r in mine}) == len(mine)
    assert mine == new


@given(rows, rows)
def test_widget_is_made_once_for_each_added_item(old, new):
    made: list[Row] = []

    def make(row: Row) -> tuple[str, Row]:
        made.append(row)
        return "widget", row

    mine = [("widget", row) for row in old]
    for change in steps(old, new):
        change.apply(mine, make)
    assert mine == [("widget", row) for row in new]
    assert sorted(r.key for r in made) == sorted(r.key for r in new if r not in old)
    Change(ChangeKind.RESET, items=tuple(old)).apply(mine, make)
    assert mine == [("widget", row) for row in old]


@given(rows, st.data())
def test_move_is_one_step(old, data):
    if len(old) < 2:
        return
    at, to = data.draw(st.integers(0, len(old) - 1)), data.draw(st.integers(0, len(old) - 1))
    new = list(old)
    new.insert(to, new.pop(at))
    found = steps(old, new)
    assert [c.kind for c in found] == ([ChangeKind.MOVED] if at != to else [])


def test_reset_replaces_all_items():
    mine = [Row("a")]
    Change(ChangeKind.RESET, items=(Row("b"), Row("c"))).apply(mine)
    assert mine == [Row("b"), Row("c")]
    Change(ChangeKind.STATUS).apply(mine)
    assert mine == [Row("b"), Row("c")]


def test_equal_lists_have_no_steps():
    assert steps([Row("a"), Row("b")], [Row("a"), Row("b")]) == []
