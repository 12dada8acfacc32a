"""Fetch files of messages into memory, and save them to a folder."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from tailwire.tui.safe_text import safe_line

TIMEOUT_SECONDS = 20
MAX_SAVED_BYTES = 2 * 1024**3
MAX_NAME_CHARACTERS = 120
MAX_NAME_BYTES = 240
"""File systems allow 255 bytes; the rest is for the number that `create_free_file` may add."""
MAX_COPIES = 100
_UNCLEAN = re.compile(r"[^\w .,()+=@&!~#-]")
"""Matches the characters that `clean_name` replaces with `_`.

Letters, digits, spaces and a few signs remain; these signs have no special meaning in file names.
"""


class FileProblem(Exception):
    """A file was not fetched. The message says why, and is safe to write to a terminal."""


def is_web_address(url: str) -> bool:
    """Return whether a URL may be opened: `http` or `https`, with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def is_on_server(url: str, server: str) -> bool:
    """Return whether two URLs have the same scheme, host and port.

    The chat fetches a picture by itself only from its own server. A sender can put any URL into a message, and the
    request to another server would reveal who has read the message.

    Args:
        url: the URL of a file.
        server: the URL of the chat server.
    """
    try:
        one, other = urlsplit(url), urlsplit(server)
        return bool(one.hostname) and (one.scheme, one.hostname, one.port) == (other.scheme, other.hostname, other.port)
    except ValueError:
        return False


def clean_name(name: str) -> str:
    """Return a safe file name for a name that another user has chosen; `file` if nothing of it remains.

    The result contains no folder, does not begin with a dot, and has at most `MAX_NAME_CHARACTERS` and
    `MAX_NAME_BYTES`; unsafe characters are replaced with `_`.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = _UNCLEAN.sub("_", safe_line(last)).strip(" .")
    if len(clean) > MAX_NAME_CHARACTERS or len(clean.encode()) > MAX_NAME_BYTES:
        stem, dot, ending = clean.rpartition(".") if "." in clean else (clean, "", "")
        ending = dot + ending[:16]
        kept = stem[: MAX_NAME_CHARACTERS - len(ending)].encode()[: MAX_NAME_BYTES - len(ending.encode())]
        clean = kept.decode(errors="ignore") + ending
    return clean or "file"


def create_free_file(folder: Path, name: str) -> Path:
    """Create an empty file that only its owner may read, and return its path.

    Args:
        folder: the folder, which exists.
        name: the wanted name, which need not be safe (see `clean_name`). If it is in use, a number is added:
            `a (2).txt`.

    Raises:
        OSError: if the file cannot be created, or `MAX_COPIES` files have this name with a number already.
    """
    wanted = Path(clean_name(name))
    for number in range(1, MAX_COPIES + 1):
        path = folder / (wanted.name if number == 1 else f"{wanted.stem} ({number}){wanted.suffix}")
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(f"There are {MAX_COPIES} files with this name.")


@asynccontextmanager
async def _pieces(url: str, limit: int) -> AsyncIterator[AsyncIterator[bytes]]:
    if not is_web_address(url):
        raise FileProblem("It has no URL with http or https.")
    try:
        async with (
            httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as http,
            http.stream("GET", url, headers={"accept-encoding": "identity"}) as answer,
        ):
            if answer.status_code != 200:
                raise FileProblem(f"The server answered {answer.status_code}.")

            async def within() -> AsyncIterator[bytes]:
                count = 0
                async for piece in answer.aiter_bytes():
                    count += len(piece)
                    if count > limit:
                        raise FileProblem(f"It has more than {limit // 1024**2} MB.")
                    yield piece

            yield within()
    except (httpx2.HTTPError, httpx2.InvalidURL) as e:
        raise FileProblem(safe_line(str(e)) or type(e).__name__) from e


async def fetch_file(url: str, limit: int) -> bytes:
    """Return the content of the file at a URL. Redirections are not followed.

    Raises:
        FileProblem: if the URL is not one of http or https, the response is not 200, the request fails, or the file has
            more than `limit` bytes.
    """
    async with _pieces(url, limit) as pieces:
        return b"".join([piece async for piece in pieces])


async def save_file(url: str, name: str, folder: Path) -> Path:
    """Save the file at a URL to a folder, and return the path of the new file. If that fails, no partial file remains.

    Args:
        url: the URL.
        name: the wanted name; it is made safe and unique (see `create_free_file`).
        folder: the folder, which exists.

    Raises:
        FileProblem: as `fetch_file`, with the limit `MAX_SAVED_BYTES`.
        OSError: if the file cannot be written.
    """
    path: Path | None = None
    try:
        async with _pieces(url, MAX_SAVED_BYTES) as pieces:
            path = create_free_file(folder, name)
            with path.open("wb") as file:
                async for piece in pieces:
                    file.write(piece)
    except BaseException:
        if path is not None:
            path.unlink(missing_ok=True)
        raise
    return path


def downloads() -> Path:
    """Return the folder for saved files: the downloads folder, or the current folder if there is none."""
    folder = Path.home() / "Downloads"
    return folder if folder.is_dir() else Path.cwd()
