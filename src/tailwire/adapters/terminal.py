"""A terminal app: stopped (Ctrl+Z) is background, continued (fg) is foreground."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, Protocol


class Informed(Protocol):
    """What an adapter tells: a `ChatClient`."""

    def set_app_state(self, state: Literal["foreground", "background"]) -> None: ...


def _stop_this_process() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@contextmanager
def watch_terminal(client: Informed, *, stop: Callable[[], None] = _stop_this_process) -> Iterator[None]:
    """While open, Ctrl+Z reports background and then stops the process; when it is continued, foreground is reported.

    A process that is stopped with SIGSTOP cannot report that it is; it reports the foreground when it is continued.

    Args:
        client: told of the changes.
        stop: stops the process, once the socket has had a moment to say goodbye.

    Raises:
        RuntimeError: when it is not called within a running event loop, or not on a POSIX system.
    """
    if not hasattr(signal, "SIGTSTP"):
        raise RuntimeError("there is no SIGTSTP on this system; call set_app_state() yourself")
    loop = asyncio.get_running_loop()
    pending: list[asyncio.TimerHandle] = []

    def to_background() -> None:
        client.set_app_state("background")
        pending.append(loop.call_later(0.05, stop))

    def to_foreground() -> None:
        for timer in pending:
            timer.cancel()
        pending.clear()
        client.set_app_state("foreground")

    loop.add_signal_handler(signal.SIGTSTP, to_background)
    loop.add_signal_handler(signal.SIGCONT, to_foreground)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTSTP)
        loop.remove_signal_handler(signal.SIGCONT)
        for timer in pending:
            timer.cancel()
