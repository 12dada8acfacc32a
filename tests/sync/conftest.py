"""One server for all tests, and blocking clients that are closed after each test."""

from __future__ import annotations

import contextlib
import gc
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from sync_harness import SyncHarness, threads
from tailwire.testing.embedded import EmbeddedServer


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.close()


_harnesses: list[SyncHarness] = []


@pytest.fixture
def harness(_server: EmbeddedServer) -> Iterator[SyncHarness]:
    if not _harnesses:
        _harnesses.append(SyncHarness(_server))
    (harness,) = _harnesses
    yield harness
    clients, harness.clients = harness.clients, []
    for client in clients:
        client.close()
    assert threads() == 0


@pytest.fixture
def tk_collected_here() -> Iterator[None]:
    """Collect the windows of a test in its thread: Tk aborts the process if another thread collects one."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(scope="session")
def display(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A virtual X display."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.skip("Xvfb is not installed")
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen([xvfb, "-displayfd", "1", "-screen", "0", "640x480x24"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, text=True)
        )  # fmt: skip
        stack.callback(process.terminate)
        assert process.stdout is not None
        number = process.stdout.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
