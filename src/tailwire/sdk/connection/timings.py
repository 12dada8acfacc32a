"""The durations that the machine works with. Rule: no number of seconds stands anywhere else in this folder."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations of the connection machine, all in seconds (T1 to T7).

    Attributes:
        background_window: how long manual mode keeps the socket in the background without a ping (S10).
        attempt: what one attempt may take, from the bootstrap to the authentication (T7).
        heartbeat_interval: silence after which a ping is sent, where the server announces nothing (T3).
        heartbeat_timeout: what an answer to a ping may take, where the server announces nothing (T3).
        stable_after: a connection that lived this long starts the count of failures afresh (T4).
        retry_base: the first waiting time's cap (T4).
        retry_cap: the longest waiting time (T4).
        spread: window over which clients spread after a loss that all of them met (T5).
        renew_before: a token is renewed at most this long before it ends.
        late: a timer later than this means that the process slept or its event loop was blocked (T2).
        longest_server_wait: the most that a Retry-After is believed (T6).
        max_attempts: give up after this many failures in a row; None: never (T4).
    """

    background_window: float = 30.0
    attempt: float = 10.0
    heartbeat_interval: float = 15.0
    heartbeat_timeout: float = 3.0
    stable_after: float = 30.0
    retry_base: float = 1.0
    retry_cap: float = 20.0
    spread: float = 1.0
    renew_before: float = 60.0
    late: float = 2.0
    longest_server_wait: float = 3600.0
    max_attempts: int | None = None
