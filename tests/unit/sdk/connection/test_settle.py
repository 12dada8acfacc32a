"""The rules are applied until none changes anything."""

from __future__ import annotations

import pytest

from tailwire.sdk.connection import settle
from tailwire.sdk.connection.state import ConnectionStatus, Phase, State
from tailwire.sdk.connection.step import Step


def test_rules_that_never_settle_are_an_error_and_not_an_endless_loop(monkeypatch):
    rounds = []
    monkeypatch.setattr(settle, "_RULES", (lambda step: rounds.append(step) is None,))
    with pytest.raises(AssertionError, match="do not settle"):
        settle.settle(Step(State(), 0.0, 0.5))
    assert 9 <= len(rounds) <= 100, "enough for every rule, and bounded"


STATUSES = {
    Phase.IDLE: ConnectionStatus.DISCONNECTED,
    Phase.WAITING: ConnectionStatus.DISCONNECTED,
    Phase.CONNECTING: ConnectionStatus.CONNECTING,
    Phase.RENEWING: ConnectionStatus.CONNECTING,
    Phase.OPEN: ConnectionStatus.CONNECTED,
}


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_has_its_connection_status(phase):
    assert settle.status_of(State(phase=phase)) is STATUSES[phase]


def test_open_socket_that_is_throttled_has_the_status_feature_throttled():
    assert settle.status_of(State(phase=Phase.OPEN, throttled=True)) is ConnectionStatus.FEATURE_THROTTLED
