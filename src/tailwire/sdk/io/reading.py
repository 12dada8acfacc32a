"""Read JSON from the network. Parts that Python cannot read (deep nesting, very long numbers) become None."""

from __future__ import annotations

import json
import logging
from typing import Any

from tailwire.wire.bounds import trim

log = logging.getLogger("tailwire")
_decode = json.JSONDecoder().raw_decode
MAX_TRIMMED_BYTES = 256 * 1024
"""The maximum size of JSON from which unreadable parts are removed; for this size it takes some 0.1 s."""


class ExcessiveJson(ValueError):
    """JSON nests too deep or contains too long a number, and is too large for that part to be removed."""


def read_frame(text: str | bytes) -> Any:
    """Return the value of a frame, as `read_json` does, but faster.

    Raises:
        ValueError: if the frame cannot be read; may be an `ExcessiveJson`.
    """
    if not isinstance(text, str):
        text = text.decode()
    try:
        frame, end = _decode(text)  # which is faster than `json.loads`, and accepts no whitespace before the value
    except (RecursionError, ValueError):
        return read_json(text)
    if end != len(text) and text[end:].strip():
        raise ValueError("data follows the JSON value")
    return frame


def read_json(text: str | bytes) -> Any:
    """Return the value of JSON, with None for parts that nest too deep and for numbers that are too long.

    A warning is logged if there are such parts.

    Raises:
        ExcessiveJson: if the text is too large to remove such a part, or the rest still nests too deep.
        ValueError: if the text is not JSON.
    """
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except (RecursionError, ValueError) as e:  # Python reads integers of up to 4,300 digits
        log.warning("a part of what the server sent cannot be read and is left out: %s", e)
    if len(text) > MAX_TRIMMED_BYTES:
        raise ExcessiveJson("it nests too deep or contains too long a number")
    try:
        return json.loads(trim(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text))
    except RecursionError as e:
        raise ExcessiveJson("it nests too deep") from e
