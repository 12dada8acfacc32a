"""The capacity of an access line: rates, queue, latency. Rule: values only, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

RATE_UNITS = {"": 1.0, "kbit": 125.0, "mbit": 125_000.0}
MAX_BYTES_PER_SECOND = 1e9
MAX_SECONDS = 3600.0


def from_kbit(rate: float) -> float:
    """Convert kbit/s to bytes per second."""
    return rate * RATE_UNITS["kbit"]


def read_rate(text: str) -> float:
    """Parse a rate and return bytes per second: `8000`, `64kbit`, `2mbit`; 0 for no limit.

    Raises:
        ValueError: for an invalid rate; the message lists the valid forms.
    """
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(kbit|mbit|)", text.strip().lower())
    rate = float(match[1]) * RATE_UNITS[match[2]] if match else -1.0
    if not 0 <= rate <= MAX_BYTES_PER_SECOND:
        raise ValueError(f"{text!r} is not a rate: give bytes per second (8000), 64kbit or 2mbit; 0 is no limit")
    return rate


def read_seconds(text: str) -> float:
    """Parse a number of seconds, such as `0.3`.

    Raises:
        ValueError: unless the text is a number from 0 to 3600.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"{text!r}: give seconds, a number from 0 to {MAX_SECONDS:g}")
    return seconds


@dataclass(frozen=True, slots=True)
class Shape:
    """An access line, shared by all connections through it.

    Attributes:
        up: bytes per second from the clients; 0 for no limit.
        down: bytes per second to the clients; 0 for no limit.
        queue: the size of the queue in each direction, in seconds of data at its rate. While it is full, the proxy does
            not read from the senders.
        latency: seconds that data takes after the queue, each way.

    Raises:
        ValueError: a value is negative or too large; the message names it.
    """

    up: float = 0.0
    down: float = 0.0
    queue: float = 0.2
    latency: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (
            ("up", MAX_BYTES_PER_SECOND),
            ("down", MAX_BYTES_PER_SECOND),
            ("queue", MAX_SECONDS),
            ("latency", MAX_SECONDS),
        ):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name}: give a number from 0 to {most:g}")
