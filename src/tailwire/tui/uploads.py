"""The uploads in progress. They continue when the window that began them is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from tailwire.sdk.client import ChatClient
from tailwire.sdk.exceptions import CometChatException
from tailwire.tui.wording import error_text
from tailwire.wire.entities import MediaMessage

MAX_UPLOADS_AT_ONCE = 5


@dataclass(eq=False)
class Upload:
    """A file that is being sent, or was.

    Attributes:
        name: the name of the file to show.
        sent, size: the bytes sent so far, and the size of the file; both 0 until the first bytes are sent.
        watched: whether a window shows the upload and how it ends; if not, the chat notifies the user of its end.
        problem: why the file was not sent, as a text for the user; "" while it is being sent, and after it was sent.
        ended: set when the file was sent, sending it has failed, or it was cancelled.
        task: the task that sends it.
    """

    name: str
    sent: int = 0
    size: int = 0
    watched: bool = True
    problem: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    @property
    def percent(self) -> int:
        """The percentage that has been sent, rounded down; 0 while the size is not known."""
        return 100 * self.sent // self.size if self.size else 0


class Uploads:
    """The uploads of a chat.

    Args:
        chat: the client that sends the files.
        on_change: called without arguments when an upload begins, progresses or ends.
        notify: called when an upload ends that no window shows: with a text for the user, and True if it has failed or
            was cancelled.

    Attributes:
        running: the uploads in progress, in the order in which they began.
    """

    def __init__(self, chat: ChatClient, on_change: Callable[[], None], notify: Callable[[str, bool], None]) -> None:
        self._chat, self._on_change, self._notify = chat, on_change, notify
        self.running: list[Upload] = []

    @property
    def full(self) -> bool:
        """Whether `MAX_UPLOADS_AT_ONCE` uploads are in progress. The caller of `begin` checks it."""
        return len(self.running) >= MAX_UPLOADS_AT_ONCE

    def begin(self, message: MediaMessage, name: str) -> Upload:
        """Begin to send a file in the background, and return its upload.

        Args:
            message: the message with the file.
            name: the name of the file to show, safe for a terminal.
        """
        upload = Upload(name)
        self.running.append(upload)
        upload.task = asyncio.get_running_loop().create_task(self._send(upload, message), name="tailwire upload")
        self._on_change()
        return upload

    async def _send(self, upload: Upload, message: MediaMessage) -> None:
        def progress(name: str, sent: int, size: int) -> None:
            upload.sent, upload.size = sent, size
            self._on_change()

        sending: Coroutine[Any, Any, Any] = self._chat.send_media_message(message, on_progress=progress)
        try:
            await sending
        except CometChatException as e:
            upload.problem = f"Not sent. {error_text(e)}"
        except OSError as e:  # the file is gone, or cannot be read to its end
            upload.problem = f"Not sent. {error_text(e)} Choose another file."
        except asyncio.CancelledError:
            upload.problem = "Cancelled."  # by the user, or because the chat ends
        self.running.remove(upload)
        upload.ended.set()
        if not upload.watched:
            self._notify(f"{upload.name}: {upload.problem or 'sent.'}", bool(upload.problem))
        self._on_change()

    def cancel(self, upload: Upload) -> None:
        """Cancel an upload. Does not wait until it has ended."""
        if upload.task is not None:
            upload.task.cancel()

    def close(self) -> None:
        """Cancel all uploads. Does not wait until they have ended."""
        for upload in list(self.running):
            self.cancel(upload)

    def summary(self) -> str:
        """Return the name and progress of the oldest running upload, and how many others run; "" if none runs."""
        if not self.running:
            return ""
        first = self.running[0]
        more = f" and {len(self.running) - 1} more" if len(self.running) > 1 else ""
        return f"↑ {first.name} {first.percent} %{more}"
