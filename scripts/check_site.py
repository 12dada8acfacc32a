"""Check the built documentation site: its pages load files of the site only, and its links lead to pages and headings.

`make docs` runs it after each build.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

SITE = Path(__file__).resolve().parent.parent / "site"
LOADED = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "link": "href",
    "source": "src",
    "video": "src",
    "audio": "src",
}
"""Elements that load something, and the attribute that names it."""
NOT_LOADED = {"canonical", "alternate", "next", "prev", "edit"}
"""Relations of a `link` that loads nothing."""
_STYLE = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])(https?:)?//")


class Page(HTMLParser):
    """The links and anchors of a page, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record what an element loads or links to."""
        attributes = {name: value or "" for name, value in attrs}
        self.anchors |= {attributes[name] for name in ("id", "name") if name in attributes}
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag in LOADED and LOADED[tag] in attributes and attributes.get("rel") not in NOT_LOADED:
            self.loads.append(attributes[LOADED[tag]])


def outside(address: str) -> bool:
    """Return whether a URL names a host, and so leads away from the site."""
    return address.startswith(("http:", "https:", "//"))


def problems(site: Path) -> list[str]:
    """Return the problems of a site, one a line."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site)
        for address in page.loads:
            if outside(address):
                found.append(f"{name}: loads {address} from elsewhere")
            elif not address.startswith("data:") and path.name != "404.html" and not _file(address, path).exists():
                found.append(f"{name}: {address}, which it loads, is missing")
        for link in page.links:
            if not outside(link) and not link.startswith("mailto:") and path.name != "404.html":
                found += _problem_of(link, path, pages, name)
    for path in sorted([*site.rglob("*.css"), *site.rglob("*.svg")]):
        if _STYLE.search(path.read_text(encoding="utf-8")):
            found.append(f"{path.relative_to(site)}: loads something from elsewhere")
    return found


def _file(address: str, path: Path) -> Path:
    """Return the file that a URL on a page leads to."""
    target = re.split("[?#]", address, maxsplit=1)[0]
    return (path.parent / unquote(target)).resolve() if target else path


def _problem_of(link: str, path: Path, pages: dict[Path, Page], name: Path) -> list[str]:
    _, _, anchor = link.partition("#")
    there = _file(link, path)
    if there.is_dir():
        there /= "index.html"
    if not there.exists():
        return [f"{name}: {link} leads to no page"]
    if anchor and there in pages and unquote(anchor) not in pages[there].anchors:
        return [f"{name}: {link} leads to no heading"]
    return []


def main() -> int:
    """Check the site."""
    found = problems(SITE)
    print(
        "\n".join(found)
        or f"site: {len(list(SITE.rglob('*.html')))} pages, all links lead somewhere, nothing is loaded from elsewhere"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
