"""The connection machine on networks as people have them: what others ask, long outages, refused WebSockets, slow lines."""

from __future__ import annotations

import itertools

import pytest

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import (
    AbandonSocket,
    Answer,
    DropConnections,
    OpenSocket,
    ReadHistory,
    Result,
)
from tailwire.sdk.connection.explain import explain
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import AppState, Network, Phase, State, next_deadline
from tailwire.sdk.connection.timings import Timings

spec = pytest.mark.spec
HOUR = 3600.0


class Client:
    """A machine with a clock: takes inputs, keeps its commands."""

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

    def run(self, until: float, *, cause: Cause | None = None, moved_at=None) -> list[tuple[float, object]]:
        """Let time pass; attempts fail at once with `cause`. Return what was commanded when."""
        seen = []
        while (due := next_deadline(self.state)) is not None and due <= until:
            self.now = due
            seen += [(self.now, c) for c in self.take(i.TimerFired(moved_at=moved_at and moved_at(self.now)))]
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
def test_what_something_in_between_asks_is_lifted_by(lift):
    client = Client()
    client.fail(Cause.PROXY_REFUSED, HOUR)
    assert client.state.phase is Phase.WAITING
    assert 60 <= next_deadline(client.state) <= 61
    assert "something between" in explain(client.state, client.now)
    assert any(isinstance(c, OpenSocket) for c in client.take(LIFTS[lift]))


@spec("T6")
def test_what_something_in_between_asks_is_lifted_by_the_foreground():
    client = Client()
    client.fail(Cause.PROXY_REFUSED, HOUR)
    client.take(i.AppStateChanged(AppState.BACKGROUND))
    assert any(isinstance(c, OpenSocket) for c in client.take(i.AppStateChanged(AppState.FOREGROUND)))


@spec("T6")
def test_an_answer_of_the_server_lifts_what_something_in_between_asked():
    client = Client()
    client.fail(Cause.PROXY_REFUSED, HOUR)
    assert not client.take(i.ServerAnswered())  # the usual wait stays: an answer does not say that sockets pass
    assert next_deadline(client.state) <= client.now + 1


@spec("T6", "C13")
def test_what_the_server_itself_asks_holds_and_connect_says_so_at_once():
    client = Client()
    client.fail(Cause.SERVER_BUSY, HOUR, ours=True)
    assert client.take(i.ConnectCalled(7)) == [Answer(7, Result.ATTEMPT_FAILED, Cause.SERVER_BUSY)]
    client.take(i.ServerAnswered())
    client.take(i.NetworkChanged(Network.ONLINE))
    seen = client.run(HOUR + 2)
    assert [at >= HOUR for at in times(seen, OpenSocket)] == [True]


@spec("T6")
def test_connect_waits_for_what_the_server_asks_where_that_is_short():
    client = Client()
    client.fail(Cause.SERVER_BUSY, 2.0, ours=True)
    assert client.take(i.ConnectCalled(7)) == []
    client.run(4.0)
    assert client.open()[-1] == Answer(7, Result.CONNECTED)


@spec("T4")
def test_an_outage_of_some_seconds_ends_with_an_attempt_within_four_seconds():
    client = Client()
    client.open()
    client.run(40.0, moved_at=lambda now: now)
    client.now = 41.0
    client.take(i.SocketLost(client.state.epoch, Cause.CONNECTION_RESET))
    attempts = times(client.run(41.0 + 30.0, cause=Cause.CONNECTION_RESET), OpenSocket)
    assert max(b - a for a, b in itertools.pairwise(attempts)) <= 4.0


@spec("T4")
def test_an_hour_without_a_network_that_the_platform_tells_of_is_a_few_attempts():
    client = Client()
    client.take(i.NetworkChanged(Network.OFFLINE))
    client.fail(Cause.NETWORK_UNREACHABLE)
    client.run(60.0, cause=Cause.NETWORK_UNREACHABLE)
    attempts = times(client.run(60.0 + HOUR, cause=Cause.NETWORK_UNREACHABLE), OpenSocket)
    assert 3 <= len(attempts) <= 7
    assert any(isinstance(c, OpenSocket) for c in client.take(i.NetworkChanged(Network.ONLINE)))


@spec("T4")
def test_the_foreground_and_connect_begin_a_minute_of_frequent_attempts_anew():
    for lift in (i.AppStateChanged(AppState.FOREGROUND), i.ConnectCalled(1)):
        client = Client()
        client.take(i.NetworkChanged(Network.OFFLINE))
        client.fail(Cause.NETWORK_UNREACHABLE)
        client.run(HOUR, cause=Cause.NETWORK_UNREACHABLE)
        if isinstance(lift, i.AppStateChanged):
            client.take(i.AppStateChanged(AppState.BACKGROUND))
        assert any(isinstance(c, OpenSocket) for c in client.take(lift))
        client.fail(Cause.NETWORK_UNREACHABLE)
        assert len(times(client.run(client.now + 60.0, cause=Cause.NETWORK_UNREACHABLE), OpenSocket)) >= 3


@spec("T4")
def test_an_answer_of_the_server_ends_a_rare_wait():
    client = Client()
    client.take(i.NetworkChanged(Network.OFFLINE))
    client.fail(Cause.NETWORK_UNREACHABLE)
    client.run(HOUR, cause=Cause.NETWORK_UNREACHABLE)
    client.take(i.ServerAnswered())
    assert next_deadline(client.state) <= client.now + 20


@spec("T8")
def test_history_is_read_while_websockets_are_refused_and_no_longer():
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
def test_polling_can_be_switched_off_and_ends_with_the_wish():
    client = Client(poll_interval=None)
    for _ in range(5):
        client.fail(Cause.WEBSOCKET_REFUSED)
        client.run(client.now + 5.0)
        client.take(i.ConnectCalled(1))
    assert client.state.poll_at is None
    client = Client()
    for _ in range(3):
        client.fail(Cause.WEBSOCKET_REFUSED)
        client.take(i.ConnectCalled(1))
    assert client.state.poll_at is not None
    client.take(i.DisconnectCalled(2))
    assert next_deadline(client.state) is None


@spec("T7")
def test_an_attempt_goes_on_while_bytes_move_for_a_minute_at_most():
    client = Client()
    seen = client.run(200.0, moved_at=lambda now: now - 1)
    assert times(seen, AbandonSocket)[0] == 60.0
    client = Client()
    seen = client.run(200.0, moved_at=lambda now: min(now, 7.0))
    assert times(seen, AbandonSocket)[0] == 17.0


@spec("T3")
def test_an_answer_that_is_late_while_bytes_move_is_waited_for_thirty_seconds_at_most():
    client = Client()
    client.open()
    seen = client.run(200.0, moved_at=lambda now: now)
    assert times(seen, AbandonSocket)[0] == 15.0 + 30.0


@spec("T3", "T5")
def test_other_connections_are_not_trusted_after_a_death_in_silence():
    client = Client()
    client.open()
    seen = client.run(18.0)
    assert times(seen, DropConnections) == [18.0]
    client = Client()
    client.open()
    assert DropConnections() in client.take(i.NetworkChanged(Network.ONLINE))
    client.take(i.SocketLost(client.state.epoch, Cause.SERVER_CLOSED))
    assert client.commands.count(DropConnections()) == 1  # one that was closed in order says nothing of the others
