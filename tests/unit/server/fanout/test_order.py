"""Which ids of the log are complete, and what waits for lower ones."""

from __future__ import annotations

from tailwire.server.fanout import order as order_module
from tailwire.server.fanout.order import Order
from tailwire.server.ports.log import Batch


def test_own_items_pass_at_once_if_all_lower_ids_were_passed():
    order = Order(10)
    order.begin_commit(Batch(11, 13, [11, 13]))
    assert (order.highest, order.behind) == (13, True)
    assert order.pass_or_keep(11, "a")
    assert order.pass_or_keep(11, "of the same id")
    assert order.pass_or_keep(13, "b")
    assert order.finish_commit() == [(11, 13)]
    assert order.release() == []
    assert (order.end, order.behind) == (13, False)
    assert not order.pass_or_keep(13, "late")


def test_own_items_wait_for_lower_ids_of_others():
    order = Order(10)
    order.begin_commit(Batch(12, 13, [12, 13]))
    assert not order.pass_or_keep(12, "b")
    assert not order.pass_or_keep(13, "c")
    assert order.finish_commit() == [(12, 13)]
    assert order.release() == []
    order.add(11, "a")
    order.add(11, "a")
    assert order.release() == []
    order.record_complete(11, 11)
    assert order.release() == ["a", "b", "c"]
    assert (order.end, order.highest) == (13, 13)


def test_own_items_that_arrive_in_descending_order_are_released_in_ascending_order():
    order = Order(10)
    order.begin_commit(Batch(11, 12, [11, 12]))
    assert not order.pass_or_keep(12, "b")
    assert not order.pass_or_keep(11, "a")
    assert order.finish_commit() == [(11, 12)]
    assert order.release() == ["a", "b"]


def test_missing_item_of_a_commit_holds_back_later_items_until_it_is_read():
    order = Order(10)
    order.begin_commit(Batch(11, 15, [11, 13, 15]))
    assert order.pass_or_keep(11, "a")
    assert not order.pass_or_keep(15, "c")
    assert order.finish_commit() == [(11, 12), (14, 15)]
    assert order.release() == []
    assert order.end == 12
    assert order.pass_up_to(13, {13: ["b"]}) == ["b", "c"]
    assert (order.end, order.finish_commit()) == (15, [])


def test_adjacent_and_overlapping_ranges_are_merged():
    order = Order(0)
    order.record_complete(5, 6)
    order.record_complete(3, 3)
    assert order.release() == []
    order.record_complete(4, 4)
    order.record_complete(1, 1)
    order.release()
    assert order.end == 1
    order.record_complete(2, 9)
    order.release()
    assert (order.end, order.highest) == (9, 9)
    order.record_complete(4, 8)
    order.release()
    assert order.end == 9


def test_ids_in_a_doubtful_range_are_released_only_when_read_from_the_store():
    order = Order(10)
    order.doubt(12, 13)
    assert (order.doubtful, order.unconfirmed) == (True, False)
    order.add(11, "a")
    order.add(12, "doubtful")
    order.record_complete(11, 14)
    assert order.release() == ["a"]
    assert order.end == 11
    assert order.pass_up_to(13, {12: ["b"], 13: ["c"]}) == ["b", "c"]
    assert (order.end, order.doubtful) == (14, False)


def test_waiting_items_of_a_recorded_range_are_released_instead_of_those_that_were_read():
    order = Order(10)
    for number in (12, 13, 15):
        order.add(number, "waits")
    order.record_complete(12, 13)
    order.record_complete(15, 15)
    read = {10: ["passed"], **{number: ["read"] for number in range(11, 16)}, 16: ["beyond"]}
    assert order.pass_up_to(15, read) == ["read", "waits", "waits", "read", "waits"]
    assert order.end == 15


def test_items_that_were_read_are_released_for_an_id_that_no_record_covers():
    order = Order(10)
    order.add(12, "to the sender")
    order.record_complete(14, 14)
    assert order.pass_up_to(12, {12: ["to both"]}) == ["to both"]
    order.add(12, "to the receiver")
    order.record_complete(11, 13)
    assert order.release() == []
    assert order.end == 14


def test_doubt_without_an_upper_bound_is_bounded_when_records_are_trusted_again():
    order = Order(10)
    order.doubt(1)
    assert (order.doubtful, order.unconfirmed) == (True, True)
    order.record_highest(12)
    order.record_complete(11, 20)
    assert order.release() == []
    order.believe()
    assert (order.doubtful, order.unconfirmed) == (True, False)
    order.pass_up_to(20, {})
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
    order.record_complete(11, 30)
    assert order.pass_up_to(22, {}) == []
    assert (order.end, order.doubtful) == (30, False)


def test_doubtful_items_that_were_replaced_no_longer_count_as_waiting(monkeypatch):
    monkeypatch.setattr(order_module, "MAX_WAITING_ITEMS", 2)
    order = Order(10)
    order.doubt(12, 13)
    for number in (12, 13):
        order.add(number, "doubtful")
    assert order.pass_up_to(13, {12: ["b"], 13: ["c"]}) == ["b", "c"]
    for number in (15, 16):
        order.add(number, number)
    order.record_complete(14, 16)
    assert order.release() == [15, 16]
    assert not order.doubtful
    order.add(18, "x")
    order.pass_up_to(17, {12: ["passed"], 17: ["one", "two", "three"]})
    order.add(19, "y")
    order.record_complete(18, 19)
    assert order.release() == ["x", "y"]


def test_items_read_from_the_store_do_not_raise_the_limit_of_waiting_items(monkeypatch):
    monkeypatch.setattr(order_module, "MAX_WAITING_ITEMS", 2)
    order = Order(10)
    assert order.pass_up_to(13, {11: ["a", "b"], 13: ["c"]}) == ["a", "b", "c"]
    for number in (15, 16, 17):
        order.add(number, number)
    order.record_complete(14, 17)
    assert order.release() == [15, 16]
    assert order.doubtful  # 17 was not kept: it is read from the store
