"""The links of a page in Markdown, and the anchors of its headings, outside of code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_LINK = re.compile(r"(?<=\]\()([^()\s]+)(?=\))")
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")


def lines(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a page, and whether each is within a block of code."""
    fence = ""
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if fence:
            yield line, True
            if mark and mark[1].startswith(fence) and not line.strip(" \n`~"):
                fence = ""
        elif mark:
            fence = mark[1]
            yield line, True
        else:
            yield line, False


def replaced(text: str, new: Callable[[str], str]) -> str:
    """Return a page with the targets of its links replaced; code stays as it is."""
    return "".join(line if code else _replaced(line, new) for line, code in lines(text))


def _replaced(line: str, new: Callable[[str], str]) -> str:
    inline = [match.span() for match in _CODE.finditer(line)]
    return _LINK.sub(
        lambda m: m[0] if any(a < m.start() and m.end() < b for a, b in inline) else new(m[1]),
        line,
    )


def links(text: str) -> list[str]:
    """Return the targets of a page's links and pictures."""
    found: list[str] = []
    replaced(text, lambda target: found.append(target) or target)
    return found


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    found: set[str] = set()
    for line, code in lines(text):
        heading = re.match(r"#{1,6} +(.+?) *#*$", line.rstrip("\n"))
        if heading and not code:
            name = slug(heading[1])
            free = name
            number = 0
            while free in found:
                number += 1
                free = f"{name}-{number}"
            found.add(free)
    return found


def slug(heading: str) -> str:
    """Return the anchor of a heading: its words in lower case, without marks, joined by hyphens."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")
