"""The files of messages: fetching those of the server, and saving one to a folder."""

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
MAX_COPIES = 100
_UNCLEAN = re.compile(r"[^\w .,()+=@&!~#-]")
"""Characters that are replaced in file names: separators, control characters, and those that shells or systems use."""


class FileProblem(Exception):
    """A file was not fetched or saved. The text says why, and is safe to show."""


def is_web_address(url: str) -> bool:
    """Return whether a URL may be opened: `http` or `https`, with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def is_on_server(url: str, server: str) -> bool:
    """Return whether a file is on a server: same scheme, host and port.

    Only such files are fetched without being asked for, because anyone can put a URL in a message, and would learn
    from the request who reads it.
    """
    try:
        one, other = urlsplit(url), urlsplit(server)
        return bool(one.hostname) and (one.scheme, one.hostname, one.port) == (other.scheme, other.hostname, other.port)
    except ValueError:
        return False


def clean_name(name: str) -> str:
    """Return a safe name for a file that a stranger has named: no folders, never hidden, visible characters only."""
    last = name.replace("\\", "/").rpartition("/")[2]
    clean = _UNCLEAN.sub("_", safe_line(last)).strip(" .")
    stem, dot, ending = clean.rpartition(".")
    if len(clean) > MAX_NAME_CHARACTERS:
        clean = f"{stem[: MAX_NAME_CHARACTERS - 17]}{dot}{ending[:16]}" if dot else clean[:MAX_NAME_CHARACTERS]
    return clean or "file"


def create_free_file(folder: Path, name: str) -> Path:
    """Create an empty file that only the user may read, with a free name (`a.txt`, `a (2).txt` …); return its path.

    Raises:
        OSError: if the file cannot be created, or `MAX_COPIES` files have this name already.
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
    """Return the content of a file.

    Raises:
        FileProblem: if the file cannot be fetched, or has more than `limit` bytes.
    """
    async with _pieces(url, limit) as pieces:
        return b"".join([piece async for piece in pieces])


async def save_file(url: str, name: str, folder: Path) -> Path:
    """Save a file to a folder under a name that is free, and return its path.

    Raises:
        FileProblem: if the file cannot be fetched, or has more than `MAX_SAVED_BYTES`.
        OSError: if it cannot be written. In either case no partial file is left.
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
