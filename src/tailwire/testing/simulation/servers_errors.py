"""Collect errors that simulated servers log, and exceptions that are never retrieved: each of them fails the run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tailwire.server.telemetry.logs import log
from tailwire.testing.simulation.servers_observed import BrokenPromise
from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.stopping import StoppingLoop

EXPECTED = ("the store cannot write", "the database does not answer")
"""How the log messages begin that are expected, because the simulated database causes these errors."""


class _Errors(logging.Handler):
    def __init__(self, loop: StoppingLoop, failures: list[BaseException]) -> None:
        super().__init__(logging.ERROR)
        self._loop = loop
        self._failures = failures

    def emit(self, record: logging.LogRecord) -> None:
        """Record an error that a server logged, unless it is expected: see `EXPECTED`, or the server was killed."""
        text = record.getMessage()
        if text.startswith(EXPECTED) or current_process.get() in self._loop.network.dead:
            return
        error = record.exc_info[1] if record.exc_info else None
        self._failures.append(BrokenPromise(f"a server logs {text!r} {error!r}"))

    def unhandled(self, loop: Any, context: dict[str, Any]) -> None:
        """Record an exception that the event loop reports, unless it belongs to a killed process."""
        task, handle = context.get("task") or context.get("future"), context.get("handle")
        of = handle._context.get(current_process, "") if handle is not None else self._loop.process_of(task)
        if of not in self._loop.network.dead:
            self._failures.append(BrokenPromise(f"{context.get('message')} {context.get('exception')!r}"))


@contextmanager
def collected_errors(failures: list[BaseException]) -> Iterator[None]:
    """While the `with` block runs, add unexpected errors of servers to a list, and print nothing that they log."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StoppingLoop)
    errors = _Errors(loop, failures)
    loop.set_exception_handler(errors.unhandled)
    before = log.propagate, log.disabled
    log.propagate = log.disabled = False
    log.addHandler(errors)
    try:
        yield
    finally:
        log.removeHandler(errors)
        log.propagate, log.disabled = before
