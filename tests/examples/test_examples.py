"""The examples run, and the README's bot is the one in `examples/`."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
from pathlib import Path

from harness import LiveStage

ROOT = Path(__file__).parents[2]


def code(text: str) -> str:
    """Python code without what only tells its reader something, in one form."""
    tree = ast.parse(text)
    body = [n for n in tree.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    return "\n".join(ast.unparse(n) for n in body if isinstance(n, ast.AsyncFunctionDef)).replace(" -> None", "")


def test_the_readmes_bot_is_the_examples():
    block = re.search(r"```python\n(import asyncio.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block
    assert code(block[1]) == code((ROOT / "examples" / "echo_bot.py").read_text())
    assert len([line for line in block[1].splitlines() if line.strip()]) <= 15


async def test_the_bot_answers(live: LiveStage, tmp_path):
    environment = {
        **os.environ,
        "APP_ID": live.server.app_id,
        "AUTH_KEY": live.server.auth_key,
        "CHAT_URL": live.server.url,
        "XDG_DATA_HOME": str(tmp_path),
    }
    bot = await asyncio.create_subprocess_exec(sys.executable, str(ROOT / "examples/echo_bot.py"), env=environment)
    try:
        alice = await live.enter("alice", presence=True)
        await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
        await alice.say("bob", "hello")
        await alice.ears.until(lambda: alice.ears.texts == ["You said: hello"])
    finally:
        bot.terminate()
        await bot.wait()


def test_the_docs_code_is_python_and_names_what_there_is():
    import tailwire

    for page in (ROOT / "docs" / "sdk.md", ROOT / "docs" / "networks.md", ROOT / "README.md"):
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            tree = ast.parse(block)
            names = [a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for a in n.names]
            calls = [
                n.attr
                for n in ast.walk(tree)
                if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "chat"
            ]
            for name in names:
                assert hasattr(tailwire, name), f"{page.name}: {name}"
            for name in calls:
                assert hasattr(tailwire.ChatClient, name), f"{page.name}: chat.{name}"


async def test_the_docs_calls_work(live: LiveStage):
    page = (ROOT / "docs" / "sdk.md").read_text()
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "some_calls" in b]
    alice = await live.enter("alice")
    scope = {"chat": alice.chat}
    exec(block, scope)
    await scope["some_calls"]()
