"""Finds the names of uploaded files in texts that clients send."""

from __future__ import annotations

import re

# JSON may be written with its slashes escaped.
_NAMED = re.compile(rb"\\?/files\\?/([0-9a-f]{40}(?:\.[a-z0-9]{1,10})?)(?![0-9a-z.])")


def named_files(*texts: bytes | str | None) -> tuple[str, ...]:
    """Return the names of the uploaded files whose URLs the texts contain, each once.

    Args:
        texts: URLs, or encoded JSON.
    """
    found: dict[str, None] = {}
    for text in texts:
        if text:
            encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
            if b"files" in encoded:
                found.update((name.decode(), None) for name in _NAMED.findall(encoded))
    return tuple(found)
