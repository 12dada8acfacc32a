"""`make links`: check that the links of the pages to other sites lead somewhere. Needs the internet."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import httpx2

ROOT = Path(__file__).resolve().parent.parent
TRIES, PAUSE_SECONDS, TIMEOUT_SECONDS = 3, 2.0, 20.0
UNKNOWN = {401, 403, 429}
"""Statuses of sites that refuse programs: they say nothing about the page."""
_LINK = re.compile(r"\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>")
_NOT_LINKED = re.compile(r"https?://(127\.0\.0\.1|localhost|[\w.-]*\bexample(\.\w+)?)(?=[:/]|$)")
"""The reader's own machine, and names that stand for the reader's."""


def links(pages: Iterable[Path]) -> dict[str, str]:
    """Return each URL of another site with the name of the first page that links to it."""
    found: dict[str, str] = {}
    for page in pages:
        for inline, bare in _LINK.findall(page.read_text(encoding="utf-8")):
            if not _NOT_LINKED.match(url := inline or bare):
                found.setdefault(url, page.name)
    return found


def problem(client: httpx2.Client, url: str) -> str:
    """Return what is wrong with a link; "" if it leads to a page, or if its site refuses programs."""
    problem_text = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_SECONDS)
        try:
            with client.stream("GET", url) as answer:  # some sites answer HEAD with an error
                status = answer.status_code
        except httpx2.HTTPError as e:
            problem_text = str(e) or type(e).__name__
            continue
        if status < 400 or status in UNKNOWN:
            return ""
        problem_text = f"status {status}"
    return problem_text


def main() -> int:
    """Check the links of all pages."""
    found = links([*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))])
    with httpx2.Client(follow_redirects=True, timeout=TIMEOUT_SECONDS) as client:
        broken = [
            f"{page}: {url}: {problem_text}" for url, page in found.items() if (problem_text := problem(client, url))
        ]
    print("\n".join(broken) or f"links: all {len(found)} lead to a page")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
