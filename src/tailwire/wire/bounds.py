"""Limit the depth of JSON and the size of its numbers, so that every common parser can read it.

The input is known to be valid JSON. Every request and frame is checked, so the check is fast: a few passes over the
bytes. Only if it fails, a slower search finds the excess: the value that exceeds a limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from math import isinf
from typing import NamedTuple

MAX_DEPTH = 64
"""The maximum depth of objects and lists; the outermost is 1 deep. Some parsers stop at 100, Python's before 1,000."""
MAX_DIGITS = 64
"""The maximum number of consecutive digits in a number. Python's parser accepts at most 4,300."""
STORED_DEPTH = 96
"""The maximum depth of stored messages, which contain what was sent within other objects."""
UNCHECKED_BYTES = 1500
"""Stored texts with fewer bytes are not checked when they are read: they can neither nest too deep for a parser nor
contain a number that is too long for one."""
TOO_DEEP = f"Nest objects and lists at most {MAX_DEPTH} deep."
TOO_LONG = f"Use numbers of at most {MAX_DIGITS} digits; write longer ones as text."
TOO_LARGE = "Use numbers that 64 bits of floating point can hold; write larger ones as text."
NOT_LOCATED = f"{TOO_DEEP} {TOO_LONG} {TOO_LARGE}"
"""The advice for JSON that is not `within_bounds`, but is so long that `first_excess` does not reach the excess."""

_MAX_TOKENS = 20_000
_MAX_ROUNDS = 6
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_OVERLONG = b"0" * (MAX_DIGITS + 1)
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))
# A number with a large exponent. "e" comes first: that is what the search looks for.
_LARGE_PATTERNS = tuple(re.compile(rb"%b(?<=[0-9]%b)\+?[0-9]{3,}(?=[\s,\]}]|$)" % (e, e)) for e in (b"e", b"E"))
_TOKEN_PATTERN = re.compile(
    rb'"(?P<string>[^"\\]*(?:\\.[^"\\]*)*)"(?P<key>\s*:)?|(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)'
    rb"|(?P<number>-?[0-9][0-9.eE+-]*)",
    re.DOTALL,
)


class Excess(NamedTuple):
    """A value that exceeds a bound.

    Attributes:
        start, end: the range of bytes of the value; `end` is exclusive. From `first_excess`, `end` may be the end of
            the whole text.
        place: the path to the value: at most four names and indices, joined by dots, such as `data.list.3`.
        advice: what to do about it, as a sentence for the sender.
    """

    start: int
    end: int
    place: str
    advice: str


def within_bounds(text: bytes, depth: int = MAX_DEPTH) -> bool:
    """Return whether JSON nests at most `depth` deep, and its numbers are neither too long nor too large.

    Args:
        text: valid JSON.
        depth: the maximum depth of objects and lists.
    """
    suspect = _OVERLONG in text.translate(_DIGITS) or _LARGE_PATTERNS[0].search(text) or _LARGE_PATTERNS[1].search(text)
    if suspect and next(excesses(text, depth), None) is not None:  # inside a string it is harmless
        return False
    opened = text.count(b"[") + text.count(b"{")
    return opened <= depth or _nests_at_most(text, depth)


def _nests_at_most(text: bytes, depth: int) -> bool:
    # Remove empty pairs of brackets a few times: usually nothing is left then.
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = text.translate(_BRACKETS, _NO_BRACKETS).replace(b'""', b"")
    if b'"' in brackets:
        brackets = b"".join(brackets.split(b'"')[::2])
    for _ in range(_MAX_ROUNDS):
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return True
    return max(accumulate(92 - bracket for bracket in brackets)) <= depth - _MAX_ROUNDS


def first_excess(text: bytes) -> Excess | None:
    """Return the first value that exceeds a bound; None if there is none in the first 20,000 tokens of the JSON."""
    return next(excesses(text, MAX_DEPTH, _MAX_TOKENS), None)


def excesses(text: bytes, max_depth: int = MAX_DEPTH, max_tokens: int = 0) -> Iterator[Excess]:
    """Yield each value that exceeds a bound, in the order of the text, without those inside another such value.

    Args:
        text: JSON. If it is invalid, some results are meaningless.
        max_depth: the maximum depth of objects and lists.
        max_tokens: how many tokens to check; 0 for all. Unless it is 0, the search ends with the first value that nests
            too deep.
    """
    path: list[int | str] = []
    begun = depth = 0
    for n, token in enumerate(_TOKEN_PATTERN.finditer(text)):
        if max_tokens and n >= max_tokens:
            return
        kind = token.lastgroup
        if kind == "open":
            depth += 1
            if depth == max_depth + 1:
                begun = token.start()
                if max_tokens:  # the end is not needed
                    yield Excess(begun, len(text), _place(path), TOO_DEEP)
                    return
            elif depth <= max_depth:
                path.append(0 if token[0] == b"[" else "")
        elif kind == "close":
            if depth == max_depth + 1:
                yield Excess(begun, token.end(), _place(path), TOO_DEEP)
            elif path and depth <= max_depth:
                path.pop()
            depth = max(0, depth - 1)
        elif depth > max_depth:
            continue
        elif kind == "key" and path:
            path[-1] = token["string"][:50].decode("utf-8", "replace")
        elif kind == "comma" and path and isinstance(path[-1], int):
            path[-1] += 1
        elif kind == "number" and (advice := _advice_on(token[0])):
            yield Excess(token.start(), token.end(), _place(path), advice)
    if depth > max_depth:
        yield Excess(begun, len(text), _place(path), TOO_DEEP)


def _advice_on(number: bytes) -> str:
    if len(number) > MAX_DIGITS and _OVERLONG in number.translate(_DIGITS):
        return TOO_LONG
    if b"e" in number or b"E" in number:
        try:
            return TOO_LARGE if isinf(float(number)) else ""
        except ValueError:  # not a number
            return TOO_LARGE
    return ""


def _place(path: list[int | str]) -> str:
    return ".".join(map(str, path[:4])) + ("…" if len(path) > 4 else "")


def parseable(stored: bytes) -> bytes:
    """Return stored JSON in a form that every parser can read: unchanged if it is within the bounds, else trimmed."""
    if len(stored) < UNCHECKED_BYTES or within_bounds(stored, STORED_DEPTH):
        return stored
    return trim(stored)


def trim(text: bytes) -> bytes:
    """Return JSON with `null` in place of each value that exceeds `STORED_DEPTH` or a bound for numbers.

    This is slow: call it only for texts that are known to exceed a bound.
    """
    parts: list[bytes] = []
    end = 0
    for excess in excesses(text, STORED_DEPTH):
        parts += (text[end : excess.start], b"null")
        end = excess.end
    return b"".join([*parts, text[end:]]) if parts else text
