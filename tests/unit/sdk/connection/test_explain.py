"""The sentence that explains a state."""

from __future__ import annotations

import pytest

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.explain import describe, explain
from tailwire.sdk.connection.state import AppState, ConnectionStatus, Mode, Network, Phase, SessionState, State

NOW = 100.0


def sentence(reasons=(), details="", **facts):
    usual = {"session": SessionState.VALID, "status": ConnectionStatus.CONNECTED, "phase": Phase.OPEN, "opened_at": 40}
    return explain(State(**{**usual, **facts}), NOW, details, reasons)


def waiting(**facts):
    usual = {"phase": Phase.WAITING, "status": ConnectionStatus.DISCONNECTED, "opened_at": None, "retry_at": 107.25}
    return sentence(**{**usual, **facts})


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "connected: for 60 s"),
        ({"opened_at": None}, "connected: for 0 s"),
        (
            {"renewing": True, "token_until": 130.0},
            "connected: for 60 s; a new token is requested, the old one expires in 30 s",
        ),
        (
            {"renewals_failed": 2, "renew_at": 104.0},
            "connected: for 60 s; the token could not be renewed, the next try is in 4 s",
        ),
        (
            {"throttled": True, "status": ConnectionStatus.FEATURE_THROTTLED},
            "featureThrottled: for 60 s; the server has turned some features off under load",
        ),
        (
            {"mode": Mode.MANUAL, "app": AppState.BACKGROUND, "window_until": 112.0},
            "connected: for 60 s; in the background the socket closes in 12 s unless ping() is called",
        ),
        ({"renewing": True}, "connected: for 60 s; a new token is requested, the old one expires in 0 s"),
        (
            {"renewals_failed": 1, "renew_at": 99.0},
            "connected: for 60 s; the token could not be renewed, the next try is in 0 s",
        ),
        ({"probe_until": 99.0}, "connected: for 60 s; a probe was sent, its answer is due in 0.0 s"),
        ({"probe_until": 101.5}, "connected: for 60 s; a probe was sent, its answer is due in 1.5 s"),
    ],
)
def test_open_socket_is_explained(facts, words):
    assert sentence(**facts) == words


def test_sources_of_the_background_are_named_but_not_the_default_one():
    facts = {"mode": Mode.MANUAL, "app": AppState.BACKGROUND, "window_until": 112.0}
    assert "in the background (screen, tab) the socket" not in sentence(("app",), **facts)
    assert "in the background (screen, tab) the socket" in sentence(("tab", "app", "screen"), **facts)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "disconnected: attempt 1 starts in 7.2 s"),
        (
            {"cause": Cause.CONNECTION_REFUSED, "attempts": 2},
            "disconnected: attempt 3 starts in 7.2 s (nothing listens at the server's address)",
        ),
        (
            {"not_before": 107.25, "asked_by_server": True},
            "disconnected: attempt 1 starts in 7.2 s, as the server asked",
        ),
        (
            {"not_before": 107.25},
            "disconnected: attempt 1 starts in 7.2 s, as asked by something between here and the server",
        ),
        (
            {"poll_at": 110.0},
            "disconnected: attempt 1 starts in 7.2 s; meanwhile messages are read from history every 30 s",
        ),
        (
            {"network": Network.OFFLINE},
            "disconnected: attempt 1 starts in 7.2 s; the platform reports no network",
        ),
        (
            {"phase": Phase.CONNECTING, "status": ConnectionStatus.CONNECTING, "attempt_until": 105.0},
            "connecting: attempt 1 is in progress, for 5.0 s more unless bytes move",
        ),
        (
            {"phase": Phase.CONNECTING, "status": ConnectionStatus.CONNECTING, "attempt_until": 99.0},
            "connecting: attempt 1 is in progress, for 0.0 s more unless bytes move",
        ),
        ({"retry_at": 99.0}, "disconnected: attempt 1 starts in 0.0 s"),
        (
            {"gave_up": True, "phase": Phase.IDLE},
            "disconnected: too many attempts failed; connect(), the network or a return to the foreground starts again",
        ),
        (
            {"barred": True, "phase": Phase.IDLE},
            "disconnected: the server refused this client; fix the reason it gave, then call connect()",
        ),
        (
            {"phase": Phase.RENEWING, "status": ConnectionStatus.CONNECTING, "attempt_until": 105.0},
            "connecting: asking the token provider, for 5.0 s more unless bytes move",
        ),
        (
            {"mode": Mode.MANUAL, "phase": Phase.IDLE},
            "disconnected: manual mode, connect() was not called; connect() changes that",
        ),
        (
            {"mode": Mode.MANUAL, "phase": Phase.IDLE, "cause": Cause.WINDOW_EXPIRED},
            "disconnected: manual mode, connect() was not called after the background window ran out without a ping(); "
            "connect() changes that",
        ),
        (
            {"session": SessionState.EXPIRED, "phase": Phase.IDLE},
            "disconnected: the server rejected the token; log in again",
        ),
    ],
)
def test_lack_of_a_socket_is_explained(facts, words):
    assert waiting(**facts) == words


def test_cause_is_described_with_its_details():
    assert describe(None) == "nothing has happened yet"
    assert describe(Cause.PROXY_REFUSED, "HTTP 407") == "a proxy did not let the request through: HTTP 407"
    assert waiting(cause=Cause.PROXY_REFUSED, details="HTTP 407").endswith(
        "(a proxy did not let the request through: HTTP 407)"
    )


def test_refusal_of_the_server_is_explained_with_what_it_said():
    refused = waiting(barred=True, phase=Phase.IDLE, details="The app id is unknown.")
    assert refused == (
        "disconnected: the server refused this client: The app id is unknown; fix that, then call connect()"
    )
