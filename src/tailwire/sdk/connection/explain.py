"""Explain a state in one sentence: what it is, why, and what will change it."""

from __future__ import annotations

from collections.abc import Collection

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.state import AppState, Mode, Network, Phase, State
from tailwire.sdk.connection.wanted import Decision, decide

_CAUSES = {
    Cause.NETWORK_CHANGED: "the network changed",
    Cause.SLEPT: "the computer slept, or the event loop was blocked",
    Cause.PROBE_FAILED: "the server did not answer a probe",
    Cause.NEW_TOKEN: "there is a new token",
    Cause.HEARTBEAT_TIMEOUT: "the server did not answer a heartbeat",
    Cause.SERVER_CLOSED: "the server closed the connection",
    Cause.SERVER_RESTARTING: "the server is restarting",
    Cause.SERVER_BUSY: "the server is busy",
    Cause.CONNECTION_RESET: "the connection was reset",
    Cause.CONNECTION_REFUSED: "nothing listens at the server's address",
    Cause.NAME_LOOKUP_FAILED: "the server's name was not found",
    Cause.NETWORK_UNREACHABLE: "the network is unreachable",
    Cause.TLS_FAILED: "the TLS handshake with the server failed",
    Cause.CERTIFICATE_EXPIRED: "the server's certificate has expired, or this device's clock is wrong",
    Cause.CERTIFICATE_WRONG_HOST: "the server's certificate is for another host name",
    Cause.CERTIFICATE_UNKNOWN_ISSUER: "the server's certificate was issued by an authority that is not trusted here",
    Cause.CAPTIVE_PORTAL: "a sign-in page of the network answered instead of the server",
    Cause.PROXY_REFUSED: "a proxy did not let the request through",
    Cause.NOT_OUR_SERVER: "something that is not the chat server answered",
    Cause.WEBSOCKET_REFUSED: "a proxy refuses WebSockets",
    Cause.ATTEMPT_TIMEOUT: "the attempt took too long",
    Cause.BAD_ANSWER: "the server sent an invalid response",
    Cause.TOKEN_PROVIDER_FAILED: "the token provider failed",
    Cause.TOKEN_REJECTED: "the server rejected the token",
    Cause.REFUSED: "the server refused this client",
    Cause.GAVE_UP: "too many attempts failed",
    Cause.APP_IN_BACKGROUND: "the app went to the background",
    Cause.WINDOW_EXPIRED: "the background window ran out without a ping()",
    Cause.DISCONNECT_CALLED: "disconnect() was called",
    Cause.LOGGED_OUT: "logout() was called",
    Cause.LOGGED_IN_ANEW: "another login replaced it",
    Cause.CLIENT_CLOSED: "the client was closed",
}

_OBSTACLES = {
    Decision.CLIENT_CLOSED: "the client is closed; a new ChatClient is needed",
    Decision.NO_SESSION: "no user is logged in; it connects after login()",
    Decision.SESSION_EXPIRED: "the server rejected the token; log in again",
    Decision.IN_BACKGROUND: (
        "the app is in the background{} and auto mode closes the socket there; "
        "it reconnects when the app returns to the foreground"
    ),
    Decision.HELD: "disconnect() was called; connect(), login() or the next return to the foreground changes that",
    Decision.BARRED: "the server refused this client; fix the reason it gave, then call connect()",
    Decision.GAVE_UP: "too many attempts failed; connect(), the network or a return to the foreground starts again",
}


def describe(cause: Cause | None, details: str = "") -> str:
    """Return a cause in words, followed by the details if there are any; for None, that nothing has happened yet."""
    words = "nothing has happened yet" if cause is None else _CAUSES[cause]
    return f"{words}: {details}" if details else words


def explain(state: State, now: float, details: str = "", reasons: Collection[str] = ()) -> str:
    """Return one sentence: what the state is, why, and what will change it.

    Args:
        now: the current time, in seconds on the driver's clock.
        details: details of the last failed attempt, such as the HTTP status of a proxy.
        reasons: the sources that report the app to be in the background; the default one, "app", is not named.
    """
    named = ", ".join(sorted(set(reasons) - {"app"}))
    sentence = f"{state.status}: {_reason(state, now, details, f' ({named})' if named else '')}"
    if state.network is Network.OFFLINE and state.phase is not Phase.OPEN:
        sentence += "; the platform reports no network"
    return sentence


def _reason(s: State, now: float, details: str, named: str) -> str:
    if s.phase is Phase.OPEN:
        return _reason_when_open(s, now, named)
    reason = decide(s)
    if reason is Decision.NOT_REQUESTED:
        after = f" after {describe(s.cause)}" if s.cause else ""
        return f"manual mode, connect() was not called{after}; connect() changes that"
    if reason is Decision.BARRED and details:
        return f"{describe(Cause.REFUSED, details.rstrip('.'))}; fix that, then call connect()"
    if reason is not Decision.WANTED:
        return _OBSTACLES[reason].replace("{}", named)
    before = f" ({describe(s.cause, details)})" if s.cause else ""
    if s.phase is Phase.WAITING and s.retry_at is not None:
        seconds = f"{max(0.0, s.retry_at - now):.1f}"
        return f"attempt {s.attempts + 1} starts in {seconds} s{_requested_wait(s)}{before}{_polling_note(s)}"
    until = max(0.0, (s.attempt_until or now) - now)
    doing = "asking the token provider" if s.phase is Phase.RENEWING else f"attempt {s.attempts + 1} is in progress"
    return f"{doing}, for {until:.1f} s more unless bytes move{before}{_polling_note(s)}"


def _requested_wait(s: State) -> str:
    if s.not_before is None:
        return ""
    return ", as the server asked" if s.asked_by_server else ", as asked by something between here and the server"


def _polling_note(s: State) -> str:
    if s.poll_at is None:
        return ""
    return f"; meanwhile messages are read from history every {s.timings.poll_interval:.0f} s"


def _reason_when_open(s: State, now: float, named: str) -> str:
    since = f"for {now - (s.opened_at if s.opened_at is not None else now):.0f} s"
    if s.renewing:
        since += f"; a new token is requested, the old one expires in {max(0.0, (s.token_until or now) - now):.0f} s"
    elif s.renewals_failed:
        since += f"; the token could not be renewed, the next try is in {max(0.0, (s.renew_at or now) - now):.0f} s"
    if s.throttled:
        since += "; the server has turned some features off under load"
    if s.window_until is not None and s.mode is Mode.MANUAL and s.app is AppState.BACKGROUND:
        left = f"{s.window_until - now:.0f} s"
        return f"{since}; in the background{named} the socket closes in {left} unless ping() is called"
    if s.probe_until is not None:
        return f"{since}; a probe was sent, its answer is due in {max(0.0, s.probe_until - now):.1f} s"
    return since
