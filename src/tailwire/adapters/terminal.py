"""Adapter for terminal apps: in the background while suspended (Ctrl+Z), in the foreground when continued (`fg`)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tailwire.adapters.loops import LoopClient, LoopWatch, wait_closed
from tailwire.adapters.watching import Watch, running_loop

CLOSE_TIMEOUT_SECONDS = 0.25
STOP_CHECK_SECONDS = 1.0
"""If the process still runs so long after the app's own handler was called, that handler has not stopped it."""


def watch_terminal(chat: LoopClient, *, stop: Callable[[], object] | None = None) -> Watch:
    """Report the background to a client before Ctrl+Z suspends the process, and the foreground when it continues.

    ```python
    with watch_terminal(chat):
        ...
    ```

    On SIGTSTP the client closes its socket, for at most 0.25 seconds; then the process stops. On SIGCONT the client is
    in the foreground again. Existing handlers of these signals are called as well, and restored when the watch is
    closed. An existing handler for SIGTSTP must still stop the process itself. If SIGTSTP is ignored (`SIG_IGN`), it
    stays ignored, and nothing is reported. SIGSTOP cannot be reported.

    Args:
        chat: a `ChatClient`, or a `tailwire.sync.Client`.
        stop: a function that stops the process, called in place of the existing handler; None to use that handler or
            the default action.

    Returns:
        The watch. What it can detect, its `knows`, is `paused`; nothing if SIGTSTP is ignored.

    Raises:
        TypeError: `chat` is not a client.
        RuntimeError: this is not the main thread, the system has no SIGTSTP, an existing handler was not installed from
            Python, or a Textual app is running (use `watch_textual`).
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
    """
    if not hasattr(signal, "SIGTSTP"):
        raise RuntimeError("there is no SIGTSTP on this system: call set_app_state()")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals are delivered to the main thread only: call watch_terminal() there")
    if running_textual_app() is not None:
        raise RuntimeError("a Textual app handles Ctrl+Z itself: use watch_textual(chat, app)")
    for number in (signal.SIGTSTP, signal.SIGCONT):
        if signal.getsignal(number) is None:
            raise RuntimeError(
                f"{number.name} has a handler that was not installed from Python and could not be restored: "
                "call set_app_state()"
            )
    watch = LoopWatch(chat, "terminal")
    _Signals(watch, chat, stop).install()
    if signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN:
        watch.settle()
    else:
        watch.settle("paused")
    return watch


def running_textual_app() -> Any:
    """Return the Textual app that runs in this context, or None. It does not import Textual."""
    active = getattr(sys.modules.get("textual._context"), "active_app", None)
    return active.get(None) if active is not None else None


class _Signals:
    """The handlers of SIGTSTP and SIGCONT of one watch."""

    def __init__(self, watch: LoopWatch, chat: LoopClient, stop: Callable[[], object] | None) -> None:
        self._watch = watch
        self._chat = chat
        self._stop = stop
        self._closed = False
        self._process = os.getpid()
        self._loop_is_here = running_loop() is watch.loop
        self._stopping: asyncio.Task[None] | None = None
        self._previous_handlers: dict[int, Any] = {}

    def install(self) -> None:
        for number, handler in ((signal.SIGTSTP, self._stop_requested), (signal.SIGCONT, self._continued)):
            if number == signal.SIGCONT or signal.getsignal(number) is not signal.SIG_IGN:
                self._previous_handlers[number] = signal.signal(number, handler)
        self._watch.at_close(self._restore)

    def _restore(self) -> None:
        # If another handler was installed later and calls ours, it stays; ours then only calls the previous one.
        self._closed = True
        if threading.current_thread() is threading.main_thread():
            for number, handler in ((signal.SIGTSTP, self._stop_requested), (signal.SIGCONT, self._continued)):
                if signal.getsignal(number) == handler:
                    signal.signal(number, self._previous_handlers[number])

    @property
    def _is_over(self) -> bool:
        # Closed, or running in a forked process, which gets Ctrl+Z as well but does not have the client.
        return self._closed or os.getpid() != self._process

    def _stop_requested(self, number: int, frame: Any) -> None:
        # Runs in the main thread between two bytecode instructions, and blocks it.
        loop = self._watch.loop
        if self._is_over or not loop.is_running():
            self._pass_on(frame)
        elif self._loop_is_here:
            loop.call_soon_threadsafe(self._begin_to_stop)
        else:
            self._watch.report("paused")
            closing = asyncio.run_coroutine_threadsafe(wait_closed(self._chat, CLOSE_TIMEOUT_SECONDS), loop)
            with suppress(TimeoutError):
                closing.result(2 * CLOSE_TIMEOUT_SECONDS)
            self._pass_on(frame)

    def _begin_to_stop(self) -> None:
        if self._stopping is None or self._stopping.done():
            self._stopping = self._watch.loop.create_task(self._close_and_stop(), name="tailwire watch: Ctrl+Z")

    async def _close_and_stop(self) -> None:
        try:
            self._watch.report("paused")
            await wait_closed(self._chat, CLOSE_TIMEOUT_SECONDS)
        finally:
            self._pass_on(None)

    def _pass_on(self, frame: Any) -> None:
        before = self._previous_handlers[signal.SIGTSTP]
        if self._stop is not None and not self._is_over:
            self._stop()
            self._check_later()
        elif callable(before):
            before(signal.SIGTSTP, frame)
            self._check_later()
        else:
            self._stop_as_by_default()
            if not self._is_over:
                self._watch.report("resumed")

    def _stop_as_by_default(self) -> None:
        # The default action does nothing if the process group is orphaned, so that no shell could continue the process.
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)

    def _check_later(self) -> None:
        # Reports the foreground again if the app's handler has not stopped the process.
        loop = self._watch.loop
        if not self._is_over and loop.is_running():
            self._watch.call(lambda: loop.call_later(STOP_CHECK_SECONDS, self._watch.report, "resumed"))

    def _continued(self, number: int, frame: Any) -> None:
        if not self._is_over and self._watch.loop.is_running():
            self._watch.loop.call_soon_threadsafe(self._watch.report, "resumed")
        before = self._previous_handlers[signal.SIGCONT]
        if callable(before):
            before(number, frame)
