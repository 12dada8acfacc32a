"""Make text of other users safe for a terminal, and fit it to a width. Pure functions.

A safe text contains no control character, no character that changes the direction of the line, at most
`MAX_COMBINING_MARKS` combining marks in a row, and no sequence whose width differs between terminals.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.cells import cell_len

MAX_COMBINING_MARKS = 3
"""The maximum number of combining marks in a row; further ones are removed. Languages need at most two or three."""
MAX_TEXT_CHARACTERS = 20_000
"""Longer texts are cut, and end with `CUT_MARK`."""
REPLACEMENT_CHARACTER = "\ufffd"
TAB_SPACES = "    "
CUT_MARK = " […]"
_CONTROL_PICTURES = {**{code: chr(0x2400 + code) for code in range(32)}, 127: "\u2421"}
_FIRST_FLAG_LETTER, _LAST_FLAG_LETTER = 0x1F1E6, 0x1F1FF
_REPLACED_CATEGORIES = ("Cc", "Cs", "Cn", "Co")
_JOINER, _NON_JOINER = "\u200d", "\u200c"
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
_VARIATION_SELECTORS = ("\ufe00", "\ufe0f")


def _safe_character(char: str, marks: int, before: str) -> str:
    # Return what is shown for a character that is not plain ASCII. `before` is the last character that was kept.
    category = unicodedata.category(char)
    if category == "Cc":
        return _CONTROL_PICTURES.get(ord(char), REPLACEMENT_CHARACTER)
    if category in _REPLACED_CATEGORIES:
        return REPLACEMENT_CHARACTER
    if category in ("Zl", "Zp"):
        return "\n"
    if category == "Zs":
        return " "
    if category == "Cf":
        joins_letters = char in (_JOINER, _NON_JOINER) and before and unicodedata.category(before)[0] in "LM"
        return char if joins_letters and marks < MAX_COMBINING_MARKS else _visible_format_character(char)
    if _VARIATION_SELECTORS[0] <= char <= _VARIATION_SELECTORS[1] or (
        _SKIN_TONES[0] <= char <= _SKIN_TONES[1] and before
    ):
        return ""  # without them a symbol has the same width everywhere
    if _FIRST_FLAG_LETTER <= ord(char) <= _LAST_FLAG_LETTER:
        return chr(ord(char) - _FIRST_FLAG_LETTER + ord("A"))
    if category[0] == "M" or cell_len(char) == 0:
        return char if marks < MAX_COMBINING_MARKS and before not in ("", "\n") else ""
    return char


def _visible_format_character(char: str) -> str:
    # Marks of direction are shown, because they were meant to change what is read; other format characters are not.
    return REPLACEMENT_CHARACTER if unicodedata.bidirectional(char) in _DIRECTIONS else ""


_DIRECTIONS = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


@lru_cache(maxsize=4096)
def safe(text: str) -> str:
    """Return a text made safe for a terminal (see this module). Line breaks remain, tabs become four spaces.

    Characters that are not allowed are replaced by a visible character or removed. The text is cut at
    `MAX_TEXT_CHARACTERS`.
    """
    cut = len(text) > MAX_TEXT_CHARACTERS
    text = text[:MAX_TEXT_CHARACTERS]
    if not (text.isascii() and text.isprintable()):
        text = _make_safe(text)
    return text + CUT_MARK if cut else text


def _make_safe(text: str) -> str:
    out: list[str] = []
    marks, before = 0, ""
    for char in unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\t", TAB_SPACES)):
        replacement = (
            char if char == "\n" or (char.isascii() and char.isprintable()) else _safe_character(char, marks, before)
        )
        if not replacement:
            continue
        out.append(replacement)
        marks = marks + 1 if cell_len(replacement) == 0 and replacement != "\n" else 0
        before = replacement if marks == 0 else before
    return "".join(out)


def safe_line(text: str) -> str:
    """Return a text made safe for a terminal (see `safe`), as one line: line breaks become spaces."""
    return " ".join(safe(text).split("\n"))


def cut_to(text: str, width: int) -> str:
    """Return a safe line, cut to at most `width` columns; if it is cut, it ends with `…`."""
    if len(text) <= width and text.isascii():
        return text
    if cell_len(text) <= width:
        return text
    if width < 1:
        return ""
    used, kept = 1, []
    for char in text:
        used += cell_len(char)
        if used > width:
            break
        kept.append(char)
    return "".join(kept) + "…"


def padded(text: str, width: int) -> str:
    """Return a safe line, cut as by `cut_to` or filled with spaces to exactly `width` columns."""
    text = cut_to(text, width)
    return text + " " * (width - cell_len(text))


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a safe text, wrapped at spaces to at most `width` columns (at least 2).

    Words that are longer than a line are broken. Line breaks of the text remain.
    """
    width = max(width, 2)  # a wide character needs two columns
    lines: list[str] = []
    for paragraph in text.split("\n"):
        if len(paragraph) <= width and paragraph.isascii():
            lines.append(paragraph)
        else:
            lines += _break_paragraph(paragraph, width)
    return lines


def _break_paragraph(paragraph: str, width: int) -> list[str]:
    lines, line, used = [], "", 0
    for word in paragraph.split(" "):
        size = len(word) if word.isascii() else cell_len(word)
        if line and used + 1 + size <= width:
            line, used = f"{line} {word}", used + 1 + size
            continue
        if line:
            lines.append(line)
        pieces = [word] if size <= width else _break_word(word, width)
        lines += pieces[:-1]
        line = pieces[-1]
        used = cell_len(line)
    return [*lines, line]


def _break_word(word: str, width: int) -> list[str]:
    pieces: list[str] = []
    piece: list[str] = []
    used = 0
    for char in word:
        size = cell_len(char)
        if used + size > width:
            pieces.append("".join(piece))
            piece, used = [], 0
        piece.append(char)
        used += size
    return [*pieces, "".join(piece)]
