"""The server's log. A line is a text, or the name of an event with fields. Never log secrets or texts of messages."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO

from tailwire.server.telemetry.line_writer import LineWriter, dropped_lines
from tailwire.server.telemetry.log_format import JsonFormatter, TextFormatter

log = logging.getLogger("tailwire.server")
access = logging.getLogger("tailwire.server.access")
"""The logger of the access log. It does not depend on the level of `log`; the setting `access_log` turns it on."""

FORMATS: dict[str, type[logging.Formatter]] = {"text": TextFormatter, "json": JsonFormatter}


class DirectWriter:
    """Takes finished lines of the access log without `logging`, which would be too slow for a line per request.

    Attributes:
        write: queues a line to be written; None while `configure` is not in effect, as in a server within a test.
        json: whether lines have to be JSON.
    """

    write: Callable[[str], None] | None = None
    json = False


direct = DirectWriter()


def report(event: str, level: int = logging.INFO, **fields: Any) -> None:
    """Log an event with fields, if the level of the log allows it.

    Args:
        event: the name of the event.
        level: the level, as for `logging`.
        fields: the fields. Those with the value "" or None are omitted.
    """
    if log.isEnabledFor(level):
        log.log(level, event, extra={"fields": fields})


class _Handler(logging.Handler):
    # Formats a record, and leaves it to a thread to write it.
    def __init__(self, stream: TextIO, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.writer = LineWriter(stream, report=self._dropped)

    def _dropped(self, count: int) -> str:
        return self.format(logging.LogRecord(log.name, logging.WARNING, "", 0, dropped_lines(count), (), None))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.writer.write(self.format(record))
        except Exception:  # noqa: BLE001 - as every handler: a record that cannot be formatted is reported there
            self.handleError(record)

    def close(self) -> None:
        direct.write = None
        self.writer.close()
        super().close()


def configure(level: str, form: str = "text", stream: TextIO | None = None) -> logging.Handler:
    """Have the loggers of the server and of uvicorn write to a stream, in a thread.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `text` or `json`.
        stream: the stream; None for standard error.

    Returns:
        The handler that writes. Close it at the end, so that it writes the lines that wait.
    """
    handler = _Handler(stream or sys.stderr, FORMATS[form]())
    for name in ("tailwire.server", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    access.setLevel(logging.INFO)
    set_level(level)
    direct.write, direct.json = handler.writer.write, form == "json"
    return handler


def set_level(level: str) -> None:
    """Set the level of the server's log: `debug`, `info`, `warning` or `error`.

    uvicorn logs from DEBUG on if the level is `debug`, otherwise from WARNING on.
    """
    log.setLevel(level.upper())
    logging.getLogger("uvicorn.error").setLevel("WARNING" if level != "debug" else "DEBUG")
