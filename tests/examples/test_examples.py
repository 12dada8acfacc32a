"""The examples run, and the README's bot is the one in `examples/`."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from harness import LiveStage

ROOT = Path(__file__).parents[2]


def handlers(text: str) -> set[str]:
    """Return the functions of a bot, normalised."""
    return {ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.AsyncFunctionDef)}


def printed(page: str) -> list[str]:
    """Return the Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def bot_of(source: str) -> str:
    """Return the code of a bot, from a page or from its file."""
    if source != "README.md":
        return (ROOT / source).read_text()
    (bot,) = [block for block in printed(source) if "Bot(" in block]
    return bot


def test_readme_bot_is_the_example_in_ten_lines():
    block = bot_of("README.md")
    example = handlers(bot_of("examples/echo_bot.py"))
    assert handlers(block) < example, "the example also says when it is connected"
    assert len([line for line in block.splitlines() if line.strip()]) <= 10


def test_readme_fits_two_screens_and_has_two_commands():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).splitlines()  # a link shows its text
    assert sum(max(1, -(-len(line) // 100)) for line in shown) <= 100
    (commands,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert re.findall(r"^make (\w+)", commands, re.MULTILINE) == ["demo", "test"]
    assert len(commands.splitlines()) == 2


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda file: file.stem)
def test_example_is_short_and_shown_in_the_readme(example: Path):
    assert len(example.read_text().splitlines()) < 150
    readme = (ROOT / "README.md").read_text()
    (row,) = [line for line in readme.splitlines() if line.startswith("|") and f"(examples/{example.name})" in line]
    picture = "ai_agent" if example.stem == "ask" else example.stem  # `ask.py` is what the agent's picture shows
    assert f"](docs/pictures/{picture}.png)" in row
    assert (ROOT / "docs" / "pictures" / f"{picture}.png").is_file()


class Bot:
    """A bot as a process, with its saved session in a folder."""

    def __init__(self, live: LiveStage, source: str, folder: Path) -> None:
        text = bot_of(source)
        assert "http://127.0.0.1:8480" in text
        self._file = folder / "bot.py"
        self._file.write_text(text.replace("http://127.0.0.1:8480", live.server.url))
        self._folder = folder
        self._environment = {
            **os.environ,
            "APP_ID": live.server.app_id,
            "AUTH_KEY": live.server.auth_key,
            "XDG_DATA_HOME": str(folder),
        }

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(self._file),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal, and return the exit code, the output and the errors."""
        self._process.send_signal(number)
        printed, errors = await self._process.communicate()
        return self._process.returncode or 0, printed.decode(), errors.decode()

    def saved(self) -> dict[str, Any]:
        (file,) = (self._folder / "tailwire" / "bots").glob("*/session-*.json")
        return json.loads(file.read_text())

    async def until_saved(self, message_id: int) -> None:
        """Wait until the position after a message is saved on the device."""
        async with asyncio.timeout(30):
            while self.saved()["position"]["last_id"] < message_id:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("source", ["README.md", "examples/echo_bot.py"])
async def test_killed_bot_answers_every_message_once(live: LiveStage, tmp_path, source):
    bot, alice = Bot(live, source, tmp_path), await live.enter("alice", presence=True)
    texts: list[str] = []

    async def say(text: str) -> int:
        texts.append(f"You said: {text}")
        return (await alice.say("bob", text)).id

    async def answered() -> None:
        await alice.ears.until(lambda: len(alice.ears.texts) >= len(texts))

    await bot.start()
    await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
    token = bot.saved()["auth_token"]
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        last = await say(f"live before {number.name}")
        await answered()
        await bot.until_saved(last)
        ended, printed, errors = await bot.end(number)
        if source != "README.md":
            assert printed.splitlines()[-1] == "bob is connected; Ctrl+C ends it"
        if number is not signal.SIGKILL:
            assert (ended, errors) == (0, "")
        for n in range(3):
            await say(f"missed {n} after {number.name}")
        await bot.start()
        await answered()
    await say("the end")
    await answered()
    await bot.end(signal.SIGTERM)
    assert alice.ears.texts == texts
    assert bot.saved()["auth_token"] == token


def test_documented_code_uses_existing_names():
    import tailwire
    from tailwire.sync import Client

    pages = [
        *(ROOT / "docs" / f"{name}.md" for name in ("sdk", "networks", "live-lists", "connection")),
        ROOT / "README.md",
    ]
    for page in (*pages, ROOT / "docs" / "apps.md"):
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            tree = compile(block, page.name, "exec", flags=ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            imports = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "tailwire"]
            names = [a.name for n in imports for a in n.names]
            calls = [
                n.attr
                for n in ast.walk(tree)
                if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "chat"
            ]
            for name in names:
                assert hasattr(tailwire, name), f"{page.name}: {name}"
            for name in calls:
                assert hasattr(tailwire.ChatClient, name) or hasattr(Client, name), f"{page.name}: chat.{name}"


async def test_documented_blocks_run_in_order(live: LiveStage, tmp_path, monkeypatch):
    """Run the blocks as in `python -m asyncio`, twice: the second run finds the data of the first."""
    monkeypatch.setenv("APP_ID", live.server.app_id)
    monkeypatch.setenv("AUTH_KEY", live.server.auth_key)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.jpg").write_bytes(b"a cat")
    blocks = printed("docs/sdk.md")
    assert "http://127.0.0.1:8480" in blocks[0]
    for _ in range(2):
        scope: dict[str, Any] = {}
        for n, block in enumerate(blocks):
            text = block.replace("http://127.0.0.1:8480", live.server.url)
            compiled = compile(text, f"block {n}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            waiting = eval(compiled, scope)
            if waiting is not None:
                await waiting
        await scope["chat"].aclose()
    assert [getattr(m, "text", "") for m in scope["page"]].count("hello, Bob") == 2


async def test_documented_live_list_blocks_run(live: LiveStage, tmp_path, monkeypatch):
    monkeypatch.setenv("APP_ID", live.server.app_id)
    monkeypatch.setenv("AUTH_KEY", live.server.auth_key)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    bob = await live.enter("bob")
    await bob.say("alice", "hello")
    scope: dict[str, Any] = {}
    for n, block in enumerate([printed("docs/sdk.md")[0], *printed("docs/live-lists.md")]):
        text = block.replace("http://127.0.0.1:8480", live.server.url)
        compiled = compile(text, f"block {n}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(compiled, scope)
        if waiting is not None:
            await waiting
    await scope["chat"].aclose()
    assert [getattr(i.message, "text", "") for i in scope["messages"].items] == ["hello", "How are you?"]
    assert scope["conversations"].closed
