"""Formats log lines: as text for people, as JSON for programs.

Text from strangers can be part of a line, so none of its characters may begin a new line or control a terminal.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NEEDS_QUOTES = re.compile(r'[\s"=\\]|[^\x20-\x7e]|^$')


def iso_time(seconds: float) -> str:
    """Return a time, given in seconds since 1970, in ISO 8601: local, with milliseconds and the offset from UTC."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="milliseconds")


class TimeFormatter:
    """Formats the times of lines. The text of a second is formatted once, because many lines are written in it."""

    def __init__(self) -> None:
        self._second = -1
        self._before = self._after = ""

    def text(self, seconds: float) -> str:
        """Return a time as `iso_time` does."""
        whole = int(seconds)
        if whole != self._second:
            formatted = iso_time(whole)
            self._second, self._before, self._after = whole, formatted[:20], formatted[23:]
        return f"{self._before}{int((seconds - whole) * 1000):03d}{self._after}"


def escaped(text: str) -> str:
    """Return a text with control characters, line separators and surrogates escaped."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record that have a value."""
    return {k: v for k, v in getattr(record, "fields", {}).items() if v is not None and v != ""}


class TextFormatter(logging.Formatter):
    """`TIME LEVEL text key=value …`. A traceback follows in indented lines."""

    def __init__(self) -> None:
        super().__init__()
        self._times = TimeFormatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        parts = [self._times.text(record.created), record.levelname, escaped(record.getMessage())]
        parts += [f"{name}={_value(value)}" for name, value in fields_of(record).items()]
        line = " ".join(parts)
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            line += "".join(f"\n\t{escaped(one)}" for one in lines)
        return line


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    text = str(value)
    return json.dumps(text) if _NEEDS_QUOTES.search(text) else text


class JsonFormatter(logging.Formatter):
    """One JSON object in ASCII: `time`, `level`, `message`, the fields, and `exception` with a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self._times = TimeFormatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        found: dict[str, Any] = {
            "time": self._times.text(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return json.dumps(found, default=str, separators=(",", ":"))
