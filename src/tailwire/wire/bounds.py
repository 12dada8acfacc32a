"""How deep JSON may nest, and which numbers may stand in it, so that whoever reads it can read it.

Rules: what is checked here is valid JSON already. The check is made of a few passes over the bytes, since each request
and frame goes through it; where something exceeds a bound is looked for only then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from math import isinf
from typing import NamedTuple

MAX_DEPTH = 64
"""Objects and lists within each other, the outermost included. Some parsers end at 100, Python's before 1,000."""
MAX_DIGITS = 64
"""Digits one after the other in a number. Python's parser takes no more than 4,300."""
STORED_DEPTH = 96
"""As `MAX_DEPTH`, for what is stored: there stands what was sent, and around it what tells of it."""
LEAST_HARMFUL = 1500
"""Bytes of a stored text below which it is not looked at when it is read: so little neither nests too deep for a
parser nor has a number that is too long for one."""
DEEP = f"Nest objects and lists at most {MAX_DEPTH} deep."
LONG = f"Use numbers of at most {MAX_DIGITS} digits; write longer ones as text."
LARGE = "Use numbers that 64 bits of floating point can hold; write larger ones as text."

_MAX_LOOKED_AT = 20_000
_ROUNDS = 6
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_TOO_LONG = b"0" * (MAX_DIGITS + 1)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))
# A number with a large exponent. "e" comes first: that is what the search looks for.
_LARGE = tuple(re.compile(rb"%b(?<=[0-9]%b)\+?[0-9]{3,}(?=[\s,\]}]|$)" % (e, e)) for e in (b"e", b"E"))
_TOKEN = re.compile(
    rb'"(?P<string>[^"\\]*(?:\\.[^"\\]*)*)"(?P<key>\s*:)?|(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)'
    rb"|(?P<number>-?[0-9][0-9.eE+-]*)",
    re.DOTALL,
)


class Excess(NamedTuple):
    """Something that exceeds a bound.

    Attributes:
        start, end: the bytes of it.
        place: names and indices on the way to it, joined by dots.
        advice: what to do about it, in words.
    """

    start: int
    end: int
    place: str
    advice: str


def within_bounds(text: bytes, depth: int = MAX_DEPTH) -> bool:
    """Return whether JSON keeps to the bounds.

    Args:
        depth: the most objects and lists within each other.
    """
    suspect = _TOO_LONG in text.translate(_DIGITS) or _LARGE[0].search(text) or _LARGE[1].search(text)
    if suspect and next(excesses(text, depth), None) is not None:  # or it stands in a string, where it harms nobody
        return False
    opened = text.count(b"[") + text.count(b"{")
    return opened <= depth or _nests_at_most(text, depth)


def _nests_at_most(text: bytes, depth: int) -> bool:
    # Pairs of brackets with nothing between go, a few times: mostly nothing is left then.
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = text.translate(_BRACKETS, _NO_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:
        brackets = b"".join(brackets.split(b'"')[::2])
    for _ in range(_ROUNDS):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return True
    return max(accumulate(92 - bracket for bracket in brackets)) <= depth - _ROUNDS


def first_excess(text: bytes) -> Excess | None:
    """Return the first thing in JSON that exceeds a bound; None also when it is far behind in a long text."""
    return next(excesses(text, MAX_DEPTH, _MAX_LOOKED_AT), None)


def excesses(text: bytes, deepest: int = MAX_DEPTH, most: int = 0) -> Iterator[Excess]:
    """Yield all that exceeds a bound, in order, and nothing of what lies within another excess.

    Args:
        text: JSON; where it is none, some of what is yielded is meaningless.
        deepest: the most objects and lists within each other.
        most: the most tokens that are looked at; 0 for all.
    """
    path: list[int | str] = []
    begun = depth = 0
    for n, token in enumerate(_TOKEN.finditer(text)):
        if most and n >= most:
            return
        kind = token.lastgroup
        if kind == "open":
            depth += 1
            if depth == deepest + 1:
                begun = token.start()
                if most:  # the end is not asked for
                    yield Excess(begun, len(text), _place(path), DEEP)
                    return
            elif depth <= deepest:
                path.append(0 if token[0] == b"[" else "")
        elif kind == "close":
            if depth == deepest + 1:
                yield Excess(begun, token.end(), _place(path), DEEP)
            elif path and depth <= deepest:
                path.pop()
            depth = max(0, depth - 1)
        elif depth > deepest:
            continue
        elif kind == "key" and path:
            path[-1] = token["string"][:50].decode("utf-8", "replace")
        elif kind == "comma" and path and isinstance(path[-1], int):
            path[-1] += 1
        elif kind == "number" and (advice := _wrong_with(token[0])):
            yield Excess(token.start(), token.end(), _place(path), advice)
    if depth > deepest:
        yield Excess(begun, len(text), _place(path), DEEP)


def _wrong_with(number: bytes) -> str:
    if len(number) > MAX_DIGITS and _TOO_LONG in number.translate(_DIGITS):
        return LONG
    if b"e" in number or b"E" in number:
        try:
            return LARGE if isinf(float(number)) else ""
        except ValueError:  # no number
            return LARGE
    return ""


def _place(path: list[int | str]) -> str:
    return ".".join(map(str, path[:4])) + ("…" if len(path) > 4 else "")


def harmless(stored: bytes) -> bytes:
    """Return stored JSON as everybody can read it: mostly as it is, else `trimmed`."""
    if len(stored) < LEAST_HARMFUL or within_bounds(stored, STORED_DEPTH):
        return stored
    return trimmed(stored)


def trimmed(text: bytes) -> bytes:
    """Return JSON in which `null` stands for whatever exceeds a bound for what is stored.

    Not quick: it is for what was found to exceed them.
    """
    parts: list[bytes] = []
    end = 0
    for excess in excesses(text, STORED_DEPTH):
        parts += (text[end : excess.start], b"null")
        end = excess.end
    return b"".join([*parts, text[end:]]) if parts else text
