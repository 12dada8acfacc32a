"""The docs agree with the code: settings, commands, links, constants, generated pages."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

import diagrams
import documented
import evidence
import make_api_reference
import make_operator_reference
import make_reference
import make_rest_reference
import page_links
import public_face
import tailwire
from tailwire.cli.main import parser_for
from tailwire.sdk.connection.causes import Cause, CauseKind
from tailwire.sdk.listeners.events import Event
from tailwire.server.auth import jwt_verifier
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


def test_every_event_is_in_the_docs():
    text = (ROOT / "docs" / "sdk.md").read_text()
    for event in get_args(Event):
        assert f"`{event.__name__}`" in text, event.__name__


def test_every_reason_to_refuse_a_jwt_is_in_the_docs():
    text = (ROOT / "docs" / "operating.md").read_text()
    reasons = re.findall(r'raise _refusal\("(.*?)"', inspect.getsource(jwt_verifier))
    assert len(reasons) > 8
    for reason in reasons:
        assert f"`{reason}`" in text, reason


PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]


@functools.cache
def anchors_of(page: Path) -> set[str]:
    return page_links.anchors(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_files_and_headings(page: Path):
    for target in page_links.links(page.read_text(encoding="utf-8")):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            there = (page.parent / path).resolve() if path else page
            assert there.exists(), target
            assert not anchor or anchor in anchors_of(there), target


def test_anchor_is_a_heading_in_lower_case_without_marks():
    text = "# `Bot.run` and [links](a.md)\n\n## GET /users/{uid}\n\n## Twice\n\n## Twice\n\n```\n# code\n```\n"
    assert page_links.anchors(text) == {"botrun-and-links", "get-usersuid", "twice", "twice-1"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "generator", [make_operator_reference, make_rest_reference], ids=lambda module: module.__name__
)
def test_reference_for_operators_is_current(generator: ModuleType):
    for path, text in generator.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make reference`"


def test_diagrams_are_current():
    for path, drawn in diagrams.pictures().items():
        assert path.read_text(encoding="utf-8") == drawn, f"{path.name}: run `make reference`"


def test_no_page_contains_a_mermaid_diagram():
    for page in PAGES:
        assert "```mermaid" not in page.read_text(encoding="utf-8"), page.name


def test_every_operation_of_the_server_is_in_the_rest_reference():
    index = (ROOT / "docs" / "reference" / "rest.md").read_text()
    for method, path, summary in make_reference.operations():
        assert f"| [`{method} {path}`](" in index, path
        assert f") | {summary} |" in index, summary


def test_every_argument_of_every_command_has_a_description():
    page = (ROOT / "docs" / "reference" / "cli.md").read_text()
    rows = re.findall(r"^\| (`.+`) \|(.*)\|$", page, re.MULTILINE)
    assert len(rows) > 50
    assert [name for name, description in rows if not description.strip()] == []


def test_every_setting_is_in_the_reference_with_its_argument_and_variable():
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    for field in dataclasses.fields(Settings):
        row = f"| `{field.name}`<br>`--{field.name.replace('_', '-')}`<br>`TAILWIRE_{field.name.upper()}` |"
        assert row in page, field.name


def test_documented_constants_have_their_values():
    for ours, values in documented.CONSTANTS.values():
        assert {str(v) for v in getattr(tailwire, ours)} - {"away"} == set(values.split()), ours  # away is our own


@pytest.mark.slow
def test_reference_is_current_and_each_row_has_its_test():
    for path, text in make_reference.pages().items():
        assert path.read_text(encoding="utf-8") == text, "run `make reference`"
        assert "**none**" not in text
        for name in re.findall(r"`(\w+/[\w/]+\.py::test_\w+)`", text):
            assert evidence.exists(name), name


@pytest.mark.slow
def test_api_reference_has_every_field_of_every_public_dataclass():
    sections = {}
    for page in make_api_reference.pages().values():
        for section in page.split("\n### ")[1:]:
            sections[section.partition("\n")[0]] = section
    checked = 0
    for public in public_face.public_names():
        module, _, name = public.rpartition(".")
        thing = getattr(importlib.import_module(module), name)
        section = sections[public.removeprefix("tailwire.")]
        if dataclasses.is_dataclass(thing) and "Another name of" not in section:
            checked += 1
            for field in dataclasses.fields(thing):
                shown = re.search(rf"^{field.name}: ", section, re.MULTILINE)
                assert shown or field.name.startswith("_"), f"{public}.{field.name}"
    assert checked > 40
    assert "requires `receiver`; it takes all fields by keyword only" in sections["TextMessage"]
    assert "requires `message_id`, `sender`, `receiver_id`" in sections["MessageReceipt"]
    assert "- `timestamp`, `delivered_at`, `read_at`: " in sections["MessageReceipt"]


@pytest.mark.slow
def test_api_reference_is_current_and_has_every_public_name():
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


def test_every_cause_that_the_app_did_not_decide_is_in_the_docs_with_advice():
    text = (ROOT / "docs" / "networks.md").read_text()
    rows = set(re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE))
    assert {cause.value for cause in Cause if cause.kind is not CauseKind.DECIDED} == rows
