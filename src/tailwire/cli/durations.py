"""Durations as arguments of commands: `2w`, `90d`, `12h`, `30m`, `45s`."""

from __future__ import annotations

import argparse
import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_DURATION = re.compile(r"([0-9]{1,6})([smhdw])")


def parse_duration(value: str) -> int:
    """Return the seconds of a duration such as `90d`: a number with the unit `s`, `m`, `h`, `d` or `w`.

    Raises:
        argparse.ArgumentTypeError: the text is not a duration.
    """
    found = _DURATION.fullmatch(value)
    if found is None:
        raise argparse.ArgumentTypeError(f"use a number and a unit, like 90d, 12h or 30m, not {value!r}")
    return int(found[1]) * _UNITS[found[2]]
