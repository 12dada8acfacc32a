"""The pages of the documentation site: those of `docs/`, those of the root, and a page for each file that they link to.

A page of the repository links to files by their place there (`../examples/ask.py`), so that links also work where the
repository is browsed. On the site each of these files has a page of its own, and the links lead to it.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import page_links

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
NAVIGATION = DOCS / "navigation.toml"
ROOT_PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "benchmarks/RESULTS.md": "project/benchmarks.md",
}
"""Pages outside of `docs/`, and their places on the site."""
NOT_PAGES = ("compatibility.head.md",)
"""Parts of a page that `make reference` writes."""
LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".yaml": "yaml", ".yml": "yaml", ".conf": "nginx"}
UNNAMED = "How-to guides"
"""The section for pages that the navigation does not name."""


@dataclass(frozen=True)
class Site:
    """The contents of the site: each page's text, and each other file's source, by its path on the site.

    Attributes:
        pages: texts in Markdown.
        files: pictures and scripts.
    """

    pages: dict[str, str]
    files: dict[str, Path]


def sources() -> dict[Path, str]:
    """Return the pages of the repository that the site has, with their paths on it."""
    found = {ROOT / source: place for source, place in ROOT_PAGES.items()}
    for page in sorted(DOCS.rglob("*.md")):
        if page.name not in NOT_PAGES:
            found[page] = page.relative_to(DOCS).as_posix()
    return found


def place_of(target: Path, placed: dict[Path, str]) -> str:
    """Return the place of a file of the repository on the site."""
    if target in placed:
        return placed[target]
    if target.is_relative_to(DOCS):
        return target.relative_to(DOCS).as_posix()
    return f"files/{target.relative_to(ROOT).as_posix()}.md"


def file_page(file: Path) -> str:
    """Return the page of a file of the repository, or of a folder: its files, each with its text."""
    name = file.relative_to(ROOT).as_posix()
    if file.is_dir():
        inside = sorted(one for one in file.iterdir() if one.is_file())
        return f"# {name}\n\n" + "\n".join(_shown(one, f"## {one.name}") for one in inside)
    return _shown(file, f"# {file.name}\n\n`{name}` in the repository.")


def _shown(file: Path, heading: str) -> str:
    return f"{heading}\n\n````{LANGUAGES.get(file.suffix, 'text')}\n{file.read_text(encoding='utf-8').rstrip()}\n````\n"


def collected() -> Site:
    """Return everything that the site contains.

    Raises:
        SystemExit: when a link leads to a file that does not exist.
    """
    placed, pages, files = sources(), {}, {}
    linked: set[Path] = set()

    def moved(page: Path, place: str, target: str) -> str:
        path, mark, anchor = target.partition("#")
        if not path or "://" in target or target.startswith("mailto:"):
            return target
        file = (page.parent / path).resolve()
        if not file.exists():
            raise SystemExit(f"{page.relative_to(ROOT)}: there is no {target}")
        if file not in placed and not file.is_relative_to(DOCS / "pictures"):
            linked.add(file)
        there = place_of(file, placed)
        return os.path.relpath(there, Path(place).parent).replace(os.sep, "/") + mark + anchor

    for page, place in placed.items():
        text = page.read_text(encoding="utf-8")
        pages[place] = page_links.replaced(text, lambda target, page=page, place=place: moved(page, place, target))
    for file in sorted(linked):
        pages[place_of(file, placed)] = file_page(file)
    for folder in ("pictures", "assets"):
        files |= {f"{folder}/{file.name}": file for file in sorted((DOCS / folder).iterdir())}
    return Site(pages, files)


def title(text: str) -> str:
    """Return the first heading of a page."""
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1] if found else ""


def first_paragraph(text: str) -> str:
    """Return the first paragraph of a page below its heading, without links; "" if it begins otherwise."""
    below = re.sub(r"\A.*?^# .+?$", "", text, count=1, flags=re.MULTILINE | re.DOTALL).strip()
    paragraph = " ".join(below.partition("\n\n")[0].split())
    if re.match(r"[`#|!<*-]", paragraph):
        return ""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", paragraph)


def first_sentence(text: str) -> str:
    """Return the first sentence of a page, except one in which a generated page says how it was made."""
    sentences = re.split(r"(?<=[.!?]) ", first_paragraph(text))
    return next((one for one in sentences if "make reference" not in one and "make table" not in one), "")


def sections() -> dict[str, list[tuple[str, str]]]:
    """Return the sections of the navigation, with titles and pages. One section has the pages that no other names."""
    listed: dict[str, Any] = tomllib.loads(NAVIGATION.read_text(encoding="utf-8"))
    found = {one["title"]: [(shown, page) for page, shown in one["pages"].items()] for one in listed["section"]}
    named = {page for pages in found.values() for _, page in pages}
    for source, place in sources().items():
        if place not in named:
            found[UNNAMED].append((title(source.read_text(encoding="utf-8")), place))
    return found
