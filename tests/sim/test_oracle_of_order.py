"""What the oracle requires of the order between kinds of changes, and that clients receive each once."""

from __future__ import annotations

import pytest

from planting import Planter
from sim import faults_in_notification as faults
from sim.test_oracle_of_groups import rule_of, while_away
from tailwire.testing.simulation import Plan, Step, oracle_of_order, simulate
from tailwire.testing.simulation.other_events import Stream

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

REACTED = while_away("bob-phone", Step(1.0, "carol-phone", "say group"), Step(1.0, "alice-phone", "react"))


@pytest.mark.parametrize(
    ("plant", "rule"),
    [
        (faults._some_changes_are_reported_twice, "once"),
        (faults._missed_changes_come_before_missed_messages, "sequence"),
    ],
    ids=["told twice", "before its message"],
)
def test_missed_change_reported_twice_or_before_an_earlier_message_is_found(
    plant, rule, monkeypatch: pytest.MonkeyPatch
):
    simulate(REACTED)
    plant(Planter(monkeypatch))
    assert rule_of(REACTED) == rule


def test_own_change_of_a_disconnected_device_may_be_reported_before_what_it_has_missed(monkeypatch: pytest.MonkeyPatch):
    plan = Plan(4, (
        Step(1.0, "carol-phone", "say group"), Step(5.0, "alice-phone", "background"), Step(5.0, "bob-phone", "react"),
        Step(10.0, "alice-phone", "pin"), Step(5.0, "alice-phone", "foreground"), Step(5.0, "alice-phone", "type"),
    ))  # fmt: skip
    simulate(plan)
    Planter(monkeypatch).setattr(oracle_of_order, "_resource_of", lambda one: "another device")
    assert rule_of(plan) == "sequence"


def test_second_unsaving_of_a_message_by_another_device_breaks_no_order():
    # The server commits no second change, but the device that removes it notifies its app.
    simulate(Plan(2002458, (
        Step(4.0, "bob-phone", "queue", "alice"), Step(3.0, "alice-phone", "save"), Step(1055.0, "alice-phone", "unsave"),
        Step(563.0, "alice-phone", "pin"), Step(7.0, "alice-desk", "unsave"),
    )))  # fmt: skip


LIVE = Plan(4, (
    Step(1.0, "carol-phone", "say group"), Step(1.0, "alice-phone", "react"), Step(5.0, "alice-phone", "unreact"),
    Step(5.0, "carol-phone", "edit"), Step(5.0, "carol-phone", "delete"), Step(5.0, "alice-phone", "type"),
))  # fmt: skip


@pytest.mark.parametrize("kind", ["reaction", "edited", "deleted"])
def test_live_event_that_is_reported_twice_is_found(kind: str, monkeypatch: pytest.MonkeyPatch):
    simulate(LIVE)
    honest = Stream._record

    def record(self, key, value, *, of_lists):
        for _ in range(1 + (key[0] == kind)):
            honest(self, key, value, of_lists=of_lists)

    Planter(monkeypatch).setattr(Stream, "_record", record)
    assert rule_of(LIVE) == "once"


def test_deletion_that_comes_before_an_earlier_edit_is_found(monkeypatch: pytest.MonkeyPatch):
    honest, kept = Stream._record, []

    def record(self, key, value, *, of_lists):
        if key[0] == "edited":
            kept.append((self, key, value))
            return
        honest(self, key, value, of_lists=of_lists)
        if key[0] == "deleted":
            for stream, *edit in kept:
                honest(stream, *edit, of_lists=False)
            kept.clear()

    Planter(monkeypatch).setattr(Stream, "_record", record)
    assert rule_of(LIVE) == "sequence"


SAVED, PINNED = (("save", 7), True), (("pin", 7), True)


@pytest.mark.parametrize(
    ("own", "rule"), [(True, None), (False, "sequence")], ids=["saved again by the device", "saved again by another"]
)
def test_own_change_is_not_taken_for_an_equal_one_of_another_device(own: bool, rule: str | None):
    # Seed 100086: the device was away for the pin and the first save, and saved the message itself before it was back.
    happened = [
        oracle_of_order._Happened(10.0, PINNED, out_of_order=False),
        oracle_of_order._Happened(20.0, SAVED, out_of_order=False),
        oracle_of_order._Happened(30.0, SAVED, out_of_order=own),
    ]
    found = oracle_of_order._first_wrong(happened, [(SAVED, 31.0), (PINNED, 40.0)])
    assert (found and found[0]) == rule


@pytest.mark.parametrize(("seconds", "rule"), [(2.9, None), (3.1, "sequence")])
def test_only_changes_within_three_seconds_may_be_reported_in_another_order(seconds: float, rule: str | None):
    happened = [
        oracle_of_order._Happened(10.0, PINNED, out_of_order=False),
        oracle_of_order._Happened(10.0 + seconds, SAVED, out_of_order=False),
    ]
    found = oracle_of_order._first_wrong(happened, [(SAVED, 20.0), (PINNED, 20.0)])
    assert (found and found[0]) == rule
