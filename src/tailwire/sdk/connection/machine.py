"""One step of the connection machine: an input, the time and a random number go in; a state and commands come out.

Rules: a handler changes facts; what follows from them is `settle`'s; a handler of something that speaks of an epoch
asks first whether it is the current one (I7); deadlines that have passed are dealt with before the input that
found them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.backoff import asked_wait, renewal_wait, rest_of_window, retry_delay, waiting_time
from tailwire.sdk.connection.causes import Cause, Kind
from tailwire.sdk.connection.commands import (
    AbandonSocket,
    Answer,
    Command,
    ExpireSession,
    OpenSocket,
    RenewInPlace,
    Result,
    TellError,
)
from tailwire.sdk.connection.settle import clear_socket, ping_for, probe, settle, start_attempt
from tailwire.sdk.connection.state import App, Mode, Network, Phase, Session, State, copy_of, next_deadline

LATEST_CALLERS = 64
"""Pings under way at once, at the most; one more is told that the others have no answer yet."""


def step(state: State, happened: i.Input, now: float, chance: float) -> tuple[State, list[Command]]:
    """Take one input.

    Args:
        state: the state before. It is not changed.
        happened: what happened.
        now: seconds, on the clock that counts while the machine sleeps (T1). Never earlier than at the last step.
        chance: a random number in [0, 1): all the chance that this step may need.

    Returns:
        The state after, and what is to be done, in this order.
    """
    s = copy_of(state)
    out: list[Command] = []
    if s.ended:
        _answer_late_call(happened, out)
        return s, out
    if isinstance(happened, i.TimerFired):
        _heard(s, happened.heard_at)
    _pass_deadlines(s, now, chance, out)
    if not isinstance(happened, i.TimerFired):
        _HANDLERS[type(happened)](s, happened, now, chance, out)
    settle(s, now, out)
    return s, out


def _answer_late_call(happened: i.Input, out: list[Command]) -> None:
    if isinstance(happened, i.ConnectCalled | i.DisconnectCalled | i.PingCalled):
        out.append(Answer(happened.caller, Result.CLIENT_CLOSED))  # I9


# Time.


def _heard(s: State, at: float | None) -> None:
    if at is not None and s.heard_at is not None and at > s.heard_at:
        s.heard_at = at


def _pass_deadlines(s: State, now: float, chance: float, out: list[Command]) -> None:
    due = next_deadline(s)
    if due is None or now < due:
        return
    slept = now - due > s.timings.late  # T2
    if s.window_until is not None and now >= s.window_until:  # C7; also after a sleep, whatever it was (T1)
        s.window_until = None
        s.requested = False
        s.cause = Cause.WINDOW_EXPIRED
    if s.phase is Phase.OPEN:
        _watch_socket(s, now, slept, chance, out)
        _watch_token(s, now, chance, out)
    elif s.phase in (Phase.CONNECTING, Phase.RENEWING) and s.attempt_until is not None and now >= s.attempt_until:
        out.append(AbandonSocket(s.epoch))
        _failed(s, Cause.SLEPT if slept else Cause.ATTEMPT_TIMEOUT, None, now, chance, out)
    settle(s, now, out)


def _watch_socket(s: State, now: float, slept: bool, chance: float, out: list[Command]) -> None:
    heartbeat = s.heard_at is not None and now >= s.heard_at + s.interval and not s.paused
    if s.probe_until is None:
        if heartbeat:
            probe(s, now, Cause.SLEPT if slept else Cause.HEARTBEAT_TIMEOUT, out)
    elif now >= s.probe_until:
        alive = s.heard_at is not None and s.probe_sent is not None and s.heard_at > s.probe_sent
        if slept and not alive and s.probe_cause is not Cause.SLEPT and not s.paused:
            # Neither believed nor blamed: nobody was here to read the answer. Once more, then it counts.
            s.probe_until = None
            probe(s, now, Cause.SLEPT, out)
        elif alive or s.paused:
            out.extend(Answer(c, Result.NO_ANSWER) for c in s.pings if c)
            s.pings, s.probe_sent, s.probe_until, s.probe_cause = (), None, None, None
            if s.heard_at is not None and now >= s.heard_at + s.interval:
                probe(s, now, Cause.HEARTBEAT_TIMEOUT, out)
        else:
            cause = s.probe_cause or Cause.HEARTBEAT_TIMEOUT
            out.append(AbandonSocket(s.epoch))  # T3: not politely closed
            _lost(s, cause, None, now, chance, out)


def _watch_token(s: State, now: float, chance: float, out: list[Command]) -> None:
    if s.renew_at is None or now < s.renew_at:  # a socket that has just ended has none
        return
    if s.renewing:
        _not_renewed(s, now, chance)
    else:
        s.renewing, s.renew_at = True, now + s.timings.attempt
        out.append(RenewInPlace(s.epoch))


# The session.


def _session_begins(s: State, happened: Any, now: float, chance: float, out: list[Command]) -> None:
    _drop_socket(s, Cause.LOGGED_IN_ANEW, out)
    s.session = Session.VALID
    s.held = s.requested = s.barred = s.gave_up = s.renew_next = s.renewal_tried = False
    s.attempts, s.retry_at, s.not_before, s.spread_until, s.token_until = 0, None, None, None, None


def _logged_out(s: State, happened: Any, now: float, chance: float, out: list[Command]) -> None:
    s.session = Session.NONE
    s.held = s.requested = s.barred = s.gave_up = s.renew_next = s.renewal_tried = False
    s.attempts, s.not_before, s.spread_until, s.token_until = 0, None, None, None


def _client_closed(s: State, happened: Any, now: float, chance: float, out: list[Command]) -> None:
    s.ended = True
    s.requested = False


def _drop_socket(s: State, cause: Cause, out: list[Command]) -> None:
    if s.phase in (Phase.CONNECTING, Phase.RENEWING, Phase.OPEN):
        out.append(AbandonSocket(s.epoch))
        s.cause = cause
        out.extend(Answer(c, Result.ABANDONED, cause) for c in s.connects)
        s.connects = ()
        clear_socket(s)


# Calls.


def _connect_called(s: State, happened: i.ConnectCalled, now: float, chance: float, out: list[Command]) -> None:
    caller = happened.caller
    if s.session is Session.NONE:
        out.append(Answer(caller, Result.NOT_LOGGED_IN_CONNECT))
    elif s.session is Session.EXPIRED:
        out.append(Answer(caller, Result.SESSION_EXPIRED, Cause.TOKEN_REJECTED))
    elif s.mode is Mode.AUTO and s.app is App.BACKGROUND:
        out.append(Answer(caller, Result.IN_BACKGROUND, Cause.APP_IN_BACKGROUND))  # C18
    else:
        s.held = s.barred = s.gave_up = False
        s.requested = s.mode is Mode.MANUAL
        s.retry_at = None  # C17: cuts a waiting time short, but not what the server asked for (T6)
        s.connects = (*s.connects, caller)
        if s.phase is Phase.OPEN and s.window_until is not None:
            s.window_until = now + s.timings.background_window


def _disconnect_called(s: State, happened: i.DisconnectCalled, now: float, chance: float, out: list[Command]) -> None:
    if s.session is Session.NONE:
        out.append(Answer(happened.caller, Result.NOT_LOGGED_IN_DISCONNECT))
        return
    s.held = s.mode is Mode.AUTO
    s.requested = False
    settle(s, now, out)  # the socket goes first, then the answer
    out.append(Answer(happened.caller, Result.DISCONNECTED))


def _ping_called(s: State, happened: i.PingCalled, now: float, chance: float, out: list[Command]) -> None:
    if s.session is Session.NONE:
        out.append(Answer(happened.caller, Result.NOT_LOGGED_IN_PING))
    elif s.phase is not Phase.OPEN or len(s.pings) >= LATEST_CALLERS:
        out.append(Answer(happened.caller, Result.NO_SOCKET, s.cause))  # C6
    else:
        if s.window_until is not None:
            s.window_until = now + s.timings.background_window  # C5
        ping_for(s, now, happened.caller, out)


def _caller_gone(s: State, happened: i.CallerGone, now: float, chance: float, out: list[Command]) -> None:
    s.connects = tuple(c for c in s.connects if c != happened.caller)
    if happened.caller in s.pings:
        # Its pong is still to come and must not be taken for another caller's.
        s.pings = (*(c for c in s.pings if c not in (0, happened.caller)), 0)


# The world.


def _app_state_changed(s: State, happened: i.AppStateChanged, now: float, chance: float, out: list[Command]) -> None:
    if happened.app is s.app:
        return
    s.app = happened.app
    if s.app is App.FOREGROUND:
        s.held = s.gave_up = False  # C12
        s.retry_at = None  # T5: at once
        probe(s, now, Cause.PROBE_FAILED, out)


def _network_changed(s: State, happened: i.NetworkChanged, now: float, chance: float, out: list[Command]) -> None:
    was, s.network = s.network, happened.network
    if s.network is Network.OFFLINE:
        if was is not Network.OFFLINE:
            probe(s, now, Cause.PROBE_FAILED, out)  # C21
        return
    if was is Network.OFFLINE:
        s.gave_up = False
        if s.app is App.FOREGROUND:  # C20
            s.retry_at = None
            if s.phase is Phase.CONNECTING:
                out.append(AbandonSocket(s.epoch))
                s.cause = Cause.NETWORK_CHANGED
                start_attempt(s, now, out)
    probe(s, now, Cause.PROBE_FAILED, out)  # another network, perhaps: is the socket of the old one still good?


def _attempt_succeeded(s: State, happened: i.AttemptSucceeded, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch != s.epoch or s.phase is not Phase.CONNECTING:
        return
    s.phase = Phase.OPEN
    s.opened_at = s.heard_at = now
    s.attempt_until = s.retry_at = s.not_before = s.spread_until = None
    s.renewal_tried = False
    s.interval = happened.interval or s.timings.heartbeat_interval
    s.timeout = happened.timeout or s.timings.heartbeat_timeout
    _token_is_good_for(s, happened.left, now, chance)


def _token_is_good_for(s: State, left: float | None, now: float, chance: float) -> None:
    s.renewing, s.renewals_failed = False, 0
    s.token_until = now + left if left is not None else None
    s.renew_at = now + renewal_wait(s.timings, left, chance) if left is not None and s.has_provider else None


def _attempt_failed(s: State, happened: i.AttemptFailed, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.CONNECTING:
        _failed(s, happened.cause, happened.wait, now, chance, out)


def _failed(s: State, cause: Cause, wait: float | None, now: float, chance: float, out: list[Command]) -> None:
    s.attempts += 1
    clear_socket(s)
    out.append(TellError(cause))
    asked = asked_wait(s.timings, wait, None, chance)
    if asked is None and s.spread_until is not None and cause.kind is Kind.SHARED:
        asked = rest_of_window(s.timings, s.spread_until - now, chance)
    _come_back(s, cause, asked, s.attempts, now, chance, out)
    result = Result.SESSION_EXPIRED if s.session is Session.EXPIRED else Result.ATTEMPT_FAILED
    out.extend(Answer(c, result, cause) for c in s.connects)  # C13
    s.connects = ()


def _socket_lost(s: State, happened: i.SocketLost, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN:
        _lost(s, happened.cause, happened.within, now, chance, out)


def _lost(s: State, cause: Cause, within: float | None, now: float, chance: float, out: list[Command]) -> None:
    lived = s.opened_at is not None and now - s.opened_at >= s.timings.stable_after
    failures = 0 if lived else s.attempts  # T4: the count starts afresh only after a connection that lived
    s.attempts = 0 if lived else s.attempts + 1
    clear_socket(s)
    s.spread_until = now + within if within is not None else None
    _come_back(s, cause, asked_wait(s.timings, None, within, chance), failures, now, chance, out)


def _come_back(
    s: State, cause: Cause, asked: float | None, failures: int, now: float, chance: float, out: list[Command]
) -> None:
    s.cause = cause
    s.not_before = now + asked if asked is not None else None
    if cause.kind is Kind.TOKEN:
        if s.has_provider and not s.renewal_tried:
            s.renew_next = s.renewal_tried = True
            s.retry_at = now
        else:  # C22
            s.session, s.requested = Session.EXPIRED, False
            out.append(ExpireSession())
    elif cause.kind is Kind.REFUSED:
        s.barred = True
    elif s.timings.max_attempts is not None and s.attempts >= s.timings.max_attempts:
        s.gave_up = True
        out.append(TellError(Cause.GAVE_UP))
    else:
        s.retry_at = s.not_before or now + retry_delay(s.timings, cause, failures, s.network, chance)


def _pong_received(s: State, happened: i.PongReceived, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch != s.epoch or s.phase is not Phase.OPEN:
        return
    s.heard_at = now
    if not s.pings:
        return
    if s.pings[0]:
        out.append(Answer(s.pings[0], Result.PONG))
    s.pings = s.pings[1:]
    if s.pings:
        s.probe_sent, s.probe_until = now, now + s.timeout
    else:
        s.probe_sent = s.probe_until = s.probe_cause = None


def _reading_paused(s: State, happened: i.ReadingPaused, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN:
        s.paused = True


def _reading_resumed(s: State, happened: i.ReadingResumed, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN and s.paused:
        s.paused = False
        s.heard_at = now
        if s.probe_until is not None:
            s.probe_sent, s.probe_until = now, now + s.timeout


def _throttle_changed(s: State, happened: i.ThrottleChanged, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN:
        s.throttled = happened.on


def _token_renewed(s: State, happened: i.TokenRenewed, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch != s.epoch or s.phase is not Phase.RENEWING:
        return
    # The same attempt goes on with the new token, under the same deadline.
    s.renew_next, s.token_until = False, None
    s.phase = Phase.CONNECTING
    out.append(OpenSocket(s.epoch))


def _token_taken(s: State, happened: i.TokenTaken, now: float, chance: float, out: list[Command]) -> None:
    if happened.epoch == s.epoch and s.phase is Phase.OPEN:
        _token_is_good_for(s, happened.left, now, chance)


def _token_renewal_failed(
    s: State, happened: i.TokenRenewalFailed, now: float, chance: float, out: list[Command]
) -> None:
    if happened.epoch != s.epoch:
        return
    if s.phase is Phase.RENEWING:
        _failed(s, happened.cause, None, now, chance, out)
    elif s.renewing:
        _not_renewed(s, now, chance)


def _not_renewed(s: State, now: float, chance: float) -> None:
    # The socket stays for as long as the old token is good. When that ends, the server ends it.
    s.renewing = False
    s.renewals_failed += 1
    s.renew_at = now + waiting_time(s.timings, s.renewals_failed, chance)


_HANDLERS: dict[type, Callable[[State, Any, float, float, list[Command]], None]] = {
    i.SessionRestored: _session_begins,
    i.LoggedIn: _session_begins,
    i.LoggedOut: _logged_out,
    i.ClientClosed: _client_closed,
    i.ConnectCalled: _connect_called,
    i.DisconnectCalled: _disconnect_called,
    i.PingCalled: _ping_called,
    i.CallerGone: _caller_gone,
    i.AppStateChanged: _app_state_changed,
    i.NetworkChanged: _network_changed,
    i.AttemptSucceeded: _attempt_succeeded,
    i.AttemptFailed: _attempt_failed,
    i.SocketLost: _socket_lost,
    i.PongReceived: _pong_received,
    i.ReadingPaused: _reading_paused,
    i.ReadingResumed: _reading_resumed,
    i.ThrottleChanged: _throttle_changed,
    i.TokenRenewed: _token_renewed,
    i.TokenTaken: _token_taken,
    i.TokenRenewalFailed: _token_renewal_failed,
}
