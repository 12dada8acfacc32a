"""Thumbnails within a memory budget."""

from __future__ import annotations

import io
import threading
import warnings
import zlib

import pytest
from PIL import Image

from tailwire.server.ports.uploads import Picture
from tailwire.server.uploads.thumbnails import _is_single_scan, make_thumbnail


def png_of(width: int, height: int) -> bytes:
    """Return a PNG whose RGBA pixels are all zero, without allocating them."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    packer, packed = zlib.compressobj(9), b""
    for _ in range(height):
        packed += packer.compress(bytes(1 + 4 * width))
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x06\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed + packer.flush()) + chunk(b"IEND", b"")


def jpeg_of(width: int, height: int, **more) -> bytes:
    out = io.BytesIO()
    Image.new("L", (width, height), 128).save(out, "JPEG", **more)
    return out.getvalue()


@pytest.fixture
def thumbnail(tmp_path):
    """Return a function that makes a thumbnail of some content, and returns what was found."""

    def made_of(content: bytes):
        (tmp_path / "picture").write_bytes(content)
        (tmp_path / "small").unlink(missing_ok=True)
        found = make_thumbnail(tmp_path / "picture", tmp_path / "small")
        assert (tmp_path / "small").exists() == bool(found and found.has_thumbnail)
        return found

    return made_of


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_picture_gets_a_thumbnail(thumbnail, tmp_path, kind):
    out = io.BytesIO()
    Image.new("RGB", (800, 400), "teal").save(out, kind)
    assert thumbnail(out.getvalue()) == Picture(800, 400, has_thumbnail=True)
    with Image.open(tmp_path / "small") as small:
        assert (small.format, small.size) == ("JPEG", (320, 160))


def test_thumbnail_is_rotated_as_the_exif_orientation_says(thumbnail, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the left edge of the stored picture is the top of the photo
    out = io.BytesIO()
    picture = Image.new("RGB", (800, 400), "blue")
    picture.paste("red", (0, 0, 400, 400))
    picture.save(out, "JPEG", exif=exif)
    thumbnail(out.getvalue())
    with Image.open(tmp_path / "small") as small:
        assert small.size == (160, 320)
        top, bottom = small.getpixel((80, 40)), small.getpixel((80, 280))
    assert top[0] > 200 > 50 > top[2]  # red
    assert bottom[2] > 200 > 50 > bottom[0]  # blue


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_size_is_that_of_the_picture_as_its_exif_orientation_shows_it(tmp_path, kind, orientation):
    exif, path = Image.Exif(), tmp_path / "picture"
    exif[0x0112] = orientation
    Image.new("RGB", (80, 40), "blue").save(path, kind, exif=exif)
    size = (40, 80) if orientation >= 5 else (80, 40)
    assert make_thumbnail(path, None) == Picture(*size, has_thumbnail=False)
    assert make_thumbnail(path, tmp_path / "small") == Picture(*size, has_thumbnail=True)
    with Image.open(tmp_path / "small") as small:
        assert small.size == size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*", b"Exif\0\0no TIFF data"])
def test_picture_with_invalid_exif_data_is_measured(tmp_path, kind, exif):
    Image.new("RGB", (80, 40), "blue").save(tmp_path / "picture", kind, exif=exif)
    assert make_thumbnail(tmp_path / "picture", None) == Picture(80, 40, has_thumbnail=False)


def test_png_is_measured_without_being_decoded(tmp_path, monkeypatch):
    (tmp_path / "picture").write_bytes(png_of(80, 40))
    monkeypatch.setattr(Image.Image, "load", lambda image: pytest.fail("decoded"))
    assert make_thumbnail(tmp_path / "picture", None) == Picture(80, 40, has_thumbnail=False)


@pytest.mark.slow
def test_picture_over_the_pixel_budget_has_a_size_and_no_thumbnail(thumbnail):
    assert thumbnail(png_of(4000, 3000)) == Picture(4000, 3000, has_thumbnail=True)
    assert thumbnail(png_of(4001, 3000)) == Picture(4001, 3000, has_thumbnail=False)


@pytest.mark.slow
def test_single_scan_jpegs_have_a_larger_budget(thumbnail):
    assert thumbnail(jpeg_of(8000, 6000)) == Picture(8000, 6000, has_thumbnail=True)
    assert thumbnail(jpeg_of(8000, 6000, progressive=True)) == Picture(8000, 6000, has_thumbnail=False)
    assert thumbnail(jpeg_of(8001, 6250)) == Picture(8001, 6250, has_thumbnail=False)


@pytest.mark.slow
def test_small_jpeg_with_very_many_scans_has_a_size_and_no_thumbnail(thumbnail):
    """Each scan takes as long as the whole picture: 70 KB would take twenty seconds."""
    for size, repeats, small in ((3000, 20, True), (3000, 1000, False), (300, 1000, True)):
        content = jpeg_of(size, size, progressive=True)
        last = content.rindex(b"\xff\xda")
        assert thumbnail(content[:-2] + content[last:-2] * repeats + content[-2:]) == Picture(
            size, size, has_thumbnail=small
        )


def test_jpegs_with_one_scan_per_component_are_recognized():
    start, frame = b"\xff\xd8\xff\xe0\0\4ab", b"\xff\xc0\0\x11\x08\0\x10\0\x10\3" + bytes(9)
    assert _is_single_scan(io.BytesIO(start + frame + b"\xff\xda\0\x0c\3"))
    assert not _is_single_scan(io.BytesIO(start + frame + b"\xff\xda\0\x08\1"))
    assert not _is_single_scan(io.BytesIO(start + frame.replace(b"\xff\xc0", b"\xff\xc2") + b"\xff\xda\0\x0c\3"))
    for cut in range(len(start + frame)):
        assert not _is_single_scan(io.BytesIO((start + frame)[:cut]))


def test_formats_that_are_not_accepted_are_not_opened(thumbnail):
    for kind in ("TIFF", "ICO", "PPM"):
        out = io.BytesIO()
        Image.new("RGB", (64, 64)).save(out, kind)
        assert thumbnail(out.getvalue()) is None


def test_truncated_and_empty_pictures_have_no_thumbnail(thumbnail):
    assert thumbnail(png_of(100, 100)[:60]) is None
    assert thumbnail(b"") is None


def test_warning_filters_are_unchanged_in_threads(tmp_path):
    paths = [tmp_path / f"{n}.png" for n in range(4)]
    for path in paths:
        path.write_bytes(png_of(1500, 1000))
    before, seen = list(warnings.filters), []
    work = [threading.Thread(target=make_thumbnail, args=(p, p.with_suffix(".jpg"))) for p in paths]
    for thread in work:
        thread.start()
    while any(thread.is_alive() for thread in work):
        seen.append(list(warnings.filters))
    assert all(filters == before for filters in (*seen, warnings.filters))
    assert all(p.with_suffix(".jpg").exists() for p in paths)
