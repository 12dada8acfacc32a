"""Pictures drawn with half blocks, two pixels in each cell. They need Pillow; without it, only file names are shown."""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from importlib.util import find_spec

from tailwire.tui.files import FileProblem
from tailwire.tui.message_lines import Line
from tailwire.wire.entities import Attachment, BaseMessage, MediaMessage

PICTURE_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
MAX_BYTES = 2 * 1024 * 1024
MAX_PIXELS = 12_000_000
WIDE, NARROW = 36, 16
"""The maximum columns of a picture: `WIDE` if there is room for them, otherwise `NARROW`."""
MAX_ROWS = 12
MAX_KEPT_PICTURES = 60
PICTURES_AT_ONCE = 2
_HALF_BLOCK = "▀"  # the upper half in the first color, the lower half in the second


def half_blocks(data: bytes, columns: int, rows: int = MAX_ROWS) -> list[Line] | None:
    """Return a picture as at most `rows` lines of at most `columns` cells, scaled down if necessary.

    The style of each piece is `#RRGGBB#RRGGBB`: the colors of the upper and the lower pixels. Of an animation only the
    first picture is drawn. Only sizes and colors come from the file: no text of it reaches the terminal.

    Args:
        data: the content of the file.
        columns: the maximum number of cells in a line.
        rows: the maximum number of lines.

    Returns:
        The lines; None if the file is not a picture of `PICTURE_FORMATS`, is damaged, or has more than `MAX_PIXELS`.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=PICTURE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                return None
            image.draft("RGB", (columns * 2, rows * 4))
            image.thumbnail((columns, rows * 2))
            small = image.convert("RGBA")
        ground = Image.new("RGBA", small.size, "white")
        ground.alpha_composite(small)
        flat = ground.convert("RGB")
    except Exception:  # noqa: BLE001 - a decoder of a hostile file may raise anything
        return None
    width, height = flat.size
    raw = flat.tobytes()
    rows_of = [[raw[3 * n : 3 * n + 3].hex() for n in range(y * width, (y + 1) * width)] for y in range(height)]
    lines: list[Line] = []
    for y in range(0, height, 2):
        line: Line = []
        for upper, lower in zip(rows_of[y], rows_of[min(y + 1, height - 1)], strict=True):
            style = f"#{upper}#{lower}"
            if line and line[-1][1] == style:
                line[-1] = (line[-1][0] + _HALF_BLOCK, style)
            else:
                line.append((_HALF_BLOCK, style))
        lines.append(line)
    return lines


def picture_of(message: BaseMessage) -> Attachment | None:
    """Return the first attachment of a message that is a picture (not SVG); None if it has none or is deleted."""
    if not isinstance(message, MediaMessage) or message.deleted_at:
        return None
    return next(
        (one for one in message.attachments if one.mime_type.startswith("image/") and one.mime_type != "image/svg+xml"),
        None,
    )


class Pictures:
    """Fetches and decodes pictures when they become visible, and keeps those that were shown most recently.

    Args:
        fetch: returns the content of a file, given its URL and a limit in bytes; raises `FileProblem` if that fails.
        may_fetch: returns whether a picture at a URL may be fetched without a command of the user.
        on_change: called without arguments when a picture has been decoded, so that `lines` now returns it.

    Attributes:
        enabled: whether Pillow is installed; without it, no picture is fetched.
    """

    def __init__(
        self,
        fetch: Callable[[str, int], Awaitable[bytes]],
        may_fetch: Callable[[str], bool],
        on_change: Callable[[], None],
    ) -> None:
        self._fetch, self._may_fetch, self._on_change = fetch, may_fetch, on_change
        self.enabled = find_spec("PIL") is not None
        self._known: OrderedDict[tuple[str, int], list[Line]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(PICTURES_AT_ONCE)

    def lines(self, message: BaseMessage, room: int) -> list[Line]:
        """Return the lines of a message's picture. At the first call, begin to fetch it in the background.

        Args:
            message: the message.
            room: the columns that the picture may use.

        Returns:
            The lines; [] until the picture has been decoded, and if the message has no picture, it may not be fetched,
            cannot be shown, or the room is less than `NARROW`.
        """
        file = picture_of(message) if self.enabled else None
        url = file and (file.thumbnail or (file.url if file.size <= MAX_BYTES else ""))
        if not url or room < NARROW or not self._may_fetch(url):
            return []
        key = (url, WIDE if room >= WIDE else NARROW)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        self._known[key] = []
        if len(self._known) > MAX_KEPT_PICTURES:
            self._known.popitem(last=False)
        task = asyncio.get_running_loop().create_task(self._read(*key))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return []

    async def _read(self, url: str, columns: int) -> None:
        async with self._turns:
            try:
                data = await self._fetch(url, MAX_BYTES)
            except FileProblem:
                return  # its name and size are shown, and `s` says what is wrong
            found = await asyncio.to_thread(half_blocks, data, columns)
        if found and (url, columns) in self._known:
            self._known[url, columns] = found
            self._on_change()

    def close(self) -> None:
        """Cancel what is being fetched."""
        for task in self._tasks:
            task.cancel()
