"""A display, a server, and apps that end with their tests."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from adapters.app import App, AppServer
from adapters.screen import Screen, missing

Start = Callable[..., App]


def need(*modules: str) -> None:
    """Skip if a module of the toolkit is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed: run `make gui`")


@pytest.fixture(scope="session")
def screen() -> Iterator[Screen]:
    """A display with a window manager, shared by all tests."""
    if lacking := missing():
        pytest.skip(f"not installed: {', '.join(lacking)} (Debian packages): run `make gui`")
    screen = Screen()
    yield screen
    screen.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    """A real server; each app gets its own user."""
    server = AppServer(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


def needs_a_namespace() -> pytest.MarkDecorator:
    """Skip if no namespace with a pair of interfaces can be created."""
    may = False
    if shutil.which("unshare") and shutil.which("ip"):
        make = ["unshare", "-rn", "ip", "link", "add", "a0", "type", "veth", "peer", "name", "a1"]
        may = subprocess.run(make, capture_output=True, check=False).returncode == 0
    return pytest.mark.skipif(not may, reason="a network namespace cannot be made here (unshare -rn, ip, veth)")


def _starting(server: AppServer) -> Iterator[Start]:
    with ExitStack() as running:

        def begin(program: str, environment: dict[str, str] | None = None, **options: Any) -> App:
            app = App(program, server, dict(os.environ) if environment is None else environment, **options)
            running.callback(app.close)
            return app

        yield begin


@pytest.fixture(scope="module")
def start(server: AppServer) -> Iterator[Start]:
    """Start a program that runs until the end of the module: `start("tk_program", environment, hidden="foreground")`."""
    yield from _starting(server)


@pytest.fixture
def once(server: AppServer) -> Iterator[Start]:
    """Start a program that runs until the end of the test; the arguments are those of `start`."""
    yield from _starting(server)
