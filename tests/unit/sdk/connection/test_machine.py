"""The connection machine on real networks: requested waits, outages, refused WebSockets, slow lines."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection import machine
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import (
    AbandonSocket,
    Answer,
    CloseSocket,
    DropConnections,
    ExpireSession,
    OpenSocket,
    ReadHistory,
    RenewToken,
    ReportError,
    Result,
    SendPing,
    StopReadingHistory,
)
from tailwire.sdk.connection.explain import explain
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import AppState, Network, Phase, State, next_deadline
from tailwire.sdk.connection.timings import Timings

spec = pytest.mark.spec
HOUR = 3600.0


class Client:
    """A machine with a clock, and the commands that it has returned."""

    def __init__(self, **timings) -> None:
        self.state, self.now, self.commands = State(timings=Timings(**timings)), 0.0, []
        self.take(i.LoggedIn())

    def take(self, happened) -> list:
        self.state, commands = step(self.state, happened, self.now, 0.5)
        self.commands += commands
        return commands

    def fail(self, cause: Cause, wait: float | None = None, *, ours: bool = False) -> list:
        return self.take(i.AttemptFailed(self.state.epoch, cause, wait, ours))

    def open(self, **more) -> list:
        return self.take(i.AttemptSucceeded(self.state.epoch, **more))

    def run(
        self, until: float, *, cause: Cause | None = None, moved_at=None, passed_at=None
    ) -> list[tuple[float, object]]:
        """Let time pass; attempts fail at once with `cause`. Return the commands with their times."""
        seen = []
        while (due := next_deadline(self.state)) is not None and due <= until:
            self.now = due
            seen += [
                (self.now, c) for c in self.take(i.TimerFired(None, None, moved_at and moved_at(self.now), passed_at))
            ]
            while cause is not None and self.state.phase is Phase.CONNECTING:
                seen += [(self.now, c) for c in self.fail(cause)]
        self.now = until
        return seen


def times(seen, kind) -> list[float]:
    return [at for at, command in seen if isinstance(command, kind)]


LIFTS = {
    "connect()": i.ConnectCalled(1),
    "the network's hint": i.NetworkChanged(Network.ONLINE),
}


@spec("T6")
@pytest.mark.parametrize("lift", LIFTS)
def test_wait_requested_by_an_intermediary_is_ended_by_connect_and_by_the_hint_of_the_network(lift):
    client = Client()
    client.fail(Cause.PROXY_REFUSED, HOUR)
    assert client.state.phase is Phase.WAITING
    assert 60 <= next_deadline(client.state) <= 61
    assert "something between" in explain(client.state, client.now)
    assert any(isinstance(c, OpenSocket) for c in client.take(LIFTS[lift]))


@spec("T6")
def test_wait_requested_by_an_intermediary_ends_in_the_foreground():
    client = Client()
    client.fail(Cause.PROXY_REFUSED, HOUR)
    client.take(i.AppStateChanged(AppState.BACKGROUND))
    assert any(isinstance(c, OpenSocket) for c in client.take(i.AppStateChanged(AppState.FOREGROUND)))


@spec("T6")
def test_response_of_the_server_ends_a_wait_requested_by_an_intermediary():
    client = Client()
    client.fail(Cause.PROXY_REFUSED, HOUR)
    assert not client.take(
        i.ServerAnswered()
    )  # the usual wait stays: a response does not prove that sockets get through
    assert next_deadline(client.state) <= client.now + 1


@spec("T6", "C13")
def test_wait_requested_by_the_server_is_kept_and_connect_fails_at_once():
    client = Client()
    client.fail(Cause.SERVER_BUSY, HOUR, ours=True)
    assert client.take(i.ConnectCalled(7)) == [Answer(7, Result.ATTEMPT_FAILED, Cause.SERVER_BUSY)]
    client.take(i.ServerAnswered())
    client.take(i.NetworkChanged(Network.ONLINE))
    seen = client.run(HOUR + 2)
    assert [at >= HOUR for at in times(seen, OpenSocket)] == [True]


@spec("T6")
def test_connect_waits_if_the_server_asked_for_a_short_wait():
    client = Client()
    client.fail(Cause.SERVER_BUSY, 2.0, ours=True)
    assert client.take(i.ConnectCalled(7)) == []
    client.run(4.0)
    assert client.open()[-1] == Answer(7, Result.CONNECTED)


@spec("T4")
def test_short_outage_ends_with_an_attempt_within_four_seconds():
    client = Client()
    client.open()
    client.run(40.0, moved_at=lambda now: now)
    client.now = 41.0
    client.take(i.SocketLost(client.state.epoch, Cause.CONNECTION_RESET))
    attempts = times(client.run(41.0 + 30.0, cause=Cause.CONNECTION_RESET), OpenSocket)
    assert max(b - a for a, b in itertools.pairwise(attempts)) <= 4.0


@spec("T4")
def test_client_makes_three_to_seven_attempts_in_an_hour_offline():
    client = Client()
    client.take(i.NetworkChanged(Network.OFFLINE))
    client.fail(Cause.NETWORK_UNREACHABLE)
    client.run(60.0, cause=Cause.NETWORK_UNREACHABLE)
    attempts = times(client.run(60.0 + HOUR, cause=Cause.NETWORK_UNREACHABLE), OpenSocket)
    assert 3 <= len(attempts) <= 7
    assert any(isinstance(c, OpenSocket) for c in client.take(i.NetworkChanged(Network.ONLINE)))


@spec("T4")
def test_foreground_and_connect_restart_frequent_attempts():
    for trigger in (i.AppStateChanged(AppState.FOREGROUND), i.ConnectCalled(1)):
        client = Client()
        client.take(i.NetworkChanged(Network.OFFLINE))
        client.fail(Cause.NETWORK_UNREACHABLE)
        client.run(HOUR, cause=Cause.NETWORK_UNREACHABLE)
        if isinstance(trigger, i.AppStateChanged):
            client.take(i.AppStateChanged(AppState.BACKGROUND))
        assert any(isinstance(c, OpenSocket) for c in client.take(trigger))
        client.fail(Cause.NETWORK_UNREACHABLE)
        assert len(times(client.run(client.now + 60.0, cause=Cause.NETWORK_UNREACHABLE), OpenSocket)) >= 3


@spec("T4")
def test_response_of_the_server_ends_a_long_wait():
    client = Client()
    client.take(i.NetworkChanged(Network.OFFLINE))
    client.fail(Cause.NETWORK_UNREACHABLE)
    client.run(HOUR, cause=Cause.NETWORK_UNREACHABLE)
    assert next_deadline(client.state) > client.now + 20
    client.take(i.ServerAnswered())
    assert next_deadline(client.state) <= client.now + 20


@spec("T8")
def test_history_is_polled_as_long_as_websockets_are_refused():
    client = Client()
    client.fail(Cause.WEBSOCKET_REFUSED)
    client.run(client.now + 5.0)
    client.fail(Cause.WEBSOCKET_REFUSED)
    assert "a proxy refuses WebSockets" in explain(client.state, client.now)
    assert "every 30 s" in explain(client.state, client.now)
    begin = client.now
    reads = times(client.run(begin + 300.0, cause=Cause.WEBSOCKET_REFUSED), ReadHistory)
    assert len(reads) == 10
    client.run(client.now + 60.0)
    if client.state.phase is Phase.WAITING:
        client.take(i.ConnectCalled(1))
    client.open()
    assert client.state.phase is Phase.OPEN
    assert client.state.poll_at is None


@spec("T8")
def test_polling_can_be_disabled():
    client = Client(poll_interval=None)
    for _ in range(5):
        client.fail(Cause.WEBSOCKET_REFUSED)
        client.run(client.now + 5.0)
        client.take(i.ConnectCalled(1))
    assert client.state.poll_at is None


@spec("T7")
def test_moving_bytes_extend_an_attempt_to_a_minute():
    client = Client()
    seen = client.run(200.0, moved_at=lambda now: now - 1)
    assert times(seen, AbandonSocket)[0] == 60.0
    client = Client()
    seen = client.run(200.0, moved_at=lambda now: min(now, 7.0))
    assert times(seen, AbandonSocket)[0] == 17.0


@spec("T3")
def test_moving_bytes_extend_a_probe_to_thirty_seconds():
    client = Client()
    client.open()
    seen = client.run(200.0, moved_at=lambda now: now)
    assert times(seen, AbandonSocket)[0] == 15.0 + 30.0


@spec("T3")
@pytest.mark.parametrize(("awaiting", "ends"), [(True, 14.0 + 10.0), (False, 18.0)])
def test_unanswered_request_extends_a_probe_to_ten_seconds_after_the_last_byte(awaiting, ends):
    # A proxy has acknowledged the end of an upload and still holds it; the ping waits behind it.
    client = Client()
    client.open()
    seen = client.run(200.0, moved_at=lambda now: min(now, 14.0), passed_at=14.0 if awaiting else None)
    assert times(seen, AbandonSocket)[0] == ends


@spec("T3")
def test_dead_line_is_detected_within_18_s_after_the_last_byte_of_an_unanswered_request():
    for last in range(16):
        client = Client()
        client.open()
        seen = client.run(200.0, moved_at=lambda now, last=last: min(now, last), passed_at=last)
        assert times(seen, AbandonSocket)[0] <= last + 18.0


@spec("T3", "C21")
def test_unanswered_request_does_not_extend_a_check_after_a_hint():
    client = Client()
    client.open()
    client.now = 10.0
    client.take(i.NetworkChanged(Network.OFFLINE))
    assert times(client.run(200.0, moved_at=lambda now: 10.0, passed_at=10.0), AbandonSocket)[0] == 13.0


@spec("T3", "T5")
def test_pooled_connections_are_dropped_after_a_silent_loss():
    client = Client()
    client.open()
    assert times(client.run(18.0), DropConnections) == [18.0]


@spec("T3", "T5")
def test_pooled_connections_are_dropped_after_a_hint_of_the_platform():
    client = Client()
    client.open()
    assert DropConnections() in client.take(i.NetworkChanged(Network.ONLINE))


@spec("T3", "T5")
def test_pooled_connections_are_kept_after_a_clean_close():
    client = Client()
    client.open()
    client.take(i.SocketLost(client.state.epoch, Cause.SERVER_CLOSED))
    assert DropConnections() not in client.commands


def test_every_input_has_a_handler():
    assert {*machine.HANDLERS, i.TimerFired} == set(get_args(i.Input))


def rejected(client: Client) -> list:
    """Let the next attempt fail because the server rejects the token."""
    client.run(next_deadline(client.state)) if client.state.phase is Phase.WAITING else None
    return client.fail(Cause.TOKEN_REJECTED)


@spec("C22")
def test_provider_is_asked_once_for_each_connection_whose_token_is_rejected():
    client = Client()
    client.state.has_provider = True
    for _ in range(3):
        assert not [c for c in rejected(client) if isinstance(c, ExpireSession)]
        assert client.state.phase is Phase.RENEWING
        client.take(i.TokenRenewed(client.state.epoch))
        client.open()
        client.take(i.SocketLost(client.state.epoch, Cause.SERVER_CLOSED))
    # A second rejection without a connection in between ends the session.
    rejected(client)
    client.take(i.TokenRenewed(client.state.epoch))
    assert ExpireSession() in rejected(client)


@spec("T3")
def test_each_ping_has_the_full_timeout_for_its_answer():
    client = Client()
    client.open()
    client.take(i.PingCalled(1))
    client.take(i.PingCalled(2))
    client.now = 2.5
    assert Answer(1, Result.PONG) in client.take(i.PongReceived(client.state.epoch))
    client.now = 5.0  # later than the deadline of the first, within that of the second
    assert not times([(0.0, c) for c in client.take(i.TimerFired())], AbandonSocket)
    assert Answer(2, Result.PONG) in client.take(i.PongReceived(client.state.epoch))
    assert client.state.probe_until is None


@spec("T3")
@pytest.mark.parametrize(("round_trip", "timeout"), [(0.2, 3.0), (2.0, 6.0), (4.0, 12.0), (10.0, 12.0)])
def test_ping_on_a_slow_line_is_sent_earlier_and_may_take_three_round_trips(round_trip, timeout):
    client = Client()
    client.open(round_trip=round_trip)
    assert next_deadline(client.state) == 18.0 - timeout
    client.now = next_deadline(client.state)
    client.take(i.TimerFired())
    assert next_deadline(client.state) == 18.0


@spec("T3")
def test_estimated_round_trip_rises_at_once_and_falls_slowly():
    client = Client()
    client.open(round_trip=4.0)
    client.take(i.PingCalled(1))
    client.take(i.PongReceived(client.state.epoch))
    assert client.state.round_trip == 3.0
    client.take(i.PingCalled(2))
    client.now = 3.5
    client.take(i.PongReceived(client.state.epoch))
    assert client.state.round_trip == 3.5


@spec("C4", "C6")
def test_each_ping_is_sent_and_answered_in_order():
    client = Client()
    assert client.take(i.PingCalled(1)) == [Answer(1, Result.NO_SOCKET, None)]
    client.open()
    assert client.take(i.PingCalled(2)) == [SendPing(client.state.epoch)]
    client.take(i.CallerGone(2))
    client.take(i.PingCalled(3))
    assert client.take(i.PongReceived(client.state.epoch)) == []
    assert client.take(i.PongReceived(client.state.epoch)) == [Answer(3, Result.PONG)]


def test_pings_beyond_the_limit_fail_at_once():
    client = Client()
    client.open()
    for caller in range(1, machine.MAX_PENDING_PINGS + 1):
        assert client.take(i.PingCalled(caller)) == [SendPing(client.state.epoch)]
    assert client.take(i.PingCalled(100)) == [Answer(100, Result.NO_SOCKET, None)]


@spec("T4")
def test_client_gives_up_after_the_configured_number_of_attempts():
    client = Client(max_attempts=2)
    assert ReportError(Cause.GAVE_UP) not in client.fail(Cause.CONNECTION_REFUSED)
    client.run(next_deadline(client.state))
    assert ReportError(Cause.GAVE_UP) in client.fail(Cause.CONNECTION_REFUSED)
    assert next_deadline(client.state) is None
    assert any(isinstance(c, OpenSocket) for c in client.take(i.ConnectCalled(1)))
    assert ReportError(Cause.GAVE_UP) not in client.fail(Cause.CONNECTION_REFUSED)


@spec("T4")
def test_attempts_are_frequent_again_after_a_stable_connection():
    client = Client()
    client.run(600.0, cause=Cause.CONNECTION_REFUSED)
    client.run(next_deadline(client.state))
    client.open()
    client.now += 30.0
    lost_at = client.now
    client.take(i.TimerFired(client.now, client.now))
    client.take(i.SocketLost(client.state.epoch, Cause.CONNECTION_RESET))
    attempts = times(client.run(lost_at + 25.0, cause=Cause.CONNECTION_RESET), OpenSocket)
    assert max(b - a for a, b in itertools.pairwise(attempts)) <= 4.0


@spec("T6")
def test_reconnection_window_of_the_server_does_not_shorten_the_usual_wait():
    client = Client()
    client.run(20.0, cause=Cause.CONNECTION_REFUSED)
    client.run(next_deadline(client.state))
    client.open()
    client.take(i.SocketLost(client.state.epoch, Cause.SERVER_RESTARTING, 0.5))
    assert next_deadline(client.state) - client.now >= 1.0


@spec("T8")
def test_refusals_are_counted_from_zero_after_a_connection():
    client = Client()
    client.open()
    client.take(i.SocketLost(client.state.epoch, Cause.SERVER_CLOSED))
    client.run(1.0)
    client.fail(Cause.WEBSOCKET_REFUSED)
    assert client.state.poll_at is None
    client.run(next_deadline(client.state))
    client.fail(Cause.WEBSOCKET_REFUSED)
    assert client.state.poll_at is not None


@spec("C20")
def test_repeated_report_of_the_network_ends_only_a_wait_of_more_than_four_seconds():
    client = Client()
    client.take(i.NetworkChanged(Network.ONLINE))
    for until, ends in ((25.0, False), (400.0, True)):
        client.run(until, cause=Cause.CONNECTION_REFUSED)
        assert client.state.phase is Phase.WAITING
        assert (next_deadline(client.state) - client.now > 4.0) is ends
        assert any(isinstance(c, OpenSocket) for c in client.take(i.NetworkChanged(Network.ONLINE))) is ends


@spec("C3", "C12", "C23", "I10")
@pytest.mark.parametrize(
    ("left_by", "cause"),
    [
        (i.AppStateChanged(AppState.BACKGROUND), Cause.APP_IN_BACKGROUND),
        (i.DisconnectCalled(1), Cause.DISCONNECT_CALLED),
        (i.LoggedOut(), Cause.LOGGED_OUT),
        (i.ClientClosed(), Cause.CLIENT_CLOSED),
    ],
)
def test_socket_that_the_app_no_longer_needs_is_closed_with_the_reason_as_its_cause(left_by, cause):
    client = Client()
    client.open()
    assert CloseSocket(client.state.epoch) in client.take(left_by)
    assert client.state.cause is cause


@spec("T8")
def test_polling_stops_when_a_socket_is_no_longer_wanted():
    client = Client()
    client.fail(Cause.WEBSOCKET_REFUSED)
    client.run(next_deadline(client.state))
    client.fail(Cause.WEBSOCKET_REFUSED)
    assert client.state.poll_at is not None
    assert StopReadingHistory() in client.take(i.DisconnectCalled(1))
    assert next_deadline(client.state) is None


@spec("T4")
@pytest.mark.parametrize(("seconds", "attempts"), [(29.0, 1), (30.0, 0)])
def test_closed_connection_resets_the_count_of_failures_only_if_it_lasted_thirty_seconds(seconds, attempts):
    client = Client()
    client.fail(Cause.CONNECTION_RESET)
    client.run(next_deadline(client.state))
    client.open()
    client.now += seconds
    client.take(i.TimerFired(client.now, client.now))
    client.take(i.DisconnectCalled(1))
    assert client.state.attempts == attempts


@spec("C22")
def test_token_that_has_expired_is_renewed_before_the_attempt_and_only_by_a_provider():
    for has_provider in (True, False):
        client = Client()
        client.state.has_provider = has_provider
        client.open(left=5.0)
        client.take(i.SocketLost(client.state.epoch, Cause.CONNECTION_RESET))
        client.take(i.DisconnectCalled(1))
        client.now = 10.0
        commands = client.take(i.ConnectCalled(2))
        assert (RenewToken(client.state.epoch) in commands) is has_provider
        assert (OpenSocket(client.state.epoch) in commands) is not has_provider


@spec("C22")
def test_rejected_token_ends_the_session_without_a_provider():
    client = Client()
    assert ExpireSession() in client.fail(Cause.TOKEN_REJECTED)


@spec("T3")
def test_timeout_stays_as_announced_while_no_round_trip_is_known():
    client = Client()
    client.open(interval=20.0, timeout=2.0)
    assert times(client.run(20.0), SendPing) == [20.0]
    assert next_deadline(client.state) == 22.0
