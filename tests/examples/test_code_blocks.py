"""Every code block of the docs is run or checked: a new one fails here until this table says by which test."""

from __future__ import annotations

import ast
import base64
import code
import configparser
import dataclasses
import hmac
import json
import re
import shlex
import shutil
import subprocess
import time
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

import evidence
from tailwire.cli.main import parser_for
from tailwire.server.config import Settings

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page in [*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/**/*.md"))]
    if "docs/reference" not in page.as_posix() and page.name != "CHANGELOG.md"
]
_BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
RUN = {
    "README.md": "examples/test_examples.py::test_killed_bot_answers_every_message_once",
    "docs/apps.md": "adapters/test_apps_page.py::test_documented_program_with_windows_follows_its_window",
    "docs/backend.md": "examples/test_backends.py::test_documented_program_runs",
    "docs/bots.md": "examples/test_bots_page.py::test_documented_bot_and_its_test_run",
    "docs/connection.md": "examples/test_agent.py::test_documented_app_shows_missed_messages_once",
    "docs/live-lists.md": "examples/test_examples.py::test_documented_live_list_blocks_run",
    "docs/networks.md": "examples/test_code_blocks.py::test_blocks_about_networks_set_proxy_and_authority",
    "docs/push.md": "spec/test_push_calls.py::test_examples_on_the_page_about_push_notifications_reach_the_server",
    "docs/sdk.md": "examples/test_examples.py::test_documented_blocks_run_in_order",
    "docs/sync.md": "examples/test_sync_page.py::test_documented_script_runs",
    "docs/testing.md": "plugin/test_plugin.py::test_docs_examples_pass",
    "docs/tutorials/agent.md": "examples/test_tutorials.py::test_agent_tutorial_works_as_written",
    "docs/tutorials/bot.md": "examples/test_tutorials.py::test_bot_tutorial_works_as_written",
    "docs/tutorials/desktop-app.md": "examples/test_tutorials.py::test_desktop_app_tutorial_works_as_written",
    "docs/tutorials/first-chat.md": "examples/test_tutorials.py::test_first_chat_tutorial_works_as_written",
    "docs/webhooks.md": "spec/test_webhook_deliveries.py::test_delivery_is_signed_as_documented",
}
"""Pages with Python, and a test that runs it."""
ONLY_CHECKED = {
    "watch_android(chat)": "needs an Android device",
    "watch_ios(chat)": "needs an iOS device",
    "my_identity_provider.access_token": "needs an identity provider; spec/test_jwt_sign_in.py signs in with JWTs",
}
"""Python that is only compiled, by a part of it, and why."""


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield the blocks of a language with their pages."""
    for page in PAGES:
        for indent, name, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if name == language:
                yield page.relative_to(ROOT).as_posix(), re.sub(f"^{indent}", "", text, flags=re.MULTILINE)


def block(page: str, part: str) -> str:
    """Return the Python block of a page that contains a part."""
    (found,) = [text for name, text in blocks("python") if name == page and part in text]
    return found


def test_every_page_with_python_has_a_test_that_runs_it():
    for page, text in blocks("python"):
        if not any(part in text for part in ONLY_CHECKED):
            assert page in RUN, f"{page}: write a test that runs this, and name it in RUN:\n{text}"
    for test in RUN.values():
        assert evidence.exists(test), test


@pytest.mark.parametrize("part", ONLY_CHECKED)
def test_code_that_is_only_checked_still_exists(part: str):
    assert any(part in text for _, text in blocks("python"))


def test_python_is_valid():
    for page, text in blocks("python"):
        compile(text, page, "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


class Typed(code.InteractiveConsole):
    """Compiles what is typed line by line, as `python -m asyncio` does in Python 3.11, and runs nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self.errors: list[str] = []

    def runcode(self, code: CodeType) -> None: ...

    def write(self, data: str) -> None:
        self.errors.append(data)


def test_blocks_of_the_page_about_the_sdk_can_be_typed_line_by_line():
    typed = Typed()
    for page, text in blocks("python"):
        if page == "docs/sdk.md":
            for line in [*text.splitlines(), ""]:
                typed.push(line)
    assert typed.errors == []


def test_code_blocks_have_only_known_languages():
    known = {"python", "sh", "json", "toml", "ini", "js", "html", "sql", "text", ""}
    languages = {name for page in PAGES for _, name, _ in _BLOCK.findall(page.read_text(encoding="utf-8"))}
    assert languages <= known


def test_shell_commands_are_valid():
    for page, text in blocks("sh"):
        checked = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
        assert checked.returncode == 0, f"{page}: {checked.stderr}"


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield each `tailwire …` command of the shell blocks, without what follows it on its line."""
    for page, text in blocks("sh"):
        for line in re.sub(r"\\\n\s*", "", text).splitlines():
            command = re.match(r"(?:[A-Z_]+=\S+ +)*tailwire (.*)", line)
            if command:
                yield page, shlex.split(re.split(" &&? ?", command[1])[0], comments=True)


def test_commands_have_arguments_that_exist(capsys: pytest.CaptureFixture[str]):
    found = list(commands())
    assert len(found) > 20
    for page, words in found:
        if words not in (["--version"], ["--help"]):
            try:
                parser_for(words).parse_args(words)
            except SystemExit:
                pytest.fail(f"{page}: tailwire {' '.join(words)}: {capsys.readouterr().err}")


def test_json_is_valid():
    found = list(blocks("json"))
    assert found
    for page, text in found:
        assert json.loads(text), page


def test_toml_sets_settings_that_exist():
    names = {field.name for field in dataclasses.fields(Settings)}
    found = list(blocks("toml"))
    assert found
    for page, text in found:
        assert set(tomllib.loads(text)) <= names, page


def test_ini_is_valid():
    found = list(blocks("ini"))
    assert found
    for page, text in found:
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read_string(text)
        assert parser.sections(), page


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_javascript_is_valid(tmp_path: Path):
    found = list(blocks("js"))
    assert found
    for page, text in found:
        file = tmp_path / "block.js"
        file.write_text(text)
        checked = subprocess.run(["node", "--check", file], text=True, capture_output=True, check=False)
        assert checked.returncode == 0, f"{page}: {checked.stderr}"


def test_blocks_about_networks_set_proxy_and_authority():
    scope: dict[str, Any] = {}
    for page, text in blocks("python"):
        if page == "docs/networks.md":
            exec(text, scope)
    assert scope["builder"].set_region("us").build().proxy_address == ""
    assert scope["settings"].ca_file == "authority.pem"


def test_block_about_deliveries_accepts_a_signed_one_and_refuses_others():
    scope: dict[str, Any] = {}
    exec(block("docs/backend.md", "verify_webhook"), scope)
    key, body, at = bytes(range(32)), b"{}", str(int(time.time()))
    signature = base64.b64encode(hmac.digest(key, f"one.{at}.".encode() + body, sha256)).decode()
    headers = {"webhook-id": "one", "webhook-timestamp": at, "webhook-signature": f"v1,{signature}"}
    secret = "whsec_" + base64.b64encode(key).decode()
    assert scope["receive"](secret, headers, body) == 200
    assert scope["receive"](secret, headers, b"{} ") == 401


async def test_block_about_token_providers_makes_a_client(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("APP_ID", "app")
    scope: dict[str, Any] = {}
    program = block("docs/backend.md", "run(main())").partition("async def main")[0]
    exec(program + block("docs/backend.md", "token_provider"), scope)
    assert scope["chat"].get_logged_in_user() is None
