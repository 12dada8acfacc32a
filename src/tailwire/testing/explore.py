"""Explore every reachable state of the connection machine, and check every invariant at each step.

The connection machine is a pure function from a state, an input and a time to the next state and commands. To keep the
number of states finite, durations are small whole numbers; time moves by one second, to the next deadline, or past it;
and states are stored in a normalized form (`normalize`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.commands import Answer, Command, ReportError, ReportStatus
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import AppState, Mode, Network, Phase, SessionState, State, copy_of, next_deadline
from tailwire.sdk.connection.timings import Timings
from tailwire.testing.invariants import check_change, check_step

COARSE_TIMINGS = Timings(
    background_window=3,
    attempt=2,
    heartbeat_interval=2,
    heartbeat_timeout=1,
    longest_attempt=3,
    moving=1,
    busy_timeout=2,
    stable_after=3,
    retry_base=4,
    early_cap=4,
    retry_cap=4,
    late_cap=4,
    rare_cap=4,
    poll_interval=3,
    spread=1,
    late=2,
    renew_before=0,
    max_attempts=None,
)
TOKEN_LIFETIME_SECONDS = 3.0
TOKEN_TIMINGS = replace(COARSE_TIMINGS, renew_before=2, stable_after=1)
"""The timings of start states whose auth token expires.

To limit the number of states, only some of the events that have nothing to do with tokens are explored from them.
"""
LINE_TIMINGS = replace(COARSE_TIMINGS, stable_after=1)
"""The timings of start states on slow lines and behind proxies.

To limit the number of states, only some of the events that have nothing to do with lines are explored from them.
"""
_CHANCES = (0.0, 1.0)
_MAX_CALLERS = 1


def start_states() -> list[State]:
    """Return the states in which a client can start: each mode, with several timings, with and without a provider."""
    return [
        State(
            mode=mode, timings=replace(COARSE_TIMINGS, max_attempts=limit), has_provider=provider, interval=2, timeout=1
        )
        for mode in Mode
        for provider, limit in ((True, None), (False, 2))
    ] + [
        State(mode=mode, timings=timings, has_provider=timings == TOKEN_TIMINGS, interval=2, timeout=1)
        for timings in (TOKEN_TIMINGS, LINE_TIMINGS)
        for mode in Mode
    ]


def possible_events(s: State) -> Iterator[tuple[str, i.Input, float]]:
    """Yield every event that can happen in a normalized state: its name, the machine's input, and the time of it.

    The time is in seconds after the time of the state, which is 0. Which events are explored also depends on the
    state's timings (`TOKEN_TIMINGS`, `LINE_TIMINGS`).
    """
    e = s.epoch
    with_token, on_line = s.timings == TOKEN_TIMINGS, s.timings == LINE_TIMINGS
    for name, event in _facts(s):
        unrelated = with_token and (name in _NOT_FOR_TOKENS or (s.mode is Mode.MANUAL and name.startswith("app ")))
        if not unrelated and not (on_line and name in _NOT_ON_LINES):
            yield name, event, 0.0
    if on_line:
        yield "server answered", i.ServerAnswered(), 0.0
    if s.phase is not Phase.IDLE:
        for epoch, age in ((e, ""), (e - 1, " (older socket)")):
            of_socket = _token_events(epoch) if with_token else _line_events(epoch) if on_line else None
            for name, event in of_socket or _socket_events(epoch, full=not age):
                yield name + age, event, 0.0
    due = next_deadline(s)
    if due is not None:
        ahead = max(due, 0.0)
        yield "timer", i.TimerFired(), ahead
        yield "timer, late", i.TimerFired(), ahead + s.timings.late + 1
        if s.phase is Phase.OPEN and not with_token:
            yield "timer, frames came", i.TimerFired(heard_at=ahead), ahead
        if on_line and s.phase is Phase.OPEN:
            yield "timer, frames were sent", i.TimerFired(said_at=ahead), ahead
        if on_line and (s.phase is Phase.CONNECTING or s.probe_until is not None):
            yield "timer, bytes moved", i.TimerFired(moved_at=ahead), ahead


_NOT_ON_LINES = frozenset({"ping()", "ping() cancelled", "connect() cancelled", "session restored", "logged out"})
_NOT_FOR_TOKENS = frozenset({"ping()", "ping() cancelled", "connect() cancelled", "network online", "network offline"})


def _facts(s: State) -> Iterator[tuple[str, i.Input]]:
    yield "session restored", i.SessionRestored()
    yield "logged in", i.LoggedIn()
    yield "logged out", i.LoggedOut()
    yield "client closed", i.ClientClosed()
    if len(s.connects) < _MAX_CALLERS:
        yield "connect()", i.ConnectCalled(len(s.connects) + 1)
    yield "disconnect()", i.DisconnectCalled(90)
    if len(s.pings) < 2:
        yield "ping()", i.PingCalled(50 + len(s.pings))
    if s.connects:
        yield "connect() cancelled", i.CallerGone(s.connects[0])
    if any(s.pings):
        yield "ping() cancelled", i.CallerGone(max(s.pings))
    for app in AppState:
        yield f"app {app}", i.AppStateChanged(app)
    for network in (Network.ONLINE, Network.OFFLINE):
        yield f"network {network}", i.NetworkChanged(network)


def _socket_events(epoch: int, *, full: bool) -> Iterator[tuple[str, i.Input]]:
    yield "attempt succeeded", i.AttemptSucceeded(epoch)
    yield "attempt failed", i.AttemptFailed(epoch, Cause.CONNECTION_REFUSED)
    yield "socket lost", i.SocketLost(epoch, Cause.SERVER_CLOSED)
    yield "pong", i.PongReceived(epoch)
    yield "token renewed", i.TokenRenewed(epoch)
    yield "token renewal failed", i.TokenRenewalFailed(epoch)
    if full:
        yield "attempt failed: busy, Retry-After", i.AttemptFailed(epoch, Cause.SERVER_BUSY, 3.0, ours=True)
        yield "attempt failed: token rejected", i.AttemptFailed(epoch, Cause.TOKEN_REJECTED)
        yield "token renewal failed: rejected", i.TokenRenewalFailed(epoch, Cause.TOKEN_REJECTED)
        yield "token renewal failed: no network", i.TokenRenewalFailed(epoch, Cause.NETWORK_UNREACHABLE)
        yield "attempt failed: refused", i.AttemptFailed(epoch, Cause.REFUSED)
        yield "socket lost: restart announced", i.SocketLost(epoch, Cause.SERVER_RESTARTING, 3.0)
        yield "socket lost: token rejected", i.SocketLost(epoch, Cause.TOKEN_REJECTED)
        yield "reading paused", i.ReadingPaused(epoch)
        yield "reading resumed", i.ReadingResumed(epoch)
        yield "throttled", i.ThrottleChanged(epoch, True)
        yield "throttled no more", i.ThrottleChanged(epoch, False)


def _line_events(epoch: int) -> Iterator[tuple[str, i.Input]]:
    yield "attempt succeeded", i.AttemptSucceeded(epoch)
    yield "attempt succeeded: slow line", i.AttemptSucceeded(epoch, round_trip=1.0)
    yield "attempt failed", i.AttemptFailed(epoch, Cause.CONNECTION_REFUSED)
    yield "attempt failed: busy, Retry-After", i.AttemptFailed(epoch, Cause.SERVER_BUSY, 3.0, ours=True)
    yield "attempt failed: proxy, Retry-After", i.AttemptFailed(epoch, Cause.PROXY_REFUSED, 3.0)
    yield "attempt failed: WebSocket refused", i.AttemptFailed(epoch, Cause.WEBSOCKET_REFUSED)
    yield "socket lost", i.SocketLost(epoch, Cause.SERVER_CLOSED)
    yield "pong", i.PongReceived(epoch)
    yield "reading paused", i.ReadingPaused(epoch)
    yield "reading resumed", i.ReadingResumed(epoch)


def _token_events(epoch: int) -> Iterator[tuple[str, i.Input]]:
    yield "attempt succeeded: the token ends", i.AttemptSucceeded(epoch, left=TOKEN_LIFETIME_SECONDS)
    yield "attempt failed: token rejected", i.AttemptFailed(epoch, Cause.TOKEN_REJECTED)
    yield "socket lost", i.SocketLost(epoch, Cause.SERVER_CLOSED)
    yield "socket lost: token rejected", i.SocketLost(epoch, Cause.TOKEN_REJECTED)
    yield "pong", i.PongReceived(epoch)
    yield "token renewed", i.TokenRenewed(epoch)
    yield "token taken", i.TokenTaken(epoch, TOKEN_LIFETIME_SECONDS)
    yield "token taken, for good", i.TokenTaken(epoch)
    yield "token renewal failed", i.TokenRenewalFailed(epoch)


def normalize(s: State, now: float) -> State:
    """Return an equivalent state with times relative to `now`, so that states reached at different times can be equal.

    Counters and ages are limited to the values from which on the machine's behaviour no longer changes, and facts
    that only affect reports or the length of a wait are removed.
    """

    def ahead(t: float | None) -> float | None:
        return None if t is None else t - now

    def age(t: float | None, most: float) -> float | None:
        return None if t is None else -min(now - t, most)

    n = copy_of(s)
    n.epoch = min(s.epoch, 2)
    n.attempts = min(s.attempts, 3)
    n.cause = None
    n.network = Network.UNKNOWN if s.network is Network.ONLINE else s.network
    n.retry_at, n.attempt_until = ahead(s.retry_at), ahead(s.attempt_until)
    n.not_before = None if s.not_before is None or s.not_before <= now else s.not_before - now
    n.asked_by_server = s.asked_by_server and n.not_before is not None
    n.failing_since = None  # only affects the length of a wait, and with these timings all waits are equal
    n.refusals = min(s.refusals, s.timings.poll_after)
    n.poll_at, n.attempt_end = ahead(s.poll_at), ahead(s.attempt_end)
    n.round_trip = min(round(s.round_trip), 1)
    n.spread_until = None if s.spread_until is None or s.spread_until <= now else s.spread_until - now
    n.window_until, n.probe_until = ahead(s.window_until), ahead(s.probe_until)
    n.token_until = None if s.token_until is None else max(0.0, s.token_until - now)
    n.renew_at, n.renewals_failed = ahead(s.renew_at), min(s.renewals_failed, 2)
    n.opened_at = age(s.opened_at, s.timings.stable_after)
    n.heard_at = age(s.heard_at, s.interval + s.timings.late)
    n.said_at = age(s.said_at, 2 * s.interval + s.timings.late)
    n.probe_sent = age(s.probe_sent, s.interval + s.timings.late)
    if s.timings != LINE_TIMINGS:  # slowness of the line and the time of the last send are explored with `LINE_TIMINGS`
        n.round_trip = 0.0
        n.said_at = n.said_at if n.heard_at is None or n.said_at is None else max(n.said_at, n.heard_at)
    n.connects = tuple(range(1, len(s.connects) + 1))
    n.pings = tuple(50 + k if c else 0 for k, c in enumerate(s.pings))
    return n


@dataclass
class Exploration:
    """The result of an exploration.

    Attributes:
        states: number of states that were found.
        steps: number of checked steps.
        table: maps a state's name and an event's name (`abstract_name`, `possible_events`) to the possible outcomes:
            pairs of the next state's name and the names of the commands (`command_names`).
    """

    states: int = 0
    steps: int = 0
    table: dict[tuple[str, str], set[tuple[str, str]]] = field(default_factory=dict)


def abstract_name(s: State) -> str:
    """Return the name of a state in the table. States that differ only in times and counters have the same name."""
    flags = {
        "ended": s.ended,
        "expired": s.session is SessionState.EXPIRED,
        "barred": s.barred,
        "gave up": s.gave_up,
        "held": s.held,
        "requested": s.requested and s.mode is Mode.MANUAL,
    }
    words = [str(s.mode), str(s.app)]
    words += ["no user"] if s.session is SessionState.NONE else []
    words += [name for name, on in flags.items() if on]
    words.append(str(s.phase) + (" throttled" if s.throttled else "") + (" paused" if s.paused else ""))
    return ", ".join(words)


def command_names(commands: list[Command]) -> str:
    """Return the names of a step's commands for the table, separated by spaces; `-` if there are no commands."""
    words = []
    for c in commands:
        name = type(c).__name__
        if isinstance(c, ReportStatus):
            name += f"({c.status})"
        elif isinstance(c, ReportError):
            name += f"({c.cause})"
        elif isinstance(c, Answer):
            name += f"({c.result})"
        words.append(name)
    return " ".join(words) or "-"


def explore(
    initial: list[State] | None = None,
    *,
    tabulate: bool = True,
    take: Callable[..., tuple[State, list[Command]]] = step,
    max_states: int | None = None,
) -> Exploration:
    """Visit every state that can be reached, try every possible event in it, and check the invariants of each step.

    Args:
        initial: the normalized states to begin with; `start_states()` by default.
        tabulate: whether to fill `Exploration.table`.
        take: the machine, which takes a state, an input, the time and a random number; tests pass a faulty one.
        max_states: stop after at least this many states have been found; None for no limit.

    Raises:
        tailwire.testing.invariants.BrokenInvariant: at the first step that breaks an invariant.
    """
    found = Exploration()
    initial = start_states() if initial is None else initial
    visited: set[State] = set(initial)
    queue = deque(initial)
    while queue and (max_states is None or len(visited) < max_states):
        s = queue.popleft()
        for reached in _next(s, found, take, tabulate):
            if reached not in visited:
                visited.add(reached)
                queue.append(reached)
    found.states = len(visited)
    return found


def _next(
    s: State, found: Exploration, take: Callable[..., tuple[State, list[Command]]], tabulate: bool
) -> Iterator[State]:
    here = abstract_name(s)
    for name, event, passed in possible_events(s):
        for chance in _CHANCES:
            after, commands = take(s, event, passed, chance)
            found.steps += 1
            stays = passed == 0.0 and after == s  # as in half of all steps: `s` was checked when it was reached
            if stays:
                check_change(s, event, passed, after, commands)
            else:
                check_step(s, event, passed, after, commands)
            if tabulate:
                row = found.table.setdefault((here, name), set())
                row.add((here if stays else abstract_name(after), command_names(commands)))
            if not stays:
                yield normalize(after, passed)
            if not any(_drew_a_wait(t, s) for t in (after.retry_at, after.not_before, after.renew_at)):
                break  # randomness was not used
    due = next_deadline(s)
    if due is not None and due > 1:
        yield normalize(s, 1.0)


def _drew_a_wait(t: float | None, before: State) -> bool:
    return t is not None and t not in (before.retry_at, before.not_before)
