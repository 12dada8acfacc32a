"""Makes thumbnails within a memory budget: a small file can decode to gigabytes of pixels."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from tailwire.server import private_files
from tailwire.server.ports.uploads import Picture

if TYPE_CHECKING:
    from PIL.Image import Image as Opened

PICTURE_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP")
THUMBNAIL_SIZE = (320, 320)  # pixels
MAX_BYTES = 32 * 1024 * 1024
MAX_PIXELS = 12_000_000
# A single-scan JPEG is decoded at an eighth of its size, line by line.
MAX_PIXELS_REDUCED = 50_000_000
# Each scan of a progressive JPEG passes over the whole picture: a small file may have thousands.
MAX_PIXELS_SCANNED = 400_000_000
TURNED = (5, 6, 7, 8)
"""The EXIF orientations with which a picture is shown with width and height exchanged."""

_START, _SCAN = 0xD8, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SINGLE_SCAN_FRAMES = (0xC0, 0xC1)


def make_thumbnail(source: Path, target: Path | None) -> Picture | None:
    """Measure a picture, and write a thumbnail as a JPEG. Blocks.

    Args:
        source: the file of the picture.
        target: the file of the thumbnail; None to measure only.

    Returns:
        The size with which the picture is shown, after its EXIF orientation was applied, and whether a thumbnail was
        written: none is for a picture that would take too much memory or time. None if the file is not a readable
        picture; then no file `target` is left.
    """
    from PIL import Image

    try:
        # Pillow's warnings are not turned into errors, because that would affect all threads.
        with Image.open(source, formats=PICTURE_FORMATS) as image:
            width, height = image.size
            small = _reduced_image(image) if target is not None and _is_affordable(image, source) else None
            if _is_turned(image):
                width, height = height, width
            if target is None or small is None:
                return Picture(width, height, has_thumbnail=False)
            with private_files.open_new(target) as file:
                small.save(file, "JPEG", quality=80)
            return Picture(width, height, has_thumbnail=True)
    except (OSError, ValueError, SyntaxError, MemoryError, Warning, Image.DecompressionBombError):
        if target is not None:
            target.unlink(missing_ok=True)
        return None


def _is_affordable(image: Opened, source: Path) -> bool:
    width, height = image.size
    if width * height <= MAX_PIXELS:
        if source.stat().st_size > MAX_BYTES:
            return False
        return image.format not in ("JPEG", "MPO") or width * height * _count_scans(source) <= MAX_PIXELS_SCANNED
    if image.format not in ("JPEG", "MPO") or width * height > MAX_PIXELS_REDUCED:
        return False
    with source.open("rb") as file:
        return _is_single_scan(file)


def _count_scans(source: Path) -> int:
    # The number of scans of a JPEG, or more: a thumbnail within it has some of its own.
    return source.read_bytes().count(bytes((0xFF, _SCAN)))


def _reduced_image(image: Opened) -> Opened:
    from PIL import ImageOps

    image.draft("RGB", THUMBNAIL_SIZE)
    image.thumbnail(THUMBNAIL_SIZE)
    # Apply the orientation after the reduction, when a copy is cheap.
    return (ImageOps.exif_transpose(image) or image).convert("RGB")


def _is_turned(image: Opened) -> bool:
    # Whether the picture is shown with width and height exchanged.
    from PIL import ExifTags, Image

    try:
        # The method of the class for PNG would decode the whole picture.
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation) in TURNED
    except (SyntaxError, struct.error):  # the EXIF data is invalid
        return False


def _is_single_scan(file: BinaryIO) -> bool:
    # Whether a JPEG has all components in one scan. Otherwise (progressive, or one scan each) the decoder keeps
    # the whole picture in memory at full size.
    if file.read(2) != bytes((0xFF, _START)):
        return False
    components = 0
    while (marker := _next_marker(file)) is not None:
        length = int.from_bytes(file.read(2))
        if marker == _SCAN:
            return 0 < components == int.from_bytes(file.read(1))
        if marker in _FRAMES:
            if marker not in _SINGLE_SCAN_FRAMES:
                return False
            components = int.from_bytes(file.read(max(0, length - 2))[5:6])
        else:
            file.seek(max(0, length - 2), 1)
    return False


def _next_marker(file: BinaryIO) -> int | None:
    # The next marker, or None at the end or for invalid data.
    if file.read(1) != b"\xff":
        return None
    marker = file.read(1)
    while marker == b"\xff":
        marker = file.read(1)
    return marker[0] if marker else None
