"""What the oracle requires that clients receive of a group: its removal, its owner, scopes, and what was said before."""

from __future__ import annotations

import pytest

from planting import Planter
from sim import faults_in_notification as faults
from tailwire.server.actions import groups as actions_groups
from tailwire.testing.simulation import Plan, Step, simulate
from tailwire.testing.simulation.other_events import Stream
from tailwire.testing.simulation.shrink import fails

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def while_away(name: str, *steps: Step) -> Plan:
    """Return a plan in which a device misses what happens."""
    away = (Step(1.0, name, "offline"), Step(0.0, name, "drop"))
    return Plan(4, (*away, *steps, Step(5.0, name, "back"), Step(5.0, "alice-phone", "type")))


def rule_of(plan: Plan) -> str:
    failed = fails(plan)
    return failed.rule if failed is not None else ""


DELETED = while_away("bob-phone", Step(1.0, "alice-phone", "disband"))
TRANSFERRED = while_away("bob-phone", Step(1.0, "alice-phone", "transfer", "carol"))
SCOPES = while_away("bob-phone", Step(1.0, "alice-phone", "scope", ["carol", "moderator"]))
PUT_OUT = [
    while_away("bob-phone", Step(1.0, "carol-phone", "say group"), Step(1.0, "alice-phone", what, "bob"))
    for what in ("kick", "ban")
]


@pytest.mark.parametrize(
    ("plan", "plant", "rule"),
    [
        (DELETED, faults._missed_removals_of_groups_are_not_reported, "untold group removed"),
        (TRANSFERRED, faults._missed_owners_are_not_reported, "untold owner"),
        (SCOPES, faults._missed_scopes_are_not_reported, "untold member"),
        (PUT_OUT[0], faults._messages_before_leaving_are_not_handed_over, "lost"),
        (PUT_OUT[1], faults._messages_before_leaving_are_not_handed_over, "lost"),
    ],
    ids=["deleted", "transferred", "scopes", "kicked", "banned"],
)
def test_missing_notice_of_a_missed_change_of_a_group_is_found(plan, plant, rule, monkeypatch: pytest.MonkeyPatch):
    simulate(plan)
    plant(Planter(monkeypatch))
    assert rule_of(plan) == rule


LIVE = {
    "untold group removed": Plan(4, (Step(1.0, "alice-phone", "disband"), Step(5.0, "alice-phone", "type"))),
    "untold owner": Plan(4, (Step(1.0, "alice-phone", "transfer", "bob"), Step(5.0, "alice-phone", "type"))),
}


@pytest.mark.parametrize("rule", LIVE)
def test_missing_notice_of_a_live_change_of_a_group_is_found(rule: str, monkeypatch: pytest.MonkeyPatch):
    simulate(LIVE[rule])

    def notify_members(self, caller, guid, action, group, number):
        return None

    Planter(monkeypatch).setattr(actions_groups.Groups, "_notify_members", notify_members)
    assert rule_of(LIVE[rule]) == rule


def test_removal_of_a_group_that_is_reported_twice_is_found(monkeypatch: pytest.MonkeyPatch):
    simulate(DELETED)
    honest = Stream._record

    def record(self, key, value, *, of_lists):
        honest(self, key, value, of_lists=of_lists)
        honest(self, key, value, of_lists=of_lists)

    Planter(monkeypatch).setattr(Stream, "_record", record)
    assert rule_of(DELETED) == "once"


def test_each_of_two_missed_removals_of_a_group_is_reported():
    again = (Step(1.0, "backend", "disband"), Step(60.0, "backend", "disband"))
    for seed in range(4):  # the backend leaves one of two users out of the second group
        plan = while_away("bob-phone", *again)
        simulate(Plan(seed, plan.steps))
