"""Which changes a subject has received, and who has received them late."""

from __future__ import annotations

from tailwire.server.fanout.numbers import ChangeNumbers, Missing


def test_subject_receives_each_change_once_and_none_that_was_already_settled():
    numbers = ChangeNumbers(10)
    assert [numbers.record_received(n, "a") for n in (9, 10, 11, 11, 13)] == [False, False, True, False, True]
    assert numbers.record_received(11, "b")
    assert numbers.arrived == {"a", "b"}


def test_unsettled_change_that_a_subject_has_not_received_is_missing():
    numbers = ChangeNumbers(10)
    numbers.record_received(12, "a")
    assert [numbers.is_missing(n, "a") for n in (10, 11, 12, 13)] == [Missing.NO, Missing.YES, Missing.NO, Missing.YES]
    assert numbers.is_missing(12, "b") is Missing.YES


def test_change_that_may_be_older_than_a_subscription_is_perhaps_missing():
    numbers = ChangeNumbers(10)
    numbers.subscribe("a", 100.0)
    assert numbers.is_missing(11, "a") is Missing.PERHAPS
    numbers.record_newest(15, 100.0)  # this look was not begun after the subscription
    assert numbers.is_missing(16, "a") is Missing.PERHAPS
    numbers.record_newest(15, 100.1)
    assert [numbers.is_missing(n, "a") for n in (15, 16)] == [Missing.PERHAPS, Missing.YES]
    numbers.record_newest(20, 200.0)  # only the first look counts
    assert numbers.is_missing(16, "a") is Missing.YES
    numbers.record_settled(14)
    assert numbers.is_missing(15, "a") is Missing.PERHAPS
    numbers.record_settled(15)
    assert [numbers.is_missing(n, "a") for n in (15, 16)] == [Missing.NO, Missing.YES]


def test_time_of_a_subscription_is_forgotten_when_it_ends():
    numbers = ChangeNumbers(10)
    numbers.subscribe("a", 100.0)
    numbers.unsubscribe("a")
    assert numbers.is_missing(11, "a") is Missing.YES
    numbers.record_newest(15, 200.0)
    assert numbers.is_missing(11, "a") is Missing.YES


def test_change_is_late_for_a_user_who_joins_after_it_came():
    numbers = ChangeNumbers(10)
    numbers.record_received(11, "g")
    numbers.record_received(12, "g")
    numbers.record_received(13, "other")
    numbers.join("g", "bob", held={12})
    numbers.join("g", "eve", held=())
    assert [numbers.late_for(n) for n in (11, 12, 13)] == [["bob", "eve"], ["eve"], []]
    numbers.record_delivered_late(11, "g")
    assert [numbers.late_for(n) for n in (11, 12)] == [[], ["eve"]]


def test_change_received_before_leaving_a_group_is_not_late_for_a_user_who_rejoins():
    numbers = ChangeNumbers(10)
    numbers.record_received(11, "g")
    numbers.record_received(12, "g")
    numbers.leave("g", "bob", held={12}, now=100.0)
    numbers.join("g", "bob", held=())
    assert [numbers.late_for(n) for n in (11, 12)] == [[], ["bob"]]


def test_late_change_is_delivered_once_to_a_user_who_has_left_before_its_delivery():
    numbers = ChangeNumbers(10)
    numbers.record_received(11, "g")
    numbers.join("g", "bob", held=())
    numbers.leave("g", "bob", held=(), now=100.0)
    assert numbers.late_for(11) == ["bob"]  # it happened while they were a member
    numbers.record_delivered_late(11, "g")
    numbers.join("g", "bob", held=())
    assert numbers.late_for(11) == []


def test_settled_changes_are_forgotten_with_those_who_were_late():
    numbers = ChangeNumbers(10)
    for number in (11, 12):
        numbers.record_received(number, "g")
    numbers.join("g", "bob", held=())
    numbers.record_settled(11)
    assert (numbers.end, numbers.late_for(11), numbers.late_for(12)) == (11, [], ["bob"])
    numbers.record_settled(5)
    assert numbers.end == 11
    assert not numbers.record_received(12, "g")


def test_numbers_start_over_when_the_database_was_reverted():
    numbers = ChangeNumbers(10)
    for number in (6, 12):
        numbers.record_received(number, "g")
    numbers.join("g", "bob", held=())
    numbers.leave("g", "eve", held=(), now=100.0)
    numbers.record_newest(10, 1.0)  # nothing was reverted
    assert numbers.end == 10
    numbers.record_newest(5, 2.0)
    assert numbers.end == 5
    assert [numbers.late_for(12), numbers.is_missing(12, "g")] == [[], Missing.YES]
    assert numbers.record_received(12, "g")
    numbers.join("g", "eve", held=())
    assert numbers.late_for(12) == ["eve"]
