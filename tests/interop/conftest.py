"""The official clients in a real browser against a real server: only run by `make interop`."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interop.browser import Browser
from servers.schema import prepare

if "TAILWIRE_INTEROP" not in os.environ:
    collect_ignore_glob = ["test_*.py"]


class Server:
    """`tailwire serve --tls-self-signed` as a process, which can be killed and restarted on the same port.

    Args:
        database: the URL of its database; "" for a file in its folder.
    """

    def __init__(self, folder: Path, database: str = "") -> None:
        self._folder = folder
        self._environment = {**os.environ, **({"TAILWIRE_DATABASE": database} if database else {})}
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.host = f"localhost:{self.port}"
        self.url = f"https://{self.host}"
        self.keys: dict[str, Any] = {}
        self.log: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._reading: threading.Thread | None = None
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def start(self) -> None:
        """Start, and wait until it listens."""
        ready = self._folder / "ready.json"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "tailwire.cli.main", "serve", "--data", str(self._folder), "--port"]
        command += [str(self.port), "--tls-self-signed", "--ready-file", str(ready), "--host", "127.0.0.1"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=self._environment
        )
        listening = threading.Event()
        self._reading = threading.Thread(target=self._read, args=(self._process, listening), daemon=True)
        self._reading.start()
        if not listening.wait(30) or not ready.exists():
            raise RuntimeError("the server did not start:\n" + "".join(self.log[-20:]))
        self.keys = {**self.keys, **json.loads(ready.read_text())}

    def _read(self, process: subprocess.Popen[str], listening: threading.Event) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                self.log.append(line)
                if " ready file written" in line:
                    listening.set()
        listening.set()  # it ended

    def kill(self) -> None:
        """Kill it, as SIGKILL does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
        if self._reading is not None:
            self._reading.join(5)

    def http(self) -> Any:
        """Return a client for the REST API with the REST key."""
        import httpx2

        headers = {"apikey": self.keys["api_key"], "appid": self.keys["app_id"]}
        return httpx2.Client(base_url=self.url + "/v3", verify=False, headers=headers, timeout=20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server per test module, so that a module's users are on the first page of a list."""
    on_postgres = request.config.getoption("--store") == "postgres"
    database = request.getfixturevalue("postgres").create_database(prepare) if on_postgres else ""
    server = Server(tmp_path_factory.mktemp("server"), database)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser(server: Server) -> Iterator[Browser]:
    """A browser per test module."""
    browser = Browser(server.port)
    yield browser
    browser.close()
