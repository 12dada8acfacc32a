"""A reader who follows a page: saves its files under the names that it gives, and types its commands into terminals."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from adapters.shell import Shell
from front import free_port

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SAVED = re.compile(r"Save this as `([\w.-]+)`[^\n]*:\n+\Z")


@dataclass(frozen=True)
class Step:
    """A block of a page.

    Attributes:
        language: the language of the block.
        text: its contents.
        file: the name under which the page says to save it; "" otherwise.
    """

    language: str
    text: str
    file: str


def steps_of(page: Path) -> list[Step]:
    """Return the blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        saved = _SAVED.search(text[: match.start()])
        found.append(Step(match[1], match[2], saved[1] if saved else ""))
    return found


class Reader:
    """A reader with a home folder, the repository, and as many terminals as needed. The server's port is a free one.

    Attributes:
        home: the reader's home folder, which contains the folder of the page's programs.
    """

    def __init__(self, page: str, home: Path) -> None:
        self.home = home
        self.port = str(free_port())
        self.steps = steps_of(ROOT / "docs" / "tutorials" / page)
        self._terminals: list[Shell] = []
        self._repository = home / "repository"
        (self._repository / ".venv" / "bin").mkdir(parents=True)
        (self._repository / "examples").symlink_to(ROOT / "examples")
        (self._repository / ".venv" / "bin" / "activate").write_text(
            f"export PATH={Path(sys.executable).parent}:$PATH\n"
        )

    def terminal(self, **environment: str) -> Shell:
        """Open a terminal in the repository."""
        shell = Shell({
            "HOME": str(self.home), "XDG_DATA_HOME": str(self.home / "share"), "PYTHONPATH": str(ROOT / "src"),
            "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1",
            "CHAT_URL": f"http://127.0.0.1:{self.port}", **environment,
        })  # fmt: skip
        self._terminals.append(shell)
        shell.type(f"cd {self._repository}\n")
        return shell

    def _next(self, language: str) -> Step:
        step = self.steps.pop(0)
        assert step.language == language, f"the page goes on with: {step.text}"
        return Step(step.language, step.text.replace("8480", self.port), step.file)

    def save(self, file: str, folder: Path) -> None:
        """Save the next block under the name that the page gives it."""
        step = self.steps.pop(0)
        assert step.file == file, f"the page goes on with {step.file or step.text}"
        (folder / file).write_text(step.text.replace("8480", self.port), encoding="utf-8")

    def command(self, *words: str) -> str:
        """Return the next command of the page, which must contain these words."""
        text = self._next("sh").text
        for word in words:
            assert word in text, f"the page goes on with: {text}"
        return text

    def shown(self) -> str:
        """Return the next text that the page shows as output, or as input of a program."""
        return self._next("text").text.strip()

    async def serve(self, shell: Shell) -> None:
        """Follow `make serve`: its recipe in the Makefile, at this reader's port."""
        assert self.command() == "make serve\n"
        recipe = re.search(
            r"^serve:.*\n\t@\$\(BIN\)/(tailwire serve .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE
        )
        assert recipe is not None
        shell.type(f". .venv/bin/activate; clear; {recipe[1]} --port {self.port}\n")
        await shell.until_shown("auth key")

    async def prepare(self, shell: Shell, commands: str) -> None:
        """Type the commands that prepare a terminal, with the keys that the server printed."""
        keys = json.loads((self._repository / ".tailwire" / "keys.json").read_text())
        assert "APP_ID=… AUTH_KEY=…" in commands
        for line in commands.splitlines():
            if line.startswith("pip install"):
                assert "'.[testing]'" in line  # is installed where the tests run
                continue
            shell.type(
                line.replace("APP_ID=…", f"APP_ID={keys['app_id']}").replace(
                    "AUTH_KEY=…", f"AUTH_KEY={keys['auth_key']}"
                )
                + "\n"
            )
        shell.type("clear; pwd\n")
        await shell.until_shown(str(self.home / "chat"))

    def finished(self) -> None:
        """Fail if the page has more steps."""
        assert self.steps == []

    async def run(self, shell: Shell, command: str) -> None:
        """Type a command, and wait until its program runs, so that what is typed next is for the program."""
        shell.type(command)
        async with asyncio.timeout(30):
            while os.tcgetpgrp(shell._master) == shell._process.pid:
                await asyncio.sleep(0.01)

    def screens(self) -> str:
        """Return what all terminals show."""
        return "\n\n".join(shell.text for shell in self._terminals)

    def close(self) -> None:
        """Close all terminals."""
        for shell in reversed(self._terminals):
            shell.close()
