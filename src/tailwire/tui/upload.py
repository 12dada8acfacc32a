"""The window that sends a file: a field for its path, with completion, and the progress of the upload."""

from __future__ import annotations

import asyncio
import mimetypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, ProgressBar, Static

from tailwire.tui.safe_text import safe_line
from tailwire.tui.uploads import Upload, Uploads
from tailwire.tui.wording import Place, error_text, size_text
from tailwire.wire.entities import MediaMessage

MAX_COMPLETIONS = 200
SHOWN_COMPLETIONS = 8


def path_completions(typed: str) -> list[str]:
    """Return paths of files and folders that begin with the typed text, in alphabetical order.

    A `~` at its beginning is replaced with the home folder. Folders end with a separator. Hidden files are listed once
    their dot is typed. If there are more than `MAX_COMPLETIONS`, any of them are left out; if the folder cannot be
    read, the list is empty.
    """
    path = os.path.expanduser(typed)
    folder, name = os.path.split(path)
    found = []
    try:
        with os.scandir(folder or ".") as entries:
            for entry in entries:
                if entry.name.startswith(name) and (name.startswith(".") or not entry.name.startswith(".")):
                    found.append(os.path.join(folder, entry.name) + (os.sep if entry.is_dir() else ""))
                    if len(found) >= MAX_COMPLETIONS:
                        break
    except OSError:
        return []
    return sorted(found)


def complete_path(typed: str, paths: Sequence[str]) -> str:
    """Return the longest common beginning of the paths of `path_completions`; the typed text if there is none."""
    if not paths:
        return typed
    first, last = min(paths), max(paths)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:same] or typed


def media_message(place: Place, path: str) -> MediaMessage:
    """Return a message to a place with a file as its attachment. Its type follows from the file's name.

    Blocks: it opens the file to find out whether it can be read.

    Raises:
        OSError: if the file does not exist, cannot be read, or is a folder.
    """
    file = Path(path).expanduser()
    with file.open("rb"):
        pass
    kind = (mimetypes.guess_type(file.name)[0] or "").partition("/")[0]
    return MediaMessage(
        receiver=place.id, receiver_type=place.kind, parent_message_id=place.parent, files=[file],
        type=kind if kind in ("image", "video", "audio") else "file",
    )  # fmt: skip


class UploadScreen(ModalScreen[None]):
    """The window that sends a file to a place. It has no result, and closes itself when its file has been sent."""

    CSS = """
    UploadScreen { align: center top; background: $background 60%; }
    UploadScreen > Vertical {
        width: 64; max-width: 94%; height: auto; margin-top: 2; padding: 0 1;
        background: $surface; border: round $primary; border-title-color: $text;
    }
    UploadScreen Input { border: none; height: 1; padding: 0; background: $surface; }
    UploadScreen #paths { color: $text-muted; height: auto; max-height: 9; }
    UploadScreen #problem { color: $error; height: auto; display: none; }
    UploadScreen ProgressBar { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Close"),
        Binding("tab", "complete", "Complete", priority=True),
        Binding("ctrl+x", "cancel", "Cancel what is being sent", priority=True),
    ]

    def __init__(self, uploads: Uploads, place: Place) -> None:
        super().__init__()
        self._uploads, self._place = uploads, place
        self._upload: Upload | None = None

    def compose(self) -> ComposeResult:
        """Yield the field, the paths and the progress."""
        with Vertical() as box:
            box.border_title = Content(f"Send a file to {self._place.title}")  # a string would be parsed as markup
            yield Input(placeholder="Path of the file; tab completes, enter sends")
            yield Static(id="paths", markup=False)
            yield ProgressBar(show_eta=False)
            yield Static(id="problem", markup=False)

    async def _list(self, typed: str) -> list[str]:
        paths = await asyncio.to_thread(path_completions, typed)
        names = [safe_line(os.path.basename(path.rstrip(os.sep)) + path[len(path.rstrip(os.sep)) :]) for path in paths]
        more = f"… and {len(paths) - SHOWN_COMPLETIONS} more" if len(paths) > SHOWN_COMPLETIONS else ""
        self.query_one("#paths", Static).update("\n".join([*names[:SHOWN_COMPLETIONS], *([more] if more else [])]))
        return paths

    def on_mount(self) -> None:
        """List the current folder."""
        self.run_worker(self._list(""), exclusive=True, group="paths")
        self.set_interval(0.1, self._draw)

    def on_unmount(self) -> None:
        """Let the upload of this window continue; from now on the chat notifies the user of its end."""
        if self._upload is not None:
            self._upload.watched = False

    def _draw(self) -> None:
        upload = self._upload or (self._uploads.running[-1] if self._uploads.running else None)
        bar = self.query_one(ProgressBar)
        bar.display = upload is not None
        if upload is not None:
            bar.update(total=max(upload.size, 1), progress=upload.sent)
            sent = f"{safe_line(upload.name)}  {size_text(upload.sent)} of {size_text(upload.size)}"
            self.query_one("#paths", Static).update(f"{sent}\nesc closes this window, ctrl+x cancels")

    def on_input_changed(self, event: Input.Changed) -> None:
        """List the paths that continue the typed one."""
        self.run_worker(self._list(event.value), exclusive=True, group="paths")

    def action_complete(self) -> None:
        """Continue the typed path as far as all files and folders that begin with it agree."""
        self.run_worker(self._complete(), exclusive=True, group="paths")

    async def _complete(self) -> None:
        field = self.query_one(Input)
        field.value = complete_path(field.value, await self._list(field.value))
        field.cursor_position = len(field.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Begin to send the file, unless this window is sending one already."""
        event.stop()
        if event.value.strip() and self._upload is None:
            self.run_worker(self._send(event.value.strip()), exclusive=True, group="send")

    async def _send(self, path: str) -> None:
        self._show("")
        if self._uploads.full:
            self._show("Too many files are being sent: wait for one of them.")
            return
        try:
            message = await asyncio.to_thread(media_message, self._place, path)
        except OSError as e:
            self._show(f"Not sent. {error_text(e)} Choose another file.")
            return
        self._upload = upload = self._uploads.begin(message, safe_line(Path(path).name))
        await upload.ended.wait()
        self._upload = None
        if upload.problem:
            self._draw()
            self._show(upload.problem)
            await self._list(self.query_one(Input).value)
        else:
            self.dismiss(None)

    def _show(self, text: str) -> None:
        problem = self.query_one("#problem", Static)
        problem.update(text)
        problem.display = bool(text)

    def action_leave(self) -> None:
        """Close the window. A file that is being sent continues to be sent."""
        self.dismiss(None)

    def action_cancel(self) -> None:
        """Cancel the upload of this window, or if it has none, the one of the chat that began last."""
        upload = self._upload or (self._uploads.running[-1] if self._uploads.running else None)
        if upload is not None:
            self._uploads.cancel(upload)
