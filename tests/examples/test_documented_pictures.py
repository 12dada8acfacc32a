"""Each picture of the docs is shown by a page, and made by a script that `make pictures` or `make reference` runs."""

from __future__ import annotations

import re
from pathlib import Path

import diagrams
import make_pictures
import page_links

ROOT = Path(__file__).parents[2]
PICTURES = {file.name for file in (ROOT / "docs" / "pictures").iterdir()}
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
SCENE = re.compile(r'^    "(\w+)": \(', re.MULTILINE)


def shown_pictures() -> set[str]:
    """Return the names of the pictures that a page shows or links to."""
    targets = [target for page in PAGES for target in page_links.links(page.read_text(encoding="utf-8"))]
    return {Path(target).name for target in targets if "pictures/" in target and "://" not in target}


def made_pictures() -> set[str]:
    """Return the names of the pictures that scripts make."""
    scenes = SCENE.findall((ROOT / "tests" / "tui" / "scenes.py").read_text(encoding="utf-8").partition("SCENES: ")[2])
    stems = {f"terminal_{scene}" for scene in scenes} | set(make_pictures.DRAWN)
    return {name for name in PICTURES if Path(name).stem in stems} | {path.name for path in diagrams.pictures()}


def test_each_picture_is_shown_by_a_page():
    assert PICTURES - shown_pictures() == set()


def test_each_picture_is_made_by_a_script():
    assert PICTURES - made_pictures() == set()


def test_each_picture_that_a_script_makes_exists():
    names = {Path(name).stem for name in PICTURES}
    assert set(make_pictures.DRAWN) - names == set()


def test_each_shown_picture_has_an_alternative_text():
    for page in PAGES:
        for caption in re.findall(r"!\[([^\]]*)\]\([^)]*pictures/", page.read_text(encoding="utf-8")):
            assert len(caption.split()) >= 2, (page.name, caption)


def test_no_picture_loads_anything_from_elsewhere():
    files = list((ROOT / "docs" / "pictures").glob("*.svg"))
    assert files
    for file in files:
        assert not re.search(
            r"url\(\s*[\"']?(https?:)?//|@import|<script|href=[\"'](https?:)?//", file.read_text(encoding="utf-8")
        )
