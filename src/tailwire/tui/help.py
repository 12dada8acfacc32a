"""The table of keys, and the screen that shows it."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

KEYS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Everywhere",
        (
            ("ctrl+k", "jump to a conversation, a user or a group"),
            ("alt+a", "next conversation with unread messages"),
            ("alt+↑  alt+↓", "conversation above, below"),
            ("alt+1 … alt+9", "conversation by its number"),
            ("ctrl+f", "search in the conversation"),
            ("ctrl+o", "send a file; esc closes the window, ctrl+x there cancels"),
            ("ctrl+p", "all commands; themes"),
            ("F2", "why the connection is as it is; d writes a dump"),
            ("ctrl+z", "suspend: in the background, offline"),
            ("F1", "these keys"),
            ("ctrl+q", "quit"),
        ),
    ),
    (
        "Writing",
        (
            ("enter", "send"),
            ("alt+enter", "new line"),
            ("↑", "in the empty field: edit the last message"),
            ("pgup  pgdn", "scroll the history"),
            ("esc", "select messages; cancels an edit or a reply"),
        ),
    ),
    (
        "On a selected message",
        (
            ("j k ↑ ↓", "select another one"),
            ("enter", "menu"),
            ("r", "reply; on one that failed: send again"),
            ("t", "open its thread"),
            ("e  d", "edit, delete"),
            ("+", "react"),
            ("c  i", "copy, who read it"),
            ("o  s", "open the file in the browser, save it"),
            ("g  G", "oldest, newest"),
            ("esc", "back to writing; closes a thread"),
        ),
    ),
)


class HelpScreen(ModalScreen[None]):
    """The screen that shows the keys."""

    CSS = """
    HelpScreen { align: center middle; background: $background 60%; }
    HelpScreen VerticalScroll { width: 72; max-width: 96%; height: auto; max-height: 94%; padding: 0 2;
        background: $surface; border: round $primary; border-title-color: $text; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,f1,q,enter", "leave", "Close")]

    def compose(self) -> ComposeResult:
        """Yield the table of keys."""
        with VerticalScroll() as box:
            box.border_title = "Keys"
            table = Table.grid(padding=(0, 2, 0, 0))
            for number, (title, keys) in enumerate(KEYS):
                if number:
                    table.add_row("", "")
                table.add_row(Text(title, "bold"), "")
                for key, words in keys:
                    table.add_row(Text(key), Text(words, "dim"))
            yield Static(table)

    def action_leave(self) -> None:
        """Close the screen."""
        self.dismiss(None)
