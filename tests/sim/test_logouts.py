"""One of a user's devices is logged out by another: its session and its notifications end, and the other one goes on."""

from __future__ import annotations

import pytest

from planting import Planter
from sim.faults_in_contents import devices_that_were_logged_out_are_notified
from tailwire.testing.simulation import Plan, Step, oracle, simulate
from tailwire.testing.simulation.shrink import fails

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

A_LOGOUT = Plan(5, (
    Step(1.0, "alice-phone", "register push"), Step(1.0, "alice-desk", "register push"),
    Step(1.0, "backend", "log out", "alice-desk"), Step(40.0, "bob-phone", "say", "alice"),
    Step(1.0, "alice-phone", "close"), Step(90.0, "carol-phone", "say", "alice"), Step(90.0, "alice-phone", "start"),
    Step(5.0, "alice-phone", "queue", "bob"),
))  # fmt: skip
"""The desk is logged out while both devices are connected; later both are away, and a message comes."""


@pytest.fixture
def seen(monkeypatch):
    honest, sims = oracle.check, []

    async def check(sim):
        sims.append(sim)
        return await honest(sim)

    Planter(monkeypatch).setattr(oracle, "check", check)
    return sims


def test_device_that_is_logged_out_ends_its_session_and_the_other_one_is_notified(seen):
    simulate(A_LOGOUT)
    (sim,) = seen
    assert sim.logins.checked == 1
    ((_, code),) = sim.devices["alice-desk"].errors
    assert code in ("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "ERR_AUTH_TOKEN_EXPIRED")
    assert sim.devices["alice-phone"].errors == []
    assert {name for _, name in sim.logins.service.received} == {"alice-phone"}


def test_notification_of_a_device_that_was_logged_out_is_found(monkeypatch):
    devices_that_were_logged_out_are_notified(Planter(monkeypatch))
    failed = fails(A_LOGOUT)
    assert failed is not None
    assert failed.rule == "push"
