"""The faults of SQL within the code: each changes a text in one place."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SQL = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|AND|OR|ORDER BY|EXISTS|JOIN|LIMIT)\b")
# What is found, and what stands there instead. A changed place is never within a name or a longer operator.
_FAULTS = [
    (re.compile(found), instead)
    for found, instead in (
        (r"(?<= )<=(?= )", "<"), (r"(?<= )<(?= )", "<="), (r"(?<= )>=(?= )", ">"), (r"(?<= )>(?= )", ">="),
        (r"(?<= )<>(?= )", "="), (r"\bIS NULL\b", "IS NOT NULL"), (r"\bIS NOT NULL\b", "IS NULL"),
        (r"\bNOT EXISTS\b", "EXISTS"), (r"(?<!NOT )\bEXISTS\b", "NOT EXISTS"), (r"\bNOT IN\b", "IN"),
        (r"\bOR\b", "AND"), (r" DESC\b", ""), (r"\bUNION ALL\b", "UNION"), (r"\bDISTINCT ", ""),
        (r"\bmax\(", "min("), (r"\bmin\(", "max("), (r"(?<= )\+(?= )", "-"), (r"(?<= )-(?= )", "+"),
        (r"\bLEFT JOIN\b", "JOIN"), (r"(?<=, )0\)", "1)"), (r" ORDER BY id\b(?! DESC)", " ORDER BY id DESC"),
    )
]  # fmt: skip
_AND = re.compile(r"\bAND\b")
_BETWEEN = re.compile(r"\bBETWEEN\s+\S+\s+$")
_SHOWN_CHARS = 40


def excerpts(before: str, after: str) -> tuple[str, str]:
    """Return the places where two texts differ, each with what stands around it in both, in one line."""
    same = _common(before, after)
    rest = _common(before[same:][::-1], after[same:][::-1])
    found = (text[max(0, same - _SHOWN_CHARS) : len(text) - rest + _SHOWN_CHARS] for text in (before, after))
    one, other = (" ".join(text.split()) for text in found)
    return one, other


def _common(one: str, other: str) -> int:
    # How many characters both begin with.
    shorter = min(len(one), len(other))
    return next((n for n in range(shorter) if one[n] != other[n]), shorter)


def faults(text: str) -> Iterator[str]:
    """Yield the texts that differ from SQL in one place; nothing for a text that is not SQL."""
    if not _SQL.search(text):
        return
    for found, instead in _FAULTS:
        for place in found.finditer(text):
            yield text[: place.start()] + instead + text[place.end() :]
    for place in _AND.finditer(text):
        if not _BETWEEN.search(text[: place.start()]):
            yield text[: place.start()] + "OR" + text[place.end() :]
