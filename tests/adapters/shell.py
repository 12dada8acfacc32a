"""An interactive shell with job control on a pseudo-terminal, and the contents of its screen."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import struct
import subprocess
import termios
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec

import pytest


def needs_a_terminal(*packages: str) -> pytest.MarkDecorator:
    """Skip where there is no bash, no pyte, or a package is missing."""
    lacks = [name for name in ("pyte", *packages) if find_spec(name) is None]
    lacks += [] if shutil.which("bash") else ["bash"]
    return pytest.mark.skipif(bool(lacks), reason=f"{' and '.join(lacks)} not installed")


class Shell:
    """`bash -i` on a terminal of 100 columns and 30 lines."""

    def __init__(self, environment: dict[str, str]) -> None:
        import pyte

        self._screen = pyte.Screen(100, 30)
        self._stream = pyte.ByteStream(self._screen)
        self._changed = asyncio.Event()
        self._master, self._slave = os.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"],
            stdin=self._slave, stdout=self._slave, stderr=self._slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, **environment, "TERM": "xterm-256color", "PS1": "shell> "},
        )  # fmt: skip
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def _read(self) -> None:
        try:
            self._stream.feed(os.read(self._master, 65536))
        except OSError:
            asyncio.get_running_loop().remove_reader(self._master)
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def text(self) -> str:
        """The contents of the screen."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def last_line(self) -> str:
        """The line of the cursor."""
        return self._screen.display[self._screen.cursor.y].rstrip()

    @property
    def modes(self) -> int:
        """The terminal's local modes."""
        return termios.tcgetattr(self._slave)[3]

    def type(self, keys: str) -> None:
        """Type a text."""
        os.write(self._master, keys.encode())

    async def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds for the screen."""
        try:
            async with asyncio.timeout(40):
                while not holds():
                    with suppress(TimeoutError):  # the condition may be about something else than the screen
                        await asyncio.wait_for(self._changed.wait(), 0.1)
        except TimeoutError:
            raise AssertionError(f"not {what} on this screen:\n{self.text}") from None

    async def until_shown(self, text: str) -> None:
        """Wait until a text is on the screen."""
        await self.until(lambda: text in self.text, text)

    async def until_asked(self) -> None:
        """Wait for the shell's prompt."""
        await self.until(lambda: "shell>" in self.last_line, "the shell's prompt")

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._slave)
        os.close(self._master)  # the shell passes the hangup on to its jobs, and ends
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
