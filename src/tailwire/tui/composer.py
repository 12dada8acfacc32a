"""The field for a message: Enter sends, Alt+Enter begins a new line."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea


class Composer(TextArea):
    """A field that grows with its text, up to six lines."""

    DEFAULT_CSS = """
    Composer { height: auto; max-height: 8; border: round $border-blurred; padding: 0 1; background: $background; }
    Composer:focus { border: round $primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("alt+enter,ctrl+j", "new_line", "New line", show=False, priority=True),
    ]

    class Sent(Message):
        """The user pressed Enter; `text` is the content of the field, which the field does not clear itself."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class EditLast(Message):
        """The user pressed ↑ in the empty field: they want to edit their last message."""

    class Left(Message):
        """The user pressed Escape: they want to stop editing or replying, or to leave the field."""

    class Scrolled(Message):
        """The user pressed Page Up or Page Down: the history shall scroll by `pages`, 1 for down and -1 for up."""

        def __init__(self, pages: int) -> None:
            super().__init__()
            self.pages = pages

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, soft_wrap=True, show_line_numbers=False, tab_behavior="focus", compact=False)
        self.highlight_cursor_line = False

    def action_new_line(self) -> None:
        """Insert a line break."""
        self.insert("\n")

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            self.post_message(self.Sent(self.text))
        elif event.key == "up" and not self.text:
            self.post_message(self.EditLast())
        elif event.key == "escape":
            self.post_message(self.Left())
        elif event.key in ("pageup", "pagedown"):
            self.post_message(self.Scrolled(-1 if event.key == "pageup" else 1))
        else:
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
