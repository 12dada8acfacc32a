"""Which lines of the messages are visible. The scroll position is stored as a message and a line of it.

So the lines being read do not move when older pages or new messages arrive or the width changes, and only visible
messages are measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tailwire.sdk.live.message_list import LiveMessage


class Viewport:
    """The visible part of a list of messages. At first it follows the newest message.

    Args:
        height_of: returns the height in lines of the message at an index of `items`.
        room: returns the height of the visible part in lines.

    Attributes:
        items: the messages, oldest first.
        index: the index of each message in `items`, by its key.
    """

    def __init__(self, height_of: Callable[[int], int], room: Callable[[], int]) -> None:
        self._height_of, self._room = height_of, room
        self._top: tuple[str, int] | None = None  # message and its line at the top; None follows the newest
        self.items: Sequence[LiveMessage] = ()
        self.index: dict[str, int] = {}

    @property
    def at_end(self) -> bool:
        """Whether the end is visible and remains so when messages are added."""
        return self._top is None

    def show(self, items: Sequence[LiveMessage]) -> None:
        """Replace the messages.

        The message at the top stays there. If it is not among the new ones, the next of the old ones that is takes its
        place at the top; if there is no such message, the newest is followed.
        """
        old, old_index = self.items, self.index
        self.items, self.index = items, {item.key: n for n, item in enumerate(items)}
        if self._top is not None and self._top[0] not in self.index:
            gone = old_index.get(self._top[0], 0)
            later = next((item.key for item in old[gone:] if item.key in self.index), None)
            self._top = (later, 0) if later is not None else None

    def follow_newest(self) -> None:
        """Go to the end, and stay there when messages are added."""
        self._top = None

    def first(self) -> tuple[int, int]:
        """Return the index in `items` of the first visible message, and the number of its lines above the window."""
        if self._top is not None:
            return self.index[self._top[0]], self._top[1]
        return self._up_from(len(self.items), self._room())

    def settle(self) -> None:
        """Follow the newest message if its end is visible, as after heights have changed or messages were removed."""
        if self._top is not None:
            self._go_to(*self.first())

    def _up_from(self, index: int, room: int) -> tuple[int, int]:
        # Return the first visible message and line if the last visible line is the one before the message `index`.
        while index > 0 and room > 0:
            index -= 1
            room -= self._height_of(index)
        return index, max(-room, 0)

    def scroll(self, count: int) -> bool:
        """Scroll down by a number of lines, or up if it is negative.

        Return True if it stopped at the first line of the first message because there are no lines above.
        """
        index, line = self.first()
        line += count
        while line < 0 and index > 0:
            index -= 1
            line += self._height_of(index)
        reached = line < 0
        line = max(line, 0)
        while index < len(self.items) and line >= self._height_of(index):
            line -= self._height_of(index)
            index += 1
        self._go_to(index, line)
        return reached

    def _go_to(self, index: int, line: int) -> None:
        at_end = (index, line) >= self._up_from(len(self.items), self._room())
        self._top = None if at_end else (self.items[index].key, line)

    def reveal(self, key: str) -> None:
        """Scroll as little as needed to make a message visible.

        If it is higher than the visible part, its first lines are shown if it was above, otherwise its last lines.

        Args:
            key: the key of a message of `items`.
        """
        index, room = self.index[key], self._room()
        first, line = self.first()
        if index < first or (index == first and line):
            self._go_to(index, 0)
            return
        used = -line
        for n in range(first, index + 1):
            used += self._height_of(n)
            if used > room:  # it ends below the window: let it end at the bottom
                self._go_to(*self._up_from(index + 1, room))
                return
