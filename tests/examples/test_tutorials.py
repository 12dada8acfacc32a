"""A reader follows each tutorial step by step, in terminals, with a real server."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from reader import ROOT, Reader

from adapters.conftest import need
from adapters.screen import Screen, missing
from adapters.shell import needs_a_terminal

pytestmark = [pytest.mark.gui, pytest.mark.slow, needs_a_terminal()]
CTRL_C, CTRL_D = "\x03", "\x04"


@asynccontextmanager
async def following(page: str, home: Path) -> AsyncIterator[Reader]:
    """Read a tutorial to its end, and close the reader's terminals."""
    reader = Reader(page, home)
    try:
        yield reader
        reader.finished()
    except BaseException:
        print(reader.screens())
        raise
    finally:
        reader.close()


async def sockets(reader: Reader, number: int) -> None:
    """Wait until the reader's server has this many sockets."""
    async with httpx2.AsyncClient(trust_env=False) as http, asyncio.timeout(40):
        while f"tailwire_sockets {number}.0" not in (await http.get(f"http://127.0.0.1:{reader.port}/metrics")).text:
            await asyncio.sleep(0.05)


async def test_first_chat_tutorial_works_as_written(tmp_path: Path):
    async with following("first-chat.md", tmp_path) as reader:
        server, alice, bob = reader.terminal(), reader.terminal(), reader.terminal()
        await reader.serve(server)
        prepared = reader.command("activate", "export", "~/chat")
        await reader.prepare(alice, prepared)
        await reader.prepare(bob, prepared)
        folder = reader.home / "chat"
        reader.save("hello.py", folder)
        alice.type(reader.command("hello.py"))
        await alice.until_shown(reader.shown())
        await alice.until_asked()
        reader.save("chat.py", folder)
        await reader.run(alice, reader.command("chat.py alice bob"))
        await reader.run(bob, reader.command("chat.py bob alice"))
        await sockets(reader, 2)
        alice.type("good morning\n")
        await bob.until_shown("Alice: good morning")
        bob.type("hello alice\n")
        await alice.until_shown("Bob: hello alice")

        bob.type(CTRL_C)
        await bob.until_asked()
        alice.type("first\n")
        alice.type("second\n")
        bob.type("clear\n")
        await reader.run(bob, reader.command("chat.py bob alice"))
        await bob.until(
            lambda: re.search("Alice: first\n.*Alice: second", bob.text, re.DOTALL) is not None, "both lines, in order"
        )

        server.type(CTRL_C)
        await server.until_asked()
        alice.type("while it is away\n")
        assert reader.shown() == "/why"
        alice.type("/why\n")
        await alice.until(lambda: re.search(r"(disconnected|connecting): ", alice.text) is not None, "the reason")
        await reader.serve(server)
        await bob.until_shown("Alice: while it is away")
        assert bob.text.count("Alice: while it is away") == 1


async def test_bot_tutorial_works_as_written(tmp_path: Path):
    async with following("bot.md", tmp_path) as reader:
        server, terminal, alice = reader.terminal(), reader.terminal(), reader.terminal()
        await reader.serve(server)
        prepared = reader.command("activate", "export", "ask.py")
        await reader.prepare(terminal, prepared)
        await reader.prepare(alice, prepared)
        folder = reader.home / "chat"
        reader.save("my_bot.py", folder)
        terminal.type(reader.command("my_bot.py"))
        await sockets(reader, 1)
        await reader.run(alice, reader.command("ask.py bob"))
        for line, answer in (("2+3", "bob: 5"), ("/help", "bob: Ask me for a sum"), ("hello", "bob: You said: hello")):
            alice.type(f"{line}\n")
            await alice.until_shown(answer)
        reader.save("test_my_bot.py", folder)
        terminal.type(CTRL_C)
        await terminal.until_asked()
        terminal.type(reader.command("pytest"))
        await terminal.until_shown(reader.shown())
        await terminal.until_asked()
        alice.type("4+4\n")
        terminal.type(reader.command("my_bot.py"))
        await alice.until_shown("bob: 8")
        alice.type(CTRL_D)
        await alice.until_asked()


async def test_agent_tutorial_works_as_written(tmp_path: Path):
    async with following("agent.md", tmp_path) as reader:
        server, terminal, alice = reader.terminal(), reader.terminal(), reader.terminal()
        await reader.serve(server)
        prepared = reader.command("activate", "export", "ask.py")
        await reader.prepare(terminal, prepared)
        await reader.prepare(alice, prepared)
        reader.save("agent.py", reader.home / "chat")
        terminal.type(reader.command("agent.py"))
        await sockets(reader, 1)  # a bot that starts for the first time handles what arrives from then on
        await reader.run(alice, reader.command("ask.py bob"))
        alice.type("hello\n")
        await alice.until_shown(reader.shown())
        alice.type(f"a question {'of many words ' * 20}\n")  # its answer takes some seconds
        await alice.until_shown("bob: You have said 2")
        alice.type("\n")
        await alice.until_shown("(stopped)")


async def test_desktop_app_tutorial_works_as_written(tmp_path: Path):
    need("tkinter", "_tkinter")
    if lacking := missing():
        pytest.skip(f"not installed: {', '.join(lacking)} (Debian packages): run `make gui`")
    screen = Screen()
    try:
        async with following("desktop-app.md", tmp_path) as reader:
            server, terminal, bob = reader.terminal(), reader.terminal(DISPLAY=screen.name), reader.terminal()
            await reader.serve(server)
            prepared = reader.command("activate", "export", "ask.py")
            await reader.prepare(terminal, prepared)
            await reader.prepare(bob, prepared)
            reader.save("window.py", reader.home / "chat")
            await reader.run(terminal, reader.command("window.py alice bob"))
            await sockets(reader, 1)
            await reader.run(bob, reader.command("CHAT_USER=bob", "ask.py alice"))
            await sockets(reader, 2)
            title = "alice and bob"
            await asyncio.to_thread(screen.minimise, title)
            await sockets(reader, 1)
            bob.type("while it is hidden\n")
            await asyncio.to_thread(screen.activate, title)
            await sockets(reader, 2)
            screen.xdotool("windowactivate", "--sync", screen.window(title), "type", "thanks")
            screen.xdotool("key", "Return")
            await bob.until_shown("alice: thanks")
            screen.close_window(title)
            await terminal.until_asked()
            assert "Traceback" not in terminal.text
    finally:
        screen.close()


async def test_hosting_tutorial_works_as_written(tmp_path: Path):
    async with following("hosting.md", tmp_path) as reader:
        server, terminal = reader.terminal(), reader.terminal()
        installed = reader.command("venv", "pip install '.[server]'").splitlines()
        (reader.home / "tailwire" / "bin").mkdir(parents=True)
        shutil.copy(reader.home / "repository" / ".venv" / "bin" / "activate", reader.home / "tailwire" / "bin")
        server.type(f". ~/tailwire/bin/activate\n{installed[2]}\n")
        terminal.type("clear\n")
        await server.until_asked()
        folder = reader.home / "chat-server"
        while not folder.is_dir():
            server.type("\n")
            await server.until_asked()
        reader.save("tailwire.toml", folder)
        server.type(reader.command("serve"))
        await server.until_shown("auth key")
        terminal.type(". ~/tailwire/bin/activate && cd ~/chat-server\n")
        for words in ("doctor", "health"):
            terminal.type(reader.command(words))
            await terminal.until_shown(reader.shown())
            await terminal.until_asked()
        terminal.type(reader.command("user create dora"))
        await terminal.until_shown("created user dora")
        terminal.type(reader.command("token create dora"))
        await terminal.until(
            lambda: re.search(r"^dora_[0-9a-f]{40}", terminal.text, re.MULTILINE) is not None, "a token"
        )
        terminal.type(reader.command("console"))
        await terminal.until_shown("/console/")
        await terminal.until_asked()
        terminal.type(reader.command("backup"))
        await terminal.until(lambda: (folder / "backup-1").is_dir(), "the backup is there")
        await terminal.until_asked()
        terminal.type(reader.command("restore"))
        await terminal.until(lambda: (folder / "restored" / "tailwire.db").is_file(), "the backup is restored")


def test_every_tutorial_is_followed():
    pages = {page.stem.replace("-", "_") for page in (ROOT / "docs" / "tutorials").glob("*.md")}
    assert {f"test_{page}_tutorial_works_as_written" for page in pages} <= {
        name for name in globals() if name.startswith("test_")
    }
