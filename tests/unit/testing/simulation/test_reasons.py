"""Which faults excuse a lost connection, and for how long."""

from __future__ import annotations

import pytest

from tailwire.sdk.connection.causes import Cause
from tailwire.testing.simulation.reasons import DETECTION_SECONDS, EXTRA_DETECTION_SECONDS, Reasons

LOST = Cause.CONNECTION_RESET


class Clock:
    now = 0.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reasons(clock):
    return Reasons(lambda: clock.now)


def test_lost_connection_without_a_fault_is_not_excused(reasons):
    reasons.record_step("alice-phone", "line", [1, 1, 1, 1])
    assert not reasons.is_excused("alice-phone", LOST)
    assert not reasons.is_excused("alice-phone", Cause.HEARTBEAT_TIMEOUT)


@pytest.mark.parametrize("cause", [Cause.DISCONNECT_CALLED, Cause.APP_IN_BACKGROUND, Cause.TOKEN_REJECTED])
def test_disconnections_by_the_app_and_rejected_tokens_are_excused_without_a_fault(reasons, cause):
    assert reasons.is_excused("alice-phone", cause)


def test_device_fault_excuses_that_device_until_detection(reasons, clock):
    reasons.record_step("alice-phone", "half open", None)
    assert not reasons.is_excused("bob-phone", LOST)
    clock.now = DETECTION_SECONDS + EXTRA_DETECTION_SECONDS
    assert reasons.is_excused("alice-phone", LOST)
    clock.now += 0.1
    assert not reasons.is_excused("alice-phone", LOST)


def test_lasting_fault_excuses_until_it_ends(reasons, clock):
    reasons.record_step("network", "swallow", None)
    clock.now = 1000.0
    assert reasons.is_excused("bob-phone", LOST)
    reasons.record_step("network", "restore", None)
    clock.now += DETECTION_SECONDS + EXTRA_DETECTION_SECONDS + 0.1
    assert not reasons.is_excused("bob-phone", LOST)


def test_cut_amid_a_transfer_excuses_one_lost_connection(reasons, clock):
    reasons.record_step("bob-phone", "cut amid", 100)
    clock.now = 1000.0
    assert reasons.is_excused("bob-phone", LOST)
    assert not reasons.is_excused("bob-phone", LOST)


def test_portal_answers_as_long_as_it_is_active(reasons, clock):
    reasons.record_step("bob-phone", "portal", ["page", "reset"])
    clock.now = 5.0
    assert reasons.answered_by_middlebox("bob-phone", 3.0)
    assert not reasons.answered_by_middlebox("bob-phone", -1.0)
    reasons.record_step("bob-phone", "portal off", None)
    assert not reasons.answered_by_middlebox("bob-phone", 3.0)
