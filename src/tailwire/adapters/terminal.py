"""A terminal app: stopped (Ctrl+Z) is background, continued (fg) is foreground."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tailwire.adapters.loops import Client, LoopWatch, goodbye
from tailwire.adapters.watching import Watch, running_loop

GOODBYE = 0.25
STOPPED_WITHIN = 1.0
"""Seconds after which a process that a handler of the app should have stopped is taken for running."""


def watch_terminal(chat: Client, *, stop: Callable[[], object] | None = None) -> Watch:
    """Watch for Ctrl+Z and `fg`: report the background before the process stops, the foreground when it goes on.

    ```python
    with watch_terminal(chat):
        ...
    ```

    At SIGTSTP the socket says goodbye (which takes a quarter of a second at the most), then the process stops. At
    SIGCONT the client is in the foreground again. Handlers of these signals that were there before are called as well:
    one for SIGTSTP has to stop the process itself, after the goodbye, as it did before. They are put back when the
    watch is closed. Where Ctrl+Z is ignored (`SIG_IGN`) it stays so, and nothing is known. A process that is stopped
    by SIGSTOP cannot report it.

    Args:
        chat: a `ChatClient`, or a `tailwire.sync.Client`.
        stop: stops the process, in place of the handler that was there before.

    Raises:
        TypeError: `chat` is no client.
        RuntimeError: this is not the main thread, the system has no SIGTSTP, a handler is
            there that Python cannot call, or this is a Textual app: use `watch_textual`.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
    """
    if not hasattr(signal, "SIGTSTP"):
        raise RuntimeError("there is no SIGTSTP on this system: call set_app_state() yourself")
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals come to the main thread only: call watch_terminal() there")
    if running_textual_app() is not None:
        raise RuntimeError("a Textual app handles Ctrl+Z itself: use watch_textual(chat, app)")
    for number in (signal.SIGTSTP, signal.SIGCONT):
        if signal.getsignal(number) is None:
            raise RuntimeError(
                f"{number.name} has a handler that was not installed from Python and could not be kept: "
                "call set_app_state() yourself"
            )
    watch = LoopWatch(chat, "terminal")
    _Signals(watch, chat, stop).install()
    if signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN:
        watch.settle()
    else:
        watch.settle("paused")
    return watch


def running_textual_app() -> Any:
    """Return the Textual app that runs in this context, or None. Imports nothing."""
    active = getattr(sys.modules.get("textual._context"), "active_app", None)
    return active.get(None) if active is not None else None


class _Signals:
    """The handlers of one watch."""

    def __init__(self, watch: LoopWatch, chat: Client, stop: Callable[[], object] | None) -> None:
        self._watch = watch
        self._chat = chat
        self._stop = stop
        self._closed = False
        self._process = os.getpid()
        self._loop_is_here = running_loop() is watch.loop
        self._stopping: asyncio.Task[None] | None = None
        self._before: dict[int, Any] = {}

    def install(self) -> None:
        for number, handler in ((signal.SIGTSTP, self._told_to_stop), (signal.SIGCONT, self._continued)):
            if number == signal.SIGCONT or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, handler)
        self._watch.at_close(self._restore)

    def _restore(self) -> None:
        # A handler that was installed after ours, and calls ours, stays: ours passes on to the one before.
        self._closed = True
        if threading.current_thread() is threading.main_thread():
            for number, handler in ((signal.SIGTSTP, self._told_to_stop), (signal.SIGCONT, self._continued)):
                if signal.getsignal(number) == handler:
                    signal.signal(number, self._before[number])

    @property
    def _is_over(self) -> bool:
        # Closed, or a copy in a process that was forked: Ctrl+Z comes to that as well, and the client is not there.
        return self._closed or os.getpid() != self._process

    def _told_to_stop(self, number: int, frame: Any) -> None:
        # Called by Python in the main thread, between two of its instructions: whatever else is done here waits for it.
        loop = self._watch.loop
        if self._is_over or not loop.is_running():
            self._pass_on(frame)
        elif self._loop_is_here:
            loop.call_soon_threadsafe(self._begin_to_stop)
        else:
            self._watch.see("paused")
            said = asyncio.run_coroutine_threadsafe(goodbye(self._chat, GOODBYE), loop)
            with suppress(TimeoutError):
                said.result(2 * GOODBYE)
            self._pass_on(frame)

    def _begin_to_stop(self) -> None:
        if self._stopping is None or self._stopping.done():
            self._stopping = self._watch.loop.create_task(self._say_goodbye_and_stop(), name="tailwire watch: Ctrl+Z")

    async def _say_goodbye_and_stop(self) -> None:
        try:
            self._watch.see("paused")
            await goodbye(self._chat, GOODBYE)
        finally:
            self._pass_on(None)

    def _pass_on(self, frame: Any) -> None:
        before = self._before[signal.SIGTSTP]
        if self._stop is not None and not self._is_over:
            self._stop()
            self._look_later()
        elif callable(before):
            before(signal.SIGTSTP, frame)
            self._look_later()
        else:
            self._stop_as_by_default()
            if not self._is_over:
                self._watch.see("resumed")

    def _stop_as_by_default(self) -> None:
        # The system's own way: it leaves a process alone that no shell could continue.
        handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, handler)

    def _look_later(self) -> None:
        # Whether a handler of the app stops the process is its own affair; this runs only if the process does.
        loop = self._watch.loop
        if not self._is_over and loop.is_running():
            self._watch.call(lambda: loop.call_later(STOPPED_WITHIN, self._watch.see, "resumed"))

    def _continued(self, number: int, frame: Any) -> None:
        if not self._is_over and self._watch.loop.is_running():
            self._watch.loop.call_soon_threadsafe(self._watch.see, "resumed")
        before = self._before[signal.SIGCONT]
        if callable(before):
            before(number, frame)
