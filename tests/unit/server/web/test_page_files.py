"""The files of the pages: vendored files match their list, and every file that a page names exists."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

import tailwire
from tailwire.server.web.page_files import read_page

WEB = Path(tailwire.__file__).parent / "web"
VENDORED = json.loads((WEB / "vendor.json").read_text())


def test_vendored_files_have_the_hashes_of_their_list_and_no_other_file_is_there():
    listed = {}
    for package in VENDORED:
        assert re.fullmatch(r"[\w.]+", package["version"])
        assert package["license"] in ("MIT", "Apache-2.0")
        for file in (package["license file"], *package["files"]):
            listed[file["name"]] = file["sha256"]
    found = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in (WEB / "vendor").iterdir()}
    assert found == listed


@pytest.mark.parametrize("page", ["console", "chat"])
def test_every_file_that_a_page_names_exists(page):
    files, kinds_with_names = read_page(page), set[str]()
    for path, file in files.items():
        text = file.body.decode()
        named = re.findall(r'(?:href|src)="([^"#]+)"', text) if file.content_type.startswith(b"text/html") else []
        if path.endswith((".js", ".mjs")):
            named = re.findall(r'^(?:import|export)\b(?:.*?from)? "([^"]+)"', text, re.MULTILINE)
        if path.endswith(".css"):
            named = re.findall(r'@import "([^"]+)"', text)
        for name in named:
            target = Path("/page", path or "index.html").parent.joinpath(name).resolve().relative_to("/page")
            assert target.as_posix() in files, (path, name)
            kinds_with_names.add(path.rpartition(".")[2])
    assert {"", "js"} <= kinds_with_names  # the patterns still find names in the page and in its scripts


@pytest.mark.parametrize("page", ["console", "chat"])
def test_page_has_no_script_or_style_in_its_html(page):
    html = read_page(page)[""].body.decode()
    assert re.findall(r"<script[^>]*>", html) == [
        '<script src="shared/start_failure.js">',
        '<script type="module" src="app.js">',
    ]
    assert "<style" not in html
    assert not re.search(r"\s(?:style|on\w+)=", html)


@pytest.mark.parametrize("page", ["console", "chat"])
def test_languages_of_a_page_define_the_same_texts(page):
    text = read_page(page)["words.js"].body.decode()
    blocks = re.findall(r"^  (\w\w): \{\n(.*?)^  \},\n", text, re.MULTILINE | re.DOTALL)
    names = {language: re.findall(r"^    (\w+): ", block, re.MULTILINE) for language, block in blocks}
    assert set(names) == {"en", "de"}
    assert names["en"] == names["de"]
    assert len(set(names["en"])) == len(names["en"])


@pytest.mark.parametrize("page", ["console", "chat"])
def test_texts_that_a_page_uses_exist_and_every_text_is_used(page):
    files = {path: file.body.decode() for path, file in read_page(page).items() if path.endswith(".js")}
    there = set(re.findall(r"^    (\w+): ", files.pop("words.js"), re.MULTILINE))
    code = "".join(files.values())
    keys = set(re.findall(r'say\("(\w+)"', code))
    named = set(re.findall(r'name: "(\w+)", Page', code))
    assert keys | named <= there
    for name in there - keys - named:  # made of a prefix and a state, such as by_server
        assert f"say(`{name.partition('_')[0]}_$" in code, name
