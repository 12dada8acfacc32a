"""Formats log lines: as text for people, as JSON for programs.

Text from clients can be part of a line, so characters that would begin a new line or control a terminal are escaped.
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
    """Return a time as ISO 8601 text in the local time zone, with milliseconds and the offset from UTC.

    Args:
        seconds: the time in seconds since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat(timespec="milliseconds")


class TimeFormatter:
    """Formats times as `iso_time` does, but faster for times within one second: only the milliseconds are replaced."""

    def __init__(self) -> None:
        self._second = -1
        self._before = self._after = ""

    def text(self, seconds: float) -> str:
        """Return a time, given in seconds since 1970, as `iso_time` does."""
        whole = int(seconds)
        if whole != self._second:
            formatted = iso_time(whole)
            self._second, self._before, self._after = whole, formatted[:20], formatted[23:]
        return f"{self._before}{int((seconds - whole) * 1000):03d}{self._after}"


def escaped(text: str) -> str:
    """Return a text with control characters, line separators and surrogates as escapes such as `\\x1b`."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record that `logs.report` has added, without those that are None or ""."""
    return {k: v for k, v in getattr(record, "fields", {}).items() if v is not None and v != ""}


class TextFormatter(logging.Formatter):
    """Formats a record as a line `TIME LEVEL text key=value …`. A traceback follows in indented lines."""

    def __init__(self) -> None:
        super().__init__()
        self._times = TimeFormatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record, without a line break at its end."""
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
    """Formats a record as a JSON object in ASCII on one line.

    Its members are `time`, `level`, `message`, the fields of the record, and `exception` with the text of a traceback.
    """

    def __init__(self) -> None:
        super().__init__()
        self._times = TimeFormatter()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record, without a line break at its end."""
        found: dict[str, Any] = {
            "time": self._times.text(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return json.dumps(found, default=str, separators=(",", ":"))
