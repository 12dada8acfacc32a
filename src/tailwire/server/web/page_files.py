"""Reads the files of a page into memory, with a hash of each for `ETag`, so that browsers load only changed ones."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

SHARED_FOLDERS = ("vendor", "shared")
"""Folders below `tailwire.web` whose files are part of every page."""
INDEX_FILE = "index.html"
CONTENT_TYPES = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "mjs": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
    "txt": b"text/plain; charset=utf-8",
    "webmanifest": b"application/manifest+json",
}
"""The content types of files by the endings of their names. Files with other endings are not served."""


@dataclass(frozen=True, slots=True)
class File:
    """A file of a page, in memory.

    Attributes:
        body: its content.
        content_type: the value of the header `Content-Type`.
        tag: the value of the header `ETag`, with quotation marks.
    """

    body: bytes
    content_type: bytes
    tag: bytes


@functools.cache
def read_page(name: str) -> Mapping[str, File]:
    """Return the files of a page by their paths below its address; "" is the HTML of the page itself.

    The first call reads them; later ones return the same mapping.

    Args:
        name: the name of the page: the folder below `tailwire.web`.
    """
    root = files("tailwire.web")
    found = _read_folder(root / name, "")
    for folder in SHARED_FOLDERS:
        found |= _read_folder(root / folder, f"{folder}/")
    found[""] = found.pop(INDEX_FILE)
    return found


def _read_folder(folder: Traversable, prefix: str) -> dict[str, File]:
    found: dict[str, File] = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found |= _read_folder(entry, f"{prefix}{entry.name}/")
            continue
        content_type = CONTENT_TYPES.get(entry.name.rpartition(".")[2])
        if content_type is not None:
            body = entry.read_bytes()
            tag = hashlib.sha256(body).hexdigest()[:32]
            found[prefix + entry.name] = File(body, content_type, b'"%b"' % tag.encode())
    return found
