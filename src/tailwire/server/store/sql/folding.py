"""Folds case, the same for every database: character by character, without the special cases of a language."""

from __future__ import annotations


def fold(text: str) -> str:
    """Return a text in lower case. Characters whose lower case is longer than one character stay as they are."""
    lowered = text.lower()
    if text.isascii() or (len(lowered) == len(text) and "\u03a3" not in text):
        return lowered
    # A capital sigma at the end of a word becomes another letter in `str.lower`, but not in a database.
    return "".join(low if len(low := one.lower()) == 1 else one for one in text)
