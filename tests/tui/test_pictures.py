"""Pictures as half blocks, and files of strangers: what is decoded, fetched and saved, and what is not."""

from __future__ import annotations

import asyncio
import io
import struct
import zlib

import pytest
from PIL import Image

from tailwire import MediaMessage, User
from tailwire.tui.files import FileProblem, clean_name, create_free_file, is_on_server, is_web_address, save_file
from tailwire.tui.pictures import MAX_ROWS, NARROW, WIDE, Pictures, half_blocks
from tailwire.wire.entities import Attachment


def encoded(image: Image.Image, kind: str = "PNG", **more) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **more)
    return file.getvalue()


def test_two_pixels_above_each_other_fill_one_cell():
    image = Image.new("RGB", (2, 2))
    for place, color in {(0, 0): "#ff0000", (1, 0): "#00ff00", (0, 1): "#0000ff", (1, 1): "#ffffff"}.items():
        image.putpixel(place, tuple(bytes.fromhex(color[1:])))
    assert half_blocks(encoded(image), WIDE) == [[("▀", "#ff0000#0000ff"), ("▀", "#00ff00#ffffff")]]


@pytest.mark.parametrize(("width", "height"), [(2000, 10), (10, 2000), (1, 1), (500, 500)])
def test_picture_stays_within_the_rows_and_columns_it_may_have(width, height):
    lines = half_blocks(encoded(Image.new("RGB", (width, height), "red")), WIDE)
    assert 1 <= len(lines) <= MAX_ROWS
    assert all(1 <= sum(len(text) for text, _ in line) <= WIDE for line in lines)
    assert {style for line in lines for _, style in line} == {"#ff0000#ff0000"}


def test_transparent_pixels_are_white_and_an_animation_shows_its_first_picture():
    assert half_blocks(encoded(Image.new("RGBA", (4, 4), (9, 9, 9, 0))), WIDE)[0][0][1] == "#ffffff#ffffff"
    frames = [Image.new("RGB", (4, 4), color) for color in ("#00ff00", "#ff0000")]
    moving = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert half_blocks(moving, WIDE)[0][0][1] == "#00ff00#00ff00"


def bomb(width: int, height: int) -> bytes:
    """Return a small PNG that decodes to many pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 9000)) + chunk(b"IEND", b"")
    )


HOSTILE = {
    "nothing": b"",
    "text": b"\x1b[2J\x1b]0;title\x07",
    "a bomb": bomb(60_000, 60_000),
    "a large one": bomb(4000, 4000),
    "cut": encoded(Image.effect_noise((64, 64), 50).convert("RGB"), "JPEG")[:300],
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>",
    "TIFF": encoded(Image.new("RGB", (4, 4)), "TIFF"),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
    "no size": bomb(0, 0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_picture_is_not_decoded(name):
    assert half_blocks(HOSTILE[name], WIDE) is None


def test_text_in_a_picture_does_not_reach_the_terminal():
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Title", "\x1b[31m" + "x" * 1000)
    lines = half_blocks(encoded(Image.new("RGB", (4, 4)), pnginfo=info), WIDE)
    assert {text.strip("▀") for line in lines for text, _ in line} == {""}


def message(url: str, size: int = 100, mime: str = "image/png", thumbnail: str = "") -> MediaMessage:
    file = Attachment(url, "p.png", mime_type=mime, size=size, thumbnail=thumbnail)
    return MediaMessage(receiver="bob", id=1, sender=User("a"), attachments=[file])


async def test_only_small_pictures_of_the_server_are_fetched_and_each_once():
    requests = []
    changed = asyncio.Event()

    async def fetch(url, limit):
        requests.append(url)
        return encoded(Image.new("RGB", (4, 4), "red"))

    pictures = Pictures(fetch, lambda url: is_on_server(url, "http://here:1"), changed.set)
    for one in (
        message("http://elsewhere/p.png"), message("http://here:1/large", size=3_000_000),
        message("http://here:1/x", mime="image/svg+xml"), message("http://here:1/x", mime="text/html"),
        message("http://here:2/p.png"), message("https://here:1/p.png"), message("file:///etc/passwd"),
    ):  # fmt: skip
        assert pictures.lines(one, WIDE) == []
    small = message("http://here:1/large", size=3_000_000, thumbnail="http://here:1/small")
    assert pictures.lines(small, NARROW - 1) == []
    assert pictures.lines(small, WIDE) == pictures.lines(small, WIDE) == []
    await asyncio.wait_for(changed.wait(), 10)
    assert pictures.lines(small, WIDE)
    assert requests == ["http://here:1/small"]
    pictures.close()


@pytest.mark.parametrize(
    ("url", "may"),
    [("https://x/y", True), ("http://x", True), ("file:///etc/passwd", False), ("javascript:alert(1)", False),
     ("--version", False), ("http://", False), ("http://[::1", False), ("", False)],
)  # fmt: skip
def test_only_web_urls_are_opened(url, may):
    assert is_web_address(url) is may


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("report.pdf", "report.pdf"), ("../../.ssh/authorized_keys", "authorized_keys"), (".bashrc", "bashrc"),
        ("C:\\Windows\\x.dll", "x.dll"), ("a\x1b[2J\n.txt", "a"), ("", "file"), ("...", "file"), ("Grüße 1.txt", "Grüße 1.txt"),
        ("\u202egnp.exe", "exe"),
    ],
)  # fmt: skip
def test_cleaned_file_name_has_no_path_and_no_control_characters(name, clean):
    made = clean_name(name)
    assert made.startswith(clean) or made.endswith(clean)
    assert not set(made) & set('/\\\x1b\n\u202e:*?"<>|')
    assert not made.startswith(".")
    assert 0 < len(clean_name(name + "x" * 500)) <= 120


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("写" * 100 + ".pdf", ".pdf"),
        ("写" * 100, ""),
        ("写." + "写" * 100, "." + "写" * 16),
        ("x" * 300 + ".gz", ".gz"),
    ],
    ids=["ending", "no ending", "long ending", "ASCII"],
)
def test_file_with_a_long_name_is_saved_under_the_beginning_of_the_name_and_its_ending(tmp_path, name, ending):
    first, second = create_free_file(tmp_path, name), create_free_file(tmp_path, name)
    assert first.name[0] == name[0]
    assert first.suffix == second.suffix == ending
    assert second.stem == f"{first.stem} (2)"


def test_saved_file_neither_replaces_another_nor_follows_a_link(tmp_path):
    first = create_free_file(tmp_path, "a.txt")
    (tmp_path / "a (2).txt").symlink_to(tmp_path / "elsewhere")
    assert [first.name, create_free_file(tmp_path, "a.txt").name] == ["a.txt", "a (3).txt"]
    assert first.stat().st_mode & 0o777 == 0o600
    assert not (tmp_path / "elsewhere").exists()


async def test_file_that_cannot_be_fetched_leaves_nothing(tmp_path):
    for url in ("http://127.0.0.1:9/x", "file:///etc/passwd", "http://[bad"):
        with pytest.raises(FileProblem):
            await save_file(url, "x", tmp_path)
    assert list(tmp_path.iterdir()) == []
