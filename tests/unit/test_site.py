"""The documentation site: its pages, its navigation, and the check of what was built."""

from __future__ import annotations

from pathlib import Path

import pytest

import check_site
import make_site
import page_links
import site_pages

ROOT = Path(__file__).parents[2]


def test_every_page_is_in_the_navigation_once():
    places = [place for pages in site_pages.sections().values() for _, place in pages]
    assert sorted(places) == sorted(site_pages.sources().values())


def test_page_that_the_navigation_does_not_name_is_a_how_to_guide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = ROOT / "docs" / "new.md"
    monkeypatch.setattr(site_pages, "sources", lambda: {page: "new.md"})
    monkeypatch.setattr(
        Path, "read_text", lambda self, **_: "# A new page\n" if self == page else self.read_bytes().decode()
    )
    assert site_pages.sections()["How-to guides"][-1] == ("A new page", "new.md")


def test_links_between_collected_pages_lead_to_collected_pages():
    site = site_pages.collected()
    for place, text in site.pages.items():
        for target in page_links.links(text):
            path = target.partition("#")[0]
            if path and "://" not in target:
                there = (ROOT / "x" / place).parent.joinpath(path).resolve().relative_to(ROOT / "x").as_posix()
                assert there in site.pages or there in site.files, f"{place}: {target}"


def test_file_that_pages_link_to_has_a_page_with_its_text():
    page = site_pages.collected().pages["files/examples/echo_bot.py.md"]
    assert (ROOT / "examples" / "echo_bot.py").read_text().rstrip() in page


def test_links_in_code_are_not_changed():
    text = "[a](b.md) `[a](b.md)`\n\n```\n[a](b.md)\n```\n"
    assert page_links.replaced(text, lambda target: f"x/{target}") == "[a](x/b.md) `[a](b.md)`\n\n```\n[a](b.md)\n```\n"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<script src="https://example.com/a.js"></script>', "loads https://example.com/a.js from elsewhere"),
        ('<img src="//example.com/a.png">', "loads //example.com/a.png from elsewhere"),
        ('<img src="pictures/missing.png">', "pictures/missing.png, which it loads, is missing"),
        ('<img src="data:image/png;base64,AA=="><img src="index.html?1">', ""),
        ('<a href="missing.html">x</a>', "missing.html leads to no page"),
        ('<a href="#nowhere">x</a>', "#nowhere leads to no heading"),
        ('<a href="index.html#here">x</a><h1 id="here">y</h1>', ""),
        ('<a href="https://example.com">x</a>', ""),
    ],
)
def test_check_of_the_site_finds_missing_targets_and_foreign_files(tmp_path: Path, body: str, problem: str):
    (tmp_path / "index.html").write_text(f"<html><body>{body}</body></html>")
    assert check_site.problems(tmp_path) == ([f"index.html: {problem}"] if problem else [])


@pytest.mark.parametrize("name", ["a.css", "a.svg"])
def test_check_of_the_site_finds_styles_that_load_from_elsewhere(tmp_path: Path, name: str):
    (tmp_path / name).write_text("@font-face { src: url('https://example.com/font.woff2') }")
    assert check_site.problems(tmp_path) == [f"{name}: loads something from elsewhere"]


def test_llms_txt_names_every_page():
    listed = make_site.list_for_models()
    assert listed.startswith("# Tailwire\n\n> A chat connection that holds.")
    for place in site_pages.sources().values():
        assert f"]({place.removesuffix('.md')}.html)" in listed, place
