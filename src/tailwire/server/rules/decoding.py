"""Decodes untrusted JSON: request bodies, form fields and frames.

`rest` and `gateway` decode untrusted JSON only with this module, so that everything that is stored or published is
within its bounds of depth and size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from tailwire.server.ports.refusal import Refused
from tailwire.wire import bounds

T = TypeVar("T")
NO_NUL = "Leave out the character U+0000: not every database can store it."
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  # an escape, not an escaped backslash before the text u0000


_decoders: dict[Any, Any] = {}  # by type; making a decoder costs more than a lookup


def _decoder(kind: type[T]) -> Callable[[bytes], T]:
    found: Callable[[bytes], T] | None = _decoders.get(kind)
    if found is None:
        found = _decoders[kind] = msgspec.json.Decoder(kind).decode
    return found


def decode(text: bytes, kind: type[T], what: str = "body") -> T:
    """Decode JSON as an instance of a type, and check the bounds of all of it, also of parts that remain encoded.

    Args:
        text: the encoded JSON.
        kind: the expected type.
        what: what the refusal names if the problem is not in a single field.

    Raises:
        Refused: ERR_BAD_REQUEST: it is not JSON, not of this type, beyond the bounds of `wire.bounds`, or contains
            U+0000. The details name the field, and what is wrong.
    """
    try:
        text.decode()  # msgspec does not check the text of raw parts
        value = _decoder(kind)(text)
    except RecursionError as e:
        raise _refusal_of_excess(text, what) from e
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        wrong, _, where = str(e).partition(" - at `$.")
        raise Refused("ERR_BAD_REQUEST", {where.rstrip("`") or what: f"{wrong}."}) from e
    if not bounds.within_bounds(text):
        raise _refusal_of_excess(text, what)
    if b"\\u0000" in text and _NUL.search(text):
        raise Refused("ERR_BAD_REQUEST", {what: NO_NUL})
    return value


def check_no_nul(texts: Iterable[str], what: str) -> None:
    """Check that texts do not contain U+0000. It is for texts that are not sent as JSON, but in URLs and forms.

    Args:
        texts: the texts.
        what: what the refusal names as the place of the texts.

    Raises:
        Refused: ERR_BAD_REQUEST: one of them contains it.
    """
    if any("\0" in text for text in texts):
        raise Refused("ERR_BAD_REQUEST", {what: NO_NUL})


def decode_part(part: bytes, kind: type[T], what: str = "body") -> T:
    """Decode a part that `decode` has left encoded (`msgspec.Raw`) as an instance of a type.

    Its bounds are not checked, because `decode` has done so.

    Args:
        part: the encoded JSON.
        kind: the expected type.
        what: the name of the part, for the refusal.

    Raises:
        Refused: ERR_BAD_REQUEST: it is not of this type. The details name the field, and what is wrong.
    """
    try:
        return _decoder(kind)(part)
    except msgspec.DecodeError as e:
        wrong, _, where = str(e).partition(" - at `$.")
        raise Refused("ERR_BAD_REQUEST", {f"{what}.{where.rstrip('`')}" if where else what: f"{wrong}."}) from e


def _refusal_of_excess(text: bytes, what: str) -> Refused:
    found = bounds.first_excess(text)
    if found is None:
        return Refused("ERR_BAD_REQUEST", {what: bounds.NOT_LOCATED})
    return Refused("ERR_BAD_REQUEST", {found.place or what: found.advice})
