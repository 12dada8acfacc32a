"""The history of a conversation: a widget that shows the messages of a conversation or thread.

Only visible messages are measured. The scroll position is stored as a message and a line within it, so that the lines
being read do not move when older pages or new messages arrive, or the width changes.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events, on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tailwire.sdk.live.message_list import LiveMessage
from tailwire.tui.message_lines import NAME_COLOR_COUNT, Line, Neighbour, PictureOf, message_lines, neighbour_of
from tailwire.tui.viewport import Viewport

MAX_CACHED_MESSAGES = 500
WHEEL_LINES = 3
STYLE_NAMES = (
    "text time you separator action deleted pending failed quote quote_bar file thread unread reaction my_reaction "
    "read selected " + " ".join(f"name{n}" for n in range(NAME_COLOR_COUNT))
).split()
COMMANDS = (
    ("enter", "menu", "Menu of the message"),
    ("e", "edit", "Edit"),
    ("r", "reply", "Reply, or retry"),
    ("t", "thread", "Thread"),
    ("d", "delete", "Delete"),
    ("plus", "react", "React"),
    ("c", "copy", "Copy"),
    ("o", "open", "Open the file"),
    ("s", "save", "Save the file"),
    ("i", "receipts", "Who read it"),
    ("escape", "leave", "Write"),
)
"""The keys for the selected message. Each entry: the key in Textual's notation, the command's name, and its label."""


class History(Widget, can_focus=True):
    """The messages of a conversation.

    Args:
        me: the user's own uid.
        now: returns the time, in seconds since 1970.

    Attributes:
        me: the user's own uid.
        selected: the key of the selected message (`LiveMessage.key`); None for no selection.
        picture: returns the lines of a message's picture (see `PictureOf`); None to show no pictures.
        unread_threads: the ids of the messages with unread replies in their thread; call `draw_again` after a change.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"history--{name.replace('_', '-')}" for name in STYLE_NAMES}

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "step(-1)", "Previous message", show=False),
        Binding("down,j", "step(1)", "Next message", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "end('oldest')", "Oldest", show=False),
        Binding("end,G", "end('newest')", "Newest", show=False),
        *(Binding(keys, f"command('{name}')", words, show=False) for keys, name, words in COMMANDS),
    ]

    class Command(Message):
        """The user pressed a key of `COMMANDS`; `name` is the name of the command.

        It is posted even if no message is selected.
        """

        def __init__(self, history: History, name: str) -> None:
            super().__init__()
            self.history, self.name = history, name

    class AtTop(Message):
        """The beginning of the list is visible, or the user tried to go beyond it: older messages may be loaded.

        It can be posted repeatedly.
        """

    class SelectionChanged(Message):
        """The selection has changed: another message is selected, or no message."""

    class Seen(Message):
        """The end of the newest message is visible. Posted each time the messages are laid out in this position."""

    def __init__(self, me: str = "", *, now: Callable[[], float] = time.time, id: str | None = None) -> None:
        super().__init__(id=id)
        self.me = me
        self._now = now
        self._view = Viewport(lambda index: len(self._strips(index)), lambda: self.size.height)
        self._lines: OrderedDict[str, tuple[object, list[Strip]]] = OrderedDict()
        self._visible: list[tuple[str, Strip]] | None = None
        self._styles: dict[str, Style] = {}
        self.selected: str | None = None
        self.picture: PictureOf | None = None
        self.unread_threads: frozenset[int] = frozenset()

    # What is shown.

    @property
    def items(self) -> Sequence[LiveMessage]:
        """The messages, oldest first."""
        return self._view.items

    def show(self, items: Sequence[LiveMessage]) -> None:
        """Replace the messages, which are ordered oldest first.

        If the end was visible, the view follows the newest message; otherwise the visible messages keep their position.
        The selection ends if the selected message is not among them.
        """
        self._view.show(items)
        if self.selected is not None and self.selected not in self._view.index:
            self.select(None)
        self._lay_out_again()

    def selected_item(self) -> LiveMessage | None:
        """Return the selected message; None if no message is selected."""
        at = self._view.index.get(self.selected or "")
        return None if at is None else self.items[at]

    def select(self, key: str | None) -> None:
        """Select a message and scroll until it is visible.

        Args:
            key: the key of a message of `items`; None to end the selection.
        """
        if key != self.selected:
            self.selected = key
            self.post_message(self.SelectionChanged())
        if key is not None and self.size.height:
            self._view.reveal(key)
        self._lay_out_again()

    def select_next(self, step: int) -> None:
        """Move the selection down by a number of messages, or up if `step` is negative; it stops at the ends.

        If no message is selected, the newest one is selected instead.
        """
        if not self.items:
            return
        if self.selected not in self._view.index:
            self.select(self.items[-1].key)
            return
        wanted = self._view.index[self.selected] + step
        if wanted < 0:
            self.post_message(self.AtTop())
        self.select(self.items[min(max(wanted, 0), len(self.items) - 1)].key)

    def draw_again(self) -> None:
        """Draw all messages again, and post `Seen` again if the end is visible.

        Call it when a picture has arrived, after a change of `unread_threads`, or when the user returns.
        """
        self._lines.clear()
        self._lay_out_again()

    def follow_newest(self) -> None:
        """Scroll to the end, and stay there when messages are added."""
        self._view.follow_newest()
        self._lay_out_again()

    def scroll_lines(self, count: int) -> None:
        """Scroll down by a number of lines, or up if it is negative; at the beginning, post `AtTop`."""
        if self.items and self.size.height:
            if self._view.scroll(count):
                self.post_message(self.AtTop())
            self._lay_out_again()

    # Rendering.

    def _lay_out_again(self) -> None:
        self._visible = None
        self.refresh()

    def notify_style_update(self) -> None:
        """Discard the cached lines, because the colors of the theme have changed."""
        super().notify_style_update()
        self._styles.clear()
        self._lines.clear()
        self._visible = None

    def on_resize(self) -> None:
        """Discard the cached lines, because they were wrapped at another width."""
        self._lines.clear()
        self._lay_out_again()

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None and name.startswith("#"):  # two colors of a picture, which are too many to be kept
            return Style(color=name[:7], bgcolor=name[7:])
        if style is None:
            style = self._styles[name] = self.get_component_rich_style(
                f"history--{name.replace('_', '-')}", partial=name == "selected"
            )
        return style

    def _strips(self, index: int) -> list[Strip]:
        item = self.items[index]
        before = neighbour_of(self.items[index - 1], self.me, int(self._now())) if index else None
        stamp = (id(item), before, self.selected == item.key, item.message.id in self.unread_threads)
        known = self._lines.get(item.key)
        if known is not None and known[0] == stamp:
            self._lines.move_to_end(item.key)
            return known[1]
        made = self._draw_item(item, before)
        self._lines[item.key] = (stamp, made)
        if len(self._lines) > MAX_CACHED_MESSAGES:
            self._lines.popitem(last=False)
        return made

    def _draw_item(self, item: LiveMessage, before: Neighbour | None) -> list[Strip]:
        width = self.size.width
        unread = item.message.id in self.unread_threads
        lines = message_lines(
            item, before, width - 1, me=self.me, now=int(self._now()), picture=self.picture, unread_thread=unread
        )
        chosen = self.selected == item.key
        return [self._strip(line, width, chosen=chosen and line[0][1] != "separator") for line in lines]

    def _strip(self, line: Line, width: int, *, chosen: bool) -> Strip:
        ground = self._style("selected") if chosen else Style()
        segments = [
            Segment(text, self._style(style) + (Style() if style.startswith("#") else ground))
            for text, style in line
            if text
        ]
        plain = self._style("text") + ground
        return Strip(segments).adjust_cell_length(width, plain)

    def _layout(self) -> list[tuple[str, Strip]]:
        if self._visible is not None:
            return self._visible
        height, found = self.size.height, list[tuple[str, Strip]]()
        if self.items and height and self.size.width:
            self._view.settle()
            first, line = self._view.first()
            index, skipped = first, line
            while index < len(self.items) and len(found) < height:
                name = self.items[index].key
                found += [(name, strip) for strip in self._strips(index)[skipped:]]
                skipped, index = 0, index + 1
            if index >= len(self.items) and len(found) <= height:
                self.post_message(self.Seen())
            if first == 0 and line == 0:
                self.post_message(self.AtTop())
        blank = Strip.blank(self.size.width, self._style("text"))
        self._visible = ([("", blank)] * max(height - len(found), 0) + found)[:height]
        return self._visible

    def render_line(self, y: int) -> Strip:
        """Return one line of the widget."""
        layout = self._layout()
        if y < len(layout):
            return layout[y][1]
        return Strip.blank(self.size.width, self._style("text"))

    def text(self) -> str:
        """Return the visible lines as text without styles, joined by line breaks."""
        return "\n".join(strip.text.rstrip() for _, strip in self._layout())

    # Keys and mouse.

    def action_step(self, step: int) -> None:
        """Move the selection down by `step` messages, or up if it is negative (see `select_next`)."""
        self.select_next(step)

    def action_page(self, pages: int) -> None:
        """End the selection, and scroll down by pages, or up if the number is negative."""
        self.select(None)
        self.scroll_lines(pages * max(self.size.height - 2, 1))

    def action_end(self, which: str) -> None:
        """Go to an end of the history.

        Args:
            which: `oldest` selects the oldest loaded message; `newest` ends the selection and follows the newest one.
        """
        self.select(self.items[0].key if which == "oldest" and self.items else None)
        if which == "newest":
            self.follow_newest()

    def action_command(self, name: str) -> None:
        """Post `Command` with the name of a command of `COMMANDS`."""
        self.post_message(self.Command(self, name))

    @on(events.MouseScrollUp)
    @on(events.MouseScrollDown)
    def _turn_wheel(self, event: events.MouseEvent) -> None:
        event.stop()
        self.scroll_lines(WHEEL_LINES if isinstance(event, events.MouseScrollDown) else -WHEEL_LINES)

    def on_click(self, event: events.Click) -> None:
        """Select the message under the pointer."""
        layout = self._layout()
        if event.y < len(layout) and layout[event.y][0]:
            self.select(layout[event.y][0])
