"""A second process of an app on the session of the first: refused while the first runs, and then its successor."""

from __future__ import annotations

import pytest

from planting import Planter
from tailwire.sdk.client import ChatClient
from tailwire.sdk.io import locks
from tailwire.sdk.session_holder import SessionHolder
from tailwire.testing.simulation import Plan, Step, simulate
from tailwire.testing.simulation.device import Device
from tailwire.testing.simulation.shrink import fails

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

A_SUCCESSOR = [
    Plan(seed, (
        Step(1.0, "alice-phone", "second"), Step(1.0, "bob-phone", "say", "alice"), Step(1.0, "alice-phone", "queue", "bob"),
        Step(3.0, "alice-phone", how), Step(1.0, "bob-phone", "say", "alice"), Step(10.0, "alice-phone", "queue", "bob"),
        Step(3.0, "bob-phone", "say", "alice"),
    ))
    for seed, how in ((1, "close"), (2, "kill"))
]  # fmt: skip
"""The first process is closed or killed, and the second one takes its place."""
A_CLOSE_THAT_TAKES_A_WHILE = Plan(5, (
    Step(0.5, "alice-phone", "block", 4.0), Step(1.0, "alice-phone", "second"), Step(3.5, "bob-phone", "say", "alice"),
    Step(0.2, "alice-phone", "close"), Step(20.0, "bob-phone", "say", "alice"),
))  # fmt: skip
"""The second process tries while the first one waits for its listener."""


def rule_of(plan: Plan) -> str:
    failed = fails(plan)
    return failed.rule if failed is not None else ""


@pytest.mark.parametrize("plan", [*A_SUCCESSOR, A_CLOSE_THAT_TAKES_A_WHILE], ids=["closed", "killed", "closing"])
def test_second_process_takes_over_when_the_first_has_ended(plan, monkeypatch):
    honest, successors = Device.take_over, []

    def take_over(self, chat, store, process, context):
        successors.append(process)
        honest(self, chat, store, process, context)

    Planter(monkeypatch).setattr(Device, "take_over", take_over)
    report = simulate(plan)
    assert successors == ["alice-phone#second 1"]
    of_bob = sum((s.who, s.what) == ("bob-phone", "say") for s in plan.steps)
    of_alice = sum(s.what == "queue" for s in plan.steps)
    assert report.stored == of_bob + of_alice
    assert (
        report.received == 2 * of_bob + 2 * of_alice
    )  # alice has two devices; what the phone sends, the desk and bob receive


@pytest.mark.parametrize("how", ["second close", "second kill"])
def test_end_of_a_refused_process_does_not_free_the_session(how):
    simulate(
        Plan(3, (
            Step(1.0, "alice-phone", "second"), Step(7.0, "alice-phone", how), Step(1.0, "alice-phone", "second"),
            Step(1.0, "bob-phone", "say", "alice"), Step(20.0, "alice-phone", "queue", "bob"),
        ))
    )  # fmt: skip


def test_session_held_by_two_processes_is_found(monkeypatch: pytest.MonkeyPatch):
    Planter(monkeypatch).setattr(locks, "_take", lambda descriptor: None)
    without_a_socket = Plan(4, (Step(1.0, "alice-desk", "disconnect"), Step(1.0, "alice-desk", "second")))
    assert [rule_of(plan) for plan in (*A_SUCCESSOR, without_a_socket)] == ["I7", "I7", "second"]


def test_session_that_is_free_before_its_client_is_closed_is_found(monkeypatch: pytest.MonkeyPatch):
    honest = ChatClient.aclose

    async def aclose(self):
        if self._release is not None:
            self._release()
        await honest(self)

    Planter(monkeypatch).setattr(ChatClient, "aclose", aclose)
    assert rule_of(A_CLOSE_THAT_TAKES_A_WHILE) == "second"


def test_session_that_stays_taken_when_its_client_is_closed_is_found(monkeypatch: pytest.MonkeyPatch):
    honest = ChatClient.aclose

    async def aclose(self):
        self._release = None
        await honest(self)

    Planter(monkeypatch).setattr(ChatClient, "aclose", aclose)
    assert rule_of(A_SUCCESSOR[0]) == "raised"  # the app cannot be started again for the recovery


def test_refused_client_that_can_log_out_of_the_session_is_found(monkeypatch: pytest.MonkeyPatch):
    async def logout(self):
        self._sessions.clear()
        return {}

    monkeypatch.setattr(ChatClient, "logout", logout)
    assert rule_of(A_SUCCESSOR[0]) == "second"


def test_position_that_is_not_saved_for_the_next_process_is_found(monkeypatch: pytest.MonkeyPatch):
    Planter(monkeypatch).setattr(SessionHolder, "save_soon", lambda self: None)
    Planter(monkeypatch).setattr(SessionHolder, "save_position", lambda self: None)
    assert rule_of(A_SUCCESSOR[0]) == "once"
