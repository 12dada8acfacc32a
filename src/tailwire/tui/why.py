"""The screen about the connection: its state and the reason, its history, and a dump for a report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tailwire.sdk.calls.connection import Connection
from tailwire.sdk.connection.explain import describe
from tailwire.tui.wording import error_text

REFRESH_SECONDS = 1.0
_MARKS = {"connected": ("●", "green"), "connecting": ("◐", "yellow"), "disconnected": ("○", "red")}


class ConnectionScreen(ModalScreen[None]):
    """The screen that explains the connection.

    Args:
        connection: the connection of the client.
        folder: the folder where `action_dump` writes its files.
    """

    CSS = """
    ConnectionScreen { align: center middle; background: $background 60%; }
    ConnectionScreen > Vertical {
        width: 84; max-width: 96%; height: auto; max-height: 90%; padding: 1 2;
        background: $surface; border: round $primary; border-title-color: $text;
    }
    ConnectionScreen #sentence { margin-bottom: 1; }
    ConnectionScreen VerticalScroll { height: auto; max-height: 16; }
    ConnectionScreen #why_keys { color: $text-muted; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f2,q", "leave", "Close"),
        Binding("d", "dump", "Write a dump"),
    ]

    def __init__(self, connection: Connection, folder: Path) -> None:
        super().__init__()
        self._connection, self._folder = connection, folder

    def compose(self) -> ComposeResult:
        """Yield the explanation of the connection, its history and the keys."""
        with Vertical() as box:
            box.border_title = "Connection"
            yield Static(id="sentence", markup=False)
            with VerticalScroll():
                yield Static(id="transitions")
            yield Static("d  write a dump for `tailwire replay`      esc  close", id="why_keys", markup=False)

    def on_mount(self) -> None:
        """Show the connection, and keep the screen current while it is open."""
        self._draw()
        self.set_interval(REFRESH_SECONDS, self._draw)

    def _draw(self) -> None:
        self.query_one("#sentence", Static).update(self._connection.explain())
        table = Table.grid(padding=(0, 2, 0, 0))
        past = self._connection.history
        for transition in reversed(past):
            mark, color = _MARKS.get(str(transition.status), ("◍", "magenta"))
            before = past[-1].at - transition.at
            ago = "latest" if transition is past[-1] else f"-{before:.1f} s"
            cause = describe(transition.cause) if transition.cause is not None else ""
            table.add_row(
                Text(ago, "dim", justify="right"), Text(f"{mark} {transition.status}", color), Text(transition.trigger),
                Text(cause, "dim"),
            )  # fmt: skip
        self.query_one("#transitions", Static).update(table)

    def action_dump(self) -> None:
        """Write a dump of the connection for `tailwire replay`; a notification shows its path or the error."""
        file = self._folder / f"tailwire-connection-{time.strftime('%Y%m%d-%H%M%S')}.json"
        try:
            self._connection.dump(file)  # in the event loop: the recorded events change there
        except OSError as e:
            self.notify(f"Not written. {error_text(e)}", severity="error", markup=False)
            return
        self.notify(f"Written: {file}. It contains no messages and no tokens.", markup=False)

    def action_leave(self) -> None:
        """Close the screen."""
        self.dismiss(None)
