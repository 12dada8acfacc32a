"""URLs of uploaded files.

They are stored as `tailwire:/files/NAME`, without the server's address, which may change. It is put in when they are
read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar

SCHEME = "tailwire:"
_STORED = re.compile(rf"{SCHEME}/files/[0-9a-f]{{40}}(\.[a-z0-9]{{1,10}})?(\?thumbnail=1)?")
_MARK = f'"{SCHEME}/files/'.encode()

server_url: ContextVar[Callable[[], str]] = ContextVar("server_url")
"""The function that returns the URL at which the caller reached the server. Set for each request."""


def stored_url(name: str) -> str:
    """Return the URL of an uploaded file as it is stored."""
    return f"{SCHEME}/files/{name}"


def is_stored_url(url: str) -> bool:
    """Return whether a URL is a stored URL of a file or of its thumbnail."""
    return _STORED.fullmatch(url) is not None


def with_address(json: bytes, base: Callable[[], str]) -> bytes:
    """Return encoded JSON in which stored URLs (see `stored_url`) are replaced by complete ones.

    Args:
        json: the encoded JSON.
        base: returns the server's URL, without a slash at its end; called only if there is a stored URL.
    """
    # Most JSON has no slash, and a single byte is found several times as fast.
    if b"/" not in json or _MARK not in json:
        return json
    return json.replace(_MARK, b'"%b/files/' % base().encode())
