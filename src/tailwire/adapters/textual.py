"""Adapter for Textual: an app is in the background while it is suspended (Ctrl+Z). Focus does not count."""

from __future__ import annotations

import inspect
from typing import Any

from tailwire.adapters.loops import LoopClient, LoopWatch, wait_closed
from tailwire.adapters.watching import Watch

CLOSE_TIMEOUT_SECONDS = 0.25


def watch_textual(chat: LoopClient, app: Any) -> Watch:
    """Report the background to a client while a Textual app is suspended (Ctrl+Z).

    ```python
    class Chat(App):
        async def on_mount(self) -> None:
            self.app_watch = watch_textual(self.chat, self)
    ```

    It replaces the app's action `suspend_process`: the client first closes its socket, for at most 0.25 seconds, then
    the original action is called. When that returns, the client is in the foreground again. The terminal's focus does
    not count. A process that is stopped by `kill -TSTP` or SIGSTOP is not reported.

    Args:
        chat: a `ChatClient` on the app's event loop, or a `tailwire.sync.Client`.
        app: the app.

    Returns:
        The watch. What it can detect, its `knows`, is `paused`.

    Raises:
        TypeError: `chat` is not a client, or `app` is not a Textual app.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
    """
    before = getattr(app, "action_suspend_process", None)
    if before is None:
        raise TypeError(f"{app!r} is not a Textual app: give the App object")
    watch = LoopWatch(chat, "textual")
    suspending = False

    async def action_suspend_process() -> None:
        nonlocal suspending
        if suspending:
            return
        suspending = True
        try:
            watch.report("paused")
            await wait_closed(chat, CLOSE_TIMEOUT_SECONDS)
            stopped = before()
            if inspect.isawaitable(stopped):
                await stopped
        finally:
            suspending = False
            watch.report("resumed")  # the process was continued, or could not be stopped

    def undo() -> None:
        if vars(app).get("action_suspend_process") is action_suspend_process:
            if was_own is None:
                del app.action_suspend_process
            else:
                app.action_suspend_process = was_own

    was_own = vars(app).get("action_suspend_process")
    app.action_suspend_process = action_suspend_process
    watch.at_close(undo)
    watch.settle("paused")
    return watch
