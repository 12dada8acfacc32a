"""The docs agree with the code: settings, commands, links, constants, generated pages."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import documented
import evidence
import make_api_reference
import make_reference
import tailwire
from tailwire.cli.main import parser_for
from tailwire.sdk.connection.causes import Cause, CauseKind
from tailwire.server.config import Settings
from tailwire.testing.line.operations import OPERATIONS

ROOT = Path(__file__).parents[2]


def test_every_setting_is_in_the_docs_with_its_default():
    text = (ROOT / "docs" / "server.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, re.MULTILINE))
    for field in dataclasses.fields(Settings):
        default = field.default
        shown = "" if default == "" else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        assert rows[field.name] == shown, field.name


def test_every_command_is_in_the_docs():
    text = (ROOT / "docs" / "server.md").read_text()
    (commands,) = [a.choices for a in parser_for([])._actions if a.choices]
    for name in commands:
        assert f"`tailwire {name}" in text, name


def test_links_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#.*?)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_documented_constants_have_their_values():
    for ours, values in documented.CONSTANTS.values():
        assert {str(v) for v in getattr(tailwire, ours)} - {"away"} == set(values.split()), ours  # away is our own


@pytest.mark.slow
def test_the_reference_is_current_and_each_row_has_its_test():
    for path, text in make_reference.pages().items():
        assert path.read_text(encoding="utf-8") == text, "run `make reference`"
        assert "**none**" not in text
        for name in re.findall(r"`(\w+/[\w/]+\.py::test_\w+)`", text):
            assert name in evidence.tests(), name


@pytest.mark.slow
def test_the_api_reference_is_current_and_has_every_public_name():
    pages = make_api_reference.pages()
    for path, text in pages.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make reference`"
    index = pages[make_api_reference.PAGES / "api.md"]
    assert {name for name in tailwire.__all__ if f"[`{name}`](" not in index} == {"__version__"}
    headings = set(re.findall(r"^#### (\S+)$", pages[make_api_reference.PAGES / "api-client.md"], re.MULTILINE))
    assert {f"ChatClient.{name}" for name in dir(tailwire.ChatClient) if not name.startswith("_")} <= headings


def test_every_fault_of_the_line_is_in_the_docs():
    text = (ROOT / "docs" / "testing.md").read_text()
    for name in OPERATIONS:
        assert f"`POST /{name}" in text, name
        assert f"`{name.replace('-', '_')}(" in text, name


def test_every_cause_that_the_world_can_give_is_in_the_docs_with_what_to_do():
    text = (ROOT / "docs" / "networks.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE))
    assert {cause.value for cause in Cause if cause.kind is not CauseKind.DECIDED} == rows
