"""Which ids of the log are complete, and what waits for lower ones."""

from __future__ import annotations

from tailwire.server.fanout import order as order_module
from tailwire.server.fanout.order import Order
from tailwire.server.ports.log import Batch


def test_own_items_pass_at_once_if_all_lower_ids_were_passed():
    order = Order(10)
    order.begin(Batch(11, 13, [11, 13]))
    assert (order.highest, order.behind) == (13, True)
    assert order.passes(11, "a")
    assert order.passes(11, "of the same id")
    assert order.passes(13, "b")
    assert order.finish() == [(11, 13)]
    assert order.release() == []
    assert (order.end, order.behind) == (13, False)
    assert not order.passes(13, "late")


def test_own_items_wait_for_lower_ids_of_others():
    order = Order(10)
    order.begin(Batch(12, 13, [12, 13]))
    assert not order.passes(12, "b")
    assert not order.passes(13, "c")
    assert order.finish() == [(12, 13)]
    assert order.release() == []
    order.add(11, "a")
    order.add(11, "a")
    assert order.release() == []
    order.complete(11, 11)
    assert order.release() == ["a", "b", "c"]
    assert (order.end, order.highest) == (13, 13)


def test_own_items_that_come_in_another_order_wait_for_each_other():
    order = Order(10)
    order.begin(Batch(11, 12, [11, 12]))
    assert not order.passes(12, "b")
    assert not order.passes(11, "a")
    assert order.finish() == [(11, 12)]
    assert order.release() == ["a", "b"]


def test_part_of_a_commit_whose_items_did_not_come_stays_open():
    order = Order(10)
    order.begin(Batch(11, 15, [11, 13, 15]))
    assert order.passes(11, "a")
    assert not order.passes(15, "c")
    assert order.finish() == [(11, 12), (14, 15)]
    assert order.release() == []
    assert order.end == 12
    assert order.fill(13, {13: ["b"]}) == ["b", "c"]
    assert (order.end, order.finish()) == (15, [])


def test_ranges_that_touch_or_overlap_are_one():
    order = Order(0)
    order.complete(5, 6)
    order.complete(3, 3)
    assert order.release() == []
    order.complete(4, 4)
    order.complete(1, 1)
    order.release()
    assert order.end == 1
    order.complete(2, 9)
    order.release()
    assert (order.end, order.highest) == (9, 9)
    order.complete(4, 8)
    order.release()
    assert order.end == 9


def test_only_the_store_is_believed_about_a_doubtful_range():
    order = Order(10)
    order.doubt(12, 13)
    assert (order.doubtful, order.unconfirmed) == (True, False)
    order.add(11, "a")
    order.add(12, "doubtful")
    order.complete(11, 14)
    assert order.release() == ["a"]
    assert order.end == 11
    assert order.fill(13, {12: ["b"], 13: ["c"]}) == ["b", "c"]
    assert (order.end, order.doubtful) == (14, False)


def test_waiting_item_is_preferred_to_one_that_was_read_where_there_is_no_doubt():
    order = Order(10)
    order.add(11, "waits")
    assert order.fill(12, {10: ["passed"], 11: ["read"], 12: ["b"], 13: ["beyond"]}) == ["waits", "b"]
    assert order.end == 12


def test_unbounded_doubt_lasts_until_records_are_trusted_again():
    order = Order(10)
    order.doubt(1)
    assert (order.doubtful, order.unconfirmed) == (True, True)
    order.see(12)
    order.complete(11, 20)
    assert order.release() == []
    order.believe()
    assert (order.doubtful, order.unconfirmed) == (True, False)
    order.fill(20, {})
    assert (order.end, order.doubtful) == (20, False)
    order.believe()
    assert not order.doubtful


def test_doubt_about_ids_that_were_passed_is_ignored():
    order = Order(10)
    order.doubt(5, 10)
    assert not order.doubtful
    order.doubt(5, 11)
    assert order.doubtful
    order.doubt(20, 22)
    order.complete(11, 30)
    assert order.fill(22, {}) == []
    assert (order.end, order.doubtful) == (30, False)


def test_pages_that_replace_doubtful_items_leave_as_much_room_as_before(monkeypatch):
    monkeypatch.setattr(order_module, "MAX_WAITING_ITEMS", 2)
    order = Order(10)
    order.doubt(12, 13)
    for number in (12, 13):
        order.add(number, "doubtful")
    assert order.fill(13, {12: ["b"], 13: ["c"]}) == ["b", "c"]
    for number in (15, 16):
        order.add(number, number)
    order.complete(14, 16)
    assert order.release() == [15, 16]
    assert not order.doubtful
    order.add(18, "x")
    order.fill(17, {12: ["passed"], 17: ["one", "two", "three"]})
    order.add(19, "y")
    order.complete(18, 19)
    assert order.release() == ["x", "y"]


def test_items_that_were_read_and_passed_make_no_room_for_more_than_the_maximum(monkeypatch):
    monkeypatch.setattr(order_module, "MAX_WAITING_ITEMS", 2)
    order = Order(10)
    assert order.fill(13, {11: ["a", "b"], 13: ["c"]}) == ["a", "b", "c"]
    for number in (15, 16, 17):
        order.add(number, number)
    order.complete(14, 17)
    assert order.release() == [15, 16]
    assert order.doubtful  # 17 was not kept: it is read from the store
