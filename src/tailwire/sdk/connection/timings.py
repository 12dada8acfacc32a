"""The durations that the machine works with. Rule: no number of seconds stands anywhere else in this folder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations of the connection machine, all in seconds (T1 to T7).

    Attributes:
        background_window: how long manual mode keeps the socket in the background without a ping (S10).
        attempt: how long one attempt may go without a byte that moves, from the bootstrap to the authentication (T7).
        longest_attempt: what one attempt may take as a whole, while bytes move (T7).
        heartbeat_interval: silence after which a ping is sent, where the server announces nothing (T3).
        heartbeat_timeout: what an answer to a ping may take at least, where the server announces nothing (T3).
        moving: bytes that moved at most this long ago say that the line is alive (T3, T7).
        busy_timeout: what an answer to a ping may take while bytes move on any connection of this client (T3).
        stable_after: a connection that lived this long starts the count of failures afresh (T4).
        retry_base: the first waiting time's cap (T4).
        early: for how long after the first failure the waits have a cap of their own (T4).
        early_cap: that cap: what only this client has met is mostly over soon (T4).
        retry_cap: the longest waiting time after that (T4).
        late_after: after this long without a connection the waits have yet another cap (T4).
        late_cap: that cap (T4).
        rare_after: after this long without a connection, while the platform says offline, attempts become rare (T4).
        rare_cap: the longest waiting time then (T4).
        spread: window over which clients spread after a loss that all of them met (T5).
        renew_before: a token is renewed at most this long before it ends.
        late: a timer later than this means that the process slept or its event loop was blocked (T2).
        longest_server_wait: the most that a Retry-After of the server itself is believed (T6).
        longest_stranger_wait: the most that a Retry-After of anything in between is believed (T6).
        poll_interval: how often history is read while WebSockets are refused; None: it is not (T8).
        poll_after: refusals in a row after which that begins (T8).
        max_attempts: give up after this many failures in a row; None: never (T4).
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
