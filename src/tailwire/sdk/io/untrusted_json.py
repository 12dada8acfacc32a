"""Read JSON files from untrusted sources, such as dumps that users attach to bug reports, with limits on their size."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

MAX_BYTES = 20_000_000
MAX_DIGITS = 18


class BadJson(ValueError):
    """The file is too large, or not a JSON object. The message says what is wrong."""


def read_object(file: Path) -> dict[str, Any]:
    """Read a file that contains a JSON object.

    Raises:
        BadJson: if the file is larger than 20 MB, not JSON, not an object, or has a number that is too large.
        OSError: if the file cannot be read.
    """
    with file.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)  # the file size may be wrong, for example of a device
    if len(content) > MAX_BYTES:
        raise BadJson(f"it has more than {MAX_BYTES:,} bytes")
    try:
        data = json.loads(
            content.decode("utf-8"),
            parse_int=_parse_integer,
            parse_float=_parse_number,
            parse_constant=_refuse_constant,
        )
    except BadJson:
        raise
    except (ValueError, RecursionError) as e:
        raise BadJson(f"it is not JSON: {e}") from e
    if not isinstance(data, dict):
        raise BadJson("it is not a JSON object")
    return data


def _parse_integer(digits: str) -> int:
    if len(digits.removeprefix("-")) > MAX_DIGITS:
        raise BadJson(f"it has a number of more than {MAX_DIGITS} digits")
    return int(digits)


def _parse_number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise BadJson("it has a number that is too large")
    return value


def _refuse_constant(word: str) -> float:
    raise BadJson(f"it has an invalid number: {word}")
