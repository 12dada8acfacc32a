"""Recorded inputs are replayed step by step, and an input that is invalid in its state is named."""

from __future__ import annotations

import pytest

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.commands import OpenSocket
from tailwire.sdk.connection.history import RecordedInput
from tailwire.sdk.connection.replay import BadReplay, replay_inputs
from tailwire.sdk.connection.state import Phase, State


def test_each_input_is_replayed_with_its_time_state_and_commands():
    recorded = [RecordedInput(1.0, 0.5, i.LoggedIn()), RecordedInput(2.0, 0.5, i.LoggedOut())]
    first, second = replay_inputs(State(), recorded)
    assert (first[0], first[1].phase, first[2]) == (1.0, Phase.CONNECTING, recorded[0])
    assert [type(command) for command in first[3] if isinstance(command, OpenSocket)] == [OpenSocket]
    assert (second[0], second[1].phase, second[2]) == (2.0, Phase.IDLE, recorded[1])


def test_input_that_is_invalid_in_its_state_is_named():
    broken = State(phase=Phase.OPEN, epoch=1, pings=(1,), probe_sent="soon", probe_until=1e9)
    with pytest.raises(BadReplay, match=r"input 1 \(PongReceived\) is invalid here"):
        list(replay_inputs(broken, [RecordedInput(1.0, 0.5, i.PongReceived(1))]))
