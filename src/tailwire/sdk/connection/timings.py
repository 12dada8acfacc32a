"""All durations of the connection machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations of the connection machine, in seconds unless stated otherwise (T1 to T8).

    Attributes:
        background_window: how long manual mode keeps the socket in the background without a ping (S10).
        attempt: how long an attempt may last without a byte moving, from the settings to the authentication (T7).
        longest_attempt: how long an attempt may last in total, while bytes move (T7).
        heartbeat_interval: silence after which a ping is sent, unless the server announces another interval (T3).
        heartbeat_timeout: minimum time for the answer to a ping, unless the server announces another one (T3).
        moving: a line on which bytes moved at most this long ago is alive (T3).
        busy_timeout: maximum time for the answer to a ping while bytes move on any connection of this client (T3).
        stable_after: a connection that lasted this long is stable, and resets the count of failures (T4).
        retry_base: upper bound of the first wait (T4).
        early: how long after the first failure `early_cap` applies (T4).
        early_cap: upper bound of the waits in that time (T4).
        retry_cap: upper bound of the waits after that (T4).
        late_after: time without a connection after which `late_cap` applies (T4).
        late_cap: upper bound of the waits from then on (T4).
        rare_after: time without a connection after which `rare_cap` applies, while the platform reports offline (T4).
        rare_cap: upper bound of the waits from then on (T4).
        spread: window over which clients spread their reconnects after a loss that affects all of them (T5).
        renew_before: a token is renewed at most this long before it expires.
        late: a timer that fires later than this means that the process was suspended or its event loop blocked (T2).
        longest_server_wait: maximum Retry-After that is accepted from the server itself (T6).
        longest_stranger_wait: maximum Retry-After that is accepted from an intermediary (T6).
        poll_interval: interval of reading history while WebSockets are refused; None disables it (T8).
        poll_after: number of refusals in a row after which polling begins (T8).
        max_attempts: number of failures in a row after which the client gives up; None: never (T4).
    """

    background_window: float = 30.0
    attempt: float = 10.0
    longest_attempt: float = 60.0
    heartbeat_interval: float = 15.0
    heartbeat_timeout: float = 3.0
    moving: float = 10.0
    busy_timeout: float = 30.0
    stable_after: float = 30.0
    retry_base: float = 1.0
    early: float = 30.0
    early_cap: float = 4.0
    retry_cap: float = 20.0
    late_after: float = 300.0
    late_cap: float = 60.0
    rare_after: float = 60.0
    rare_cap: float = 1200.0
    spread: float = 1.0
    renew_before: float = 60.0
    late: float = 2.0
    longest_server_wait: float = 3600.0
    longest_stranger_wait: float = 60.0
    poll_interval: float | None = 30.0
    poll_after: int = 2
    max_attempts: int | None = None
