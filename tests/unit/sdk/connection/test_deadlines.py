"""The consequences of elapsed time: heartbeats, probes after a sleep, attempts, the background window."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import (
    AbandonSocket,
    Answer,
    CloseSocket,
    OpenSocket,
    RenewInPlace,
    ReportError,
    Result,
    SendPing,
)
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import AppState, Mode, Network, Phase, State, next_deadline

spec = pytest.mark.spec


@dataclass
class Client:
    """A machine with an open socket, at time 0."""

    state: State = field(default_factory=State)
    heard: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at(0.0, i.LoggedIn())
        if self.state.mode is Mode.MANUAL:
            self.at(0.0, i.ConnectCalled(1))
        self.at(0.0, i.AttemptSucceeded(self.state.epoch, **self.heard))
        assert self.state.phase is Phase.OPEN

    def at(self, now: float, happened: i.Input) -> list:
        self.state, commands = step(self.state, happened, now, 0.5)
        return commands

    def timer(self, now: float, **traffic: float) -> list:
        return self.at(now, i.TimerFired(**traffic))


def has(commands: list, kind: type) -> bool:
    return any(isinstance(c, kind) for c in commands)


@spec("T3")
def test_ping_is_sent_when_the_server_was_silent_for_the_interval():
    client = Client()
    assert next_deadline(client.state) == 15.0
    assert SendPing(client.state.epoch) in client.timer(15.0)
    assert next_deadline(client.state) == 18.0
    assert has(client.timer(18.0), AbandonSocket)
    assert client.state.cause is Cause.HEARTBEAT_TIMEOUT


@spec("T3")
def test_frames_postpone_the_heartbeat():
    client = Client()
    assert not has(client.timer(15.0, heard_at=14.0), SendPing)
    assert next_deadline(client.state) == 29.0
    assert not has(client.timer(29.0, heard_at=28.0, said_at=20.0), SendPing)
    assert next_deadline(client.state) == 43.0
    assert not has(client.timer(43.0, heard_at=42.0), SendPing)
    assert next_deadline(client.state) == 50.0  # this client itself was silent for 30 s then


@spec("T3", "K4")
def test_silence_does_not_end_the_socket_while_reading_is_paused():
    client = Client()
    client.at(1.0, i.ReadingPaused(client.state.epoch))
    assert next_deadline(client.state) == 30.0
    assert has(client.timer(30.0), SendPing)
    assert not has(client.timer(33.0), AbandonSocket)
    client.at(40.0, i.ReadingResumed(client.state.epoch))
    assert next_deadline(client.state) == 55.0


@spec("C4", "I9")
@pytest.mark.parametrize("heard", [None, 2.5], ids=["nothing read since", "frames read since"])
def test_call_of_ping_waits_for_a_slow_app_but_not_without_end(heard):
    client = Client()
    assert has(client.at(2.0, i.PingCalled(7)), SendPing)
    client.at(3.0, i.ReadingPaused(client.state.epoch))
    traffic = {} if heard is None else {"heard_at": heard}
    now, commands = 3.0, []
    while not has(commands, Answer):
        now = next_deadline(client.state)
        commands = client.timer(now, **traffic)
    assert (now, Answer(7, Result.NO_ANSWER) in commands) == (32.0, True)
    assert client.state.phase is Phase.OPEN


@spec("C4")
def test_call_of_ping_succeeds_when_a_slow_app_reads_the_answer():
    client = Client()
    client.at(2.0, i.PingCalled(7))
    client.at(3.0, i.ReadingPaused(client.state.epoch))
    assert client.timer(5.0) == []
    client.at(12.0, i.ReadingResumed(client.state.epoch))
    assert Answer(7, Result.PONG) in client.at(12.1, i.PongReceived(client.state.epoch))


@spec("T3", "C4")
def test_server_still_receives_pings_of_a_client_that_waits_for_a_slow_app():
    client = Client(heard={"interval": 5.0})
    client.at(2.0, i.PingCalled(7))
    client.at(3.0, i.ReadingPaused(client.state.epoch))
    sent = [2.0]
    while 7 in client.state.pings:
        now = next_deadline(client.state)
        sent += [now] * has(client.timer(now), SendPing)
    assert max(later - sooner for sooner, later in pairwise(sent)) <= 10.0 + client.state.timeout


@spec("T2")
def test_ping_that_was_unanswered_during_a_sleep_is_sent_again():
    client = Client()
    client.timer(15.0)
    again = client.timer(500.0)
    assert (has(again, SendPing), has(again, AbandonSocket)) == (True, False)
    assert next_deadline(client.state) == 503.0
    assert has(client.timer(503.0), AbandonSocket)
    assert client.state.cause is Cause.SLEPT


@spec("T2")
def test_ping_that_is_answered_by_traffic_ends_the_probe():
    client = Client()
    client.timer(15.0)
    assert not has(client.timer(18.0, heard_at=17.0), AbandonSocket)
    assert next_deadline(client.state) == 32.0


@spec("T2")
def test_heartbeat_that_is_due_after_a_sleep_is_a_probe_with_the_cause_slept():
    client = Client()
    assert has(client.timer(500.0), SendPing)
    client.timer(503.0)
    assert client.state.cause is Cause.SLEPT


@spec("T7")
@pytest.mark.parametrize(("now", "cause"), [(10.0, Cause.ATTEMPT_TIMEOUT), (500.0, Cause.SLEPT)])
def test_attempt_ends_after_ten_seconds_without_a_byte(now, cause):
    state, _ = step(State(), i.LoggedIn(), 0.0, 0.5)
    assert next_deadline(state) == 10.0
    _, commands = step(state, i.TimerFired(), now, 0.5)
    assert ReportError(cause) in commands


@spec("C21", "C20", "C8")
@pytest.mark.parametrize("hint", [i.NetworkChanged(Network.OFFLINE), i.NetworkChanged(Network.ONLINE)])
def test_socket_lost_after_a_report_of_the_network_has_the_cause_probe_failed(hint):
    client = Client()
    assert has(client.at(5.0, hint), SendPing)
    client.timer(8.0)
    assert client.state.cause is Cause.PROBE_FAILED
    client = Client()
    client.timer(15.0)  # a heartbeat is unanswered
    assert not has(client.at(16.0, hint), SendPing)
    client.timer(18.0)
    assert client.state.cause is Cause.PROBE_FAILED


@spec("C7", "C18", "I4")
def test_socket_of_an_ended_background_window_is_closed_before_a_call_opens_another():
    client = Client(State(mode=Mode.MANUAL))
    client.at(1.0, i.AppStateChanged(AppState.BACKGROUND))
    commands = client.at(31.0, i.ConnectCalled(2))
    assert [type(c) for c in commands if isinstance(c, CloseSocket | OpenSocket)] == [CloseSocket, OpenSocket]


@spec("C7", "C9")
def test_foreground_opens_no_socket_after_the_background_window_in_manual_mode():
    client = Client(State(mode=Mode.MANUAL))
    client.at(1.0, i.AppStateChanged(AppState.BACKGROUND))
    assert CloseSocket(client.state.epoch) in client.timer(31.0)
    assert client.state.cause is Cause.WINDOW_EXPIRED
    assert not has(client.at(40.0, i.AppStateChanged(AppState.FOREGROUND)), OpenSocket)


@spec("C5", "C18")
@pytest.mark.parametrize("call", [i.PingCalled(2), i.ConnectCalled(2)])
def test_ping_and_connect_start_the_background_window_again(call):
    client = Client(State(mode=Mode.MANUAL))
    client.at(1.0, i.AppStateChanged(AppState.BACKGROUND))
    client.at(11.0, call)
    assert client.state.window_until == 41.0


def test_token_is_renewed_on_the_open_socket_and_again_after_ten_seconds_without_an_answer():
    client = Client(State(has_provider=True), {"left": 600.0})
    assert client.state.renew_at == 555.0  # a random point between 540 and 570
    client.timer(15.0, heard_at=550.0, said_at=550.0)
    assert has(client.timer(555.0), RenewInPlace)
    client.at(555.0, i.PongReceived(client.state.epoch))
    assert client.state.renew_at == 565.0
    client.timer(565.0, heard_at=564.0, said_at=564.0)
    assert (client.state.renewing, client.state.phase) == (False, Phase.OPEN)
    assert 565.0 < client.state.renew_at <= 566.0
