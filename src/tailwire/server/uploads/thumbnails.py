"""Small copies of pictures, within a budget of memory: a small file can be a picture that unpacks to gigabytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tailwire.server import private_files
from tailwire.server.ports.uploads import Picture

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
THUMBNAIL = (320, 320)
MAX_BYTES = 32 * 1024 * 1024
MAX_PIXELS = 12_000_000
# A JPEG that is stored in one pass is unpacked at an eighth of its size, line by line.
MAX_PIXELS_REDUCED = 50_000_000

_START, _SCAN = 0xD8, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_IN_ONE_PASS = (0xC0, 0xC1)


def make_thumbnail(source: Path, target: Path | None) -> Picture | None:
    """Measure a picture and write a small JPEG of it.

    Args:
        source: the picture.
        target: where the small copy goes, and where nothing is left when there is none; None: it is only measured.

    Returns:
        Its width and height in pixels, and whether there is a small copy: none of a picture over the budget. None when
        it is no picture that can be read.
    """
    from PIL import Image

    try:
        # Pillow's warnings are left as they are: to have them raised would change that for all threads.
        with Image.open(source, formats=FORMATS) as image:
            width, height = image.size
            if target is None or not _is_affordable(image, source):
                return Picture(width, height, small=False)
            small = _reduced(image)
            with private_files.open_new(target) as file:
                small.save(file, "JPEG", quality=80)
            return Picture(width, height, small=True)
    except (OSError, ValueError, SyntaxError, MemoryError, Warning, Image.DecompressionBombError):
        if target is not None:
            target.unlink(missing_ok=True)
        return None


def _is_affordable(image: Opened, source: Path) -> bool:
    width, height = image.size
    if width * height <= MAX_PIXELS:
        return source.stat().st_size <= MAX_BYTES
    if image.format not in ("JPEG", "MPO") or width * height > MAX_PIXELS_REDUCED:
        return False
    with source.open("rb") as file:
        return _is_in_one_pass(file)


def _reduced(image: Opened) -> Opened:
    from PIL import ImageOps

    image.draft("RGB", THUMBNAIL)
    image.thumbnail(THUMBNAIL)
    # Turned as the camera was held: after the reduction, when a copy costs nothing.
    return (ImageOps.exif_transpose(image) or image).convert("RGB")


def _is_in_one_pass(file: BinaryIO) -> bool:
    # Whether a JPEG holds all colours in one scan. All else (progressive, a scan for each colour) is held in memory as
    # a whole, at full size, before the first line comes out.
    if file.read(2) != bytes((0xFF, _START)):
        return False
    colours = 0
    while (mark := _next_mark(file)) is not None:
        length = int.from_bytes(file.read(2))
        if mark == _SCAN:
            return 0 < colours == int.from_bytes(file.read(1))
        if mark in _FRAMES:
            if mark not in _IN_ONE_PASS:
                return False
            colours = int.from_bytes(file.read(max(0, length - 2))[5:6])
        else:
            file.seek(max(0, length - 2), 1)
    return False


def _next_mark(file: BinaryIO) -> int | None:
    # The marker that follows; None at the end, or where there is none.
    if file.read(1) != b"\xff":
        return None
    mark = file.read(1)
    while mark == b"\xff":
        mark = file.read(1)
    return mark[0] if mark else None
