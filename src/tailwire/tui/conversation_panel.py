"""The conversations on the left: presence, name, unread count, and the last line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tailwire.sdk.live.conversation_list import LiveConversation
from tailwire.tui.message_lines import conversation_title
from tailwire.tui.safe_text import padded
from tailwire.tui.wording import Place, name_of, place_of_conversation, preview_of
from tailwire.wire.entities import Group, User

LINES_PER_CONVERSATION = 2


class ConversationPanel(Widget, can_focus=True):
    """The list of conversations, two lines each.

    Attributes:
        opened: the key of the open conversation (see `Place.key`); "" while none is open.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"panel--{name}" for name in ("name", "unread", "last", "online", "offline", "opened", "cursor", "typing")
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next", show=False),
        Binding("up,k", "move(-1)", "Previous", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]

    class Chosen(Message):
        """The user chose a conversation to open."""

        def __init__(self, place: Place) -> None:
            super().__init__()
            self.place = place

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items: Sequence[LiveConversation] = ()
        self._first = self._cursor = 0
        self.opened = ""

    @property
    def places(self) -> list[Place]:
        """The shown conversations from top to bottom, as places."""
        return [place_of_conversation(item.conversation) for item in self._items]

    @property
    def unread(self) -> list[Place]:
        """The shown conversations with unread messages from top to bottom, as places."""
        return [place_of_conversation(i.conversation) for i in self._items if i.conversation.unread_message_count]

    def show(self, items: Sequence[LiveConversation]) -> None:
        """Replace the shown conversations."""
        self._items = items
        self._keep_visible()
        self.refresh()

    def open(self, key: str) -> None:
        """Mark a conversation as the open one, and move the cursor to it if it is shown.

        Args:
            key: the key of its place (see `Place.key`).
        """
        self.opened = key
        places = self.places
        self._cursor = next((n for n, place in enumerate(places) if place.key == key), self._cursor)
        self._keep_visible()
        self.refresh()

    def _keep_visible(self) -> None:
        room = max(self.size.height // LINES_PER_CONVERSATION, 1)
        self._cursor = min(self._cursor, max(len(self._items) - 1, 0))
        self._first = min(max(self._first, self._cursor - room + 1), self._cursor)
        self._first = max(min(self._first, len(self._items) - room), 0)

    def action_move(self, step: int) -> None:
        """Move the cursor down by `step` conversations, or up if it is negative; it stops at the ends."""
        self._cursor = min(max(self._cursor + step, 0), max(len(self._items) - 1, 0))
        self._keep_visible()
        self.refresh()

    def action_choose(self) -> None:
        """Post `Chosen` for the conversation under the cursor."""
        if self._items:
            self.post_message(self.Chosen(self.places[self._cursor]))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the conversation under the pointer, and post `Chosen` for it."""
        at = self._first + event.y // LINES_PER_CONVERSATION
        if at < len(self._items):
            self._cursor = at
            self.action_choose()

    def on_mouse_scroll_up(self) -> None:
        """Move the cursor up."""
        self.action_move(-1)

    def on_mouse_scroll_down(self) -> None:
        """Move the cursor down."""
        self.action_move(1)

    def render_line(self, y: int) -> Strip:
        """Return one line of the widget."""
        at, second = divmod(y, LINES_PER_CONVERSATION)
        at += self._first
        width = self.size.width
        if at >= len(self._items):
            return Strip.blank(width, self.rich_style)
        item = self._items[at]
        place = place_of_conversation(item.conversation)
        ground = Style()
        if place.key == self.opened:
            ground = self._style("opened")
        if self.has_focus and at == self._cursor:
            ground = self._style("cursor")
        line = self._second_line(item, width) if second else self._first_line(item, place, width)
        plain = self.rich_style
        return Strip([Segment(text, plain + style + ground) for text, style in line]).adjust_cell_length(width, plain)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"panel--{name}", partial=True)

    def _first_line(self, item: LiveConversation, place: Place, width: int) -> list[tuple[str, Style]]:
        c = item.conversation
        name, count = conversation_title(place.title, c.unread_message_count, width - 3)
        dot = (" ", self._style("offline"))
        if isinstance(c.conversation_with, User):
            online = c.conversation_with.status == "online"
            dot = ("●", self._style("online")) if online else ("○", self._style("offline"))
        return [dot, (" ", Style()), (name, self._style("unread" if count else "name")), (count, self._style("unread"))]

    def _second_line(self, item: LiveConversation, width: int) -> list[tuple[str, Style]]:
        if item.typing:
            return [("  ", Style()), (padded("typing …", width - 3), self._style("typing"))]
        last = item.conversation.last_message
        text = preview_of(last)
        if last is not None and isinstance(item.conversation.conversation_with, Group) and last.sender.uid:
            text = f"{name_of(last.sender)}: {text}"
        return [("  ", Style()), (padded(text, width - 3), self._style("last"))]
