"""What an access line can carry: its rates, its queue, its latency. Rule: values only, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

UNITS = {"": 1.0, "kbit": 125.0, "mbit": 125_000.0}
MAX_RATE = 1e9
MAX_SECONDS = 3600.0


def kbit(rate: float) -> float:
    """Return a rate of so many kbit/s in bytes per second."""
    return rate * UNITS["kbit"]


def read_rate(text: str) -> float:
    """Return the rate that a text names, in bytes per second: `8000`, `64kbit`, `2mbit`; 0 is no limit.

    Raises:
        ValueError: when it is no rate; says which forms are.
    """
    match = re.fullmatch(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(kbit|mbit|)", text.strip().lower())
    rate = float(match[1]) * UNITS[match[2]] if match else -1.0
    if not 0 <= rate <= MAX_RATE:
        raise ValueError(f"{text!r} is not a rate: give bytes per second (8000), 64kbit or 2mbit; 0 is no limit")
    return rate


def read_seconds(text: str) -> float:
    """Return the number of seconds that a text names.

    Raises:
        ValueError: when it is no number from 0 to an hour.
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
        up: bytes per second from the clients; 0 is no limit.
        down: bytes per second to the clients; 0 is no limit.
        queue: how many seconds of bytes, at the rate, wait before the line in each direction; a sender whose bytes
            find it full is not read from until there is room.
        latency: seconds that everything takes, each way.
    """

    up: float = 0.0
    down: float = 0.0
    queue: float = 0.2
    latency: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("up", MAX_RATE), ("down", MAX_RATE), ("queue", MAX_SECONDS), ("latency", MAX_SECONDS)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name}: give a number from 0 to {most:g}")
