"""Decodes the JSON that strangers send: the one door for the bodies of requests, the fields of forms, and frames.

Rule: `rest` and `gateway` decode nothing by themselves, so that the bounds hold for all that is kept and handed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from tailwire.server.ports.refusal import Refused
from tailwire.wire import bounds

T = TypeVar("T")


_known: dict[Any, Any] = {}  # a decoder for each shape: to look it up costs less than to make it


def _decoder(kind: type[T]) -> Callable[[bytes], T]:
    found: Callable[[bytes], T] | None = _known.get(kind)
    if found is None:
        found = _known[kind] = msgspec.json.Decoder(kind).decode
    return found


def decode(text: bytes, kind: type[T], what: str = "body") -> T:
    """Return JSON of a known shape, all of it within the bounds.

    Args:
        kind: what it has to be.
        what: how it is called where nothing within it can be named.

    Raises:
        Refused: ERR_BAD_REQUEST; details name the place, and the bound or what is wrong.
    """
    try:
        text.decode()  # all of it is text, also what is left as it is until later
        value = _decoder(kind)(text)
    except RecursionError as e:
        raise _exceeding(text, what) from e
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        wrong, _, where = str(e).partition(" - at `$.")
        raise Refused("ERR_BAD_REQUEST", {where.rstrip("`") or what: f"{wrong}."}) from e
    if not bounds.within_bounds(text):
        raise _exceeding(text, what)
    return value


def decode_part(part: bytes, kind: type[T], what: str = "body") -> T:
    """Return a part of something that `decode` has let through, and left as it was.

    Raises:
        Refused: ERR_BAD_REQUEST; details name the place and what is wrong.
    """
    try:
        return _decoder(kind)(part)
    except msgspec.DecodeError as e:
        wrong, _, where = str(e).partition(" - at `$.")
        raise Refused("ERR_BAD_REQUEST", {f"{what}.{where.rstrip('`')}" if where else what: f"{wrong}."}) from e


def _exceeding(text: bytes, what: str) -> Refused:
    found = bounds.first_excess(text)
    if found is None:
        return Refused("ERR_BAD_REQUEST", {what: bounds.TOO_DEEP})
    return Refused("ERR_BAD_REQUEST", {found.place or what: found.advice})
