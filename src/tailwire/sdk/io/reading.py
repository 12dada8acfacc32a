"""Reads JSON that somebody else wrote: no depth of it, and no number in it, ends what the client is doing."""

from __future__ import annotations

import json
import logging
from typing import Any

from tailwire.wire.bounds import trimmed

log = logging.getLogger("tailwire")
_decode = json.JSONDecoder().raw_decode
MAX_TRIMMED = 256 * 1024
"""Bytes of JSON in which what cannot be read is looked for: it takes some 0.1 s."""


class TooMuch(ValueError):
    """It nests too deep, or holds too long a number, and is too large to look for it."""


def read_frame(text: str | bytes) -> Any:
    """Return what a frame says, as `read_json`.

    Raises:
        ValueError: when it cannot be read.
    """
    if not isinstance(text, str):
        text = text.decode()
    text = text.lstrip()
    try:
        frame, end = _decode(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError):
        return read_json(text)
    if end != len(text) and text[end:].strip():
        raise ValueError("something stands behind the frame")
    return frame


def read_json(text: str | bytes) -> Any:
    """Return the value of JSON. Where it nests too deep or holds too long a number, `None` stands for that part.

    Raises:
        TooMuch: as that says.
        ValueError: when it is no JSON.
    """
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except (RecursionError, ValueError) as e:  # Python reads integers of up to 4,300 digits
        log.warning("what the server sent is read without a part that cannot be read: %s", e)
    if len(text) > MAX_TRIMMED:
        raise TooMuch("it nests too deep or holds too long a number")
    try:
        return json.loads(trimmed(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text))
    except RecursionError as e:
        raise TooMuch("it nests too deep") from e
