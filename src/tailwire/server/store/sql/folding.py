"""Lower case that is the same in every database: character by character, without the special cases of a language."""

from __future__ import annotations


def fold(text: str) -> str:
    """Return a text in lower case. It has as many characters as before."""
    if text.isascii():
        return text.lower()
    return "".join(map(_lower, text))


def _lower(character: str) -> str:
    lowered = character.lower()
    # Only the capital I with a dot has a lower case of two characters: the second one is its dot.
    return lowered if len(lowered) == 1 else lowered[0]
