"""A Textual app: stopped (Ctrl+Z) is background, continued (fg) is foreground. The focus is not counted."""

from __future__ import annotations

import inspect
from typing import Any

from tailwire.adapters.loops import Client, LoopWatch, goodbye
from tailwire.adapters.watching import Watch

GOODBYE = 0.25


def watch_textual(chat: Client, app: Any) -> Watch:
    """Watch a Textual app for being suspended (Ctrl+Z), and report it to a client.

    ```python
    class Chat(App):
        async def on_mount(self) -> None:
            self.app_watch = watch_textual(self.chat, self)
    ```

    The app's action `suspend_process` is taken over: the socket says goodbye (which takes a quarter of a second at the
    most), then the action does what it did. When it is back, the client is in the foreground. That the terminal has
    the focus or not changes nothing: the app is on the screen. A process that is stopped by `kill -TSTP` or SIGSTOP
    cannot report it before it stops.

    Args:
        chat: a `ChatClient` on the app's event loop, or a `tailwire.sync.Client`.
        app: the app.

    Raises:
        TypeError: `chat` is no client, or `app` no Textual app.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
    """
    before = getattr(app, "action_suspend_process", None)
    if before is None:
        raise TypeError(f"{app!r} is no Textual app: give the App object itself")
    watch = LoopWatch(chat, "textual")
    suspending = False

    async def action_suspend_process() -> None:
        nonlocal suspending
        if suspending:
            return
        suspending = True
        try:
            watch.see("paused")
            await goodbye(chat, GOODBYE)
            stopped = before()
            if inspect.isawaitable(stopped):
                await stopped
        finally:
            suspending = False
            watch.see("resumed")  # here the process runs: it was continued, or could not be stopped

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
