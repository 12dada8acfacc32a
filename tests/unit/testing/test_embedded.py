"""The server in a thread of the test's process: a start that fails leaves nothing behind."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from tailwire.server.app.checks import CannotStart
from tailwire.testing.embedded import EmbeddedServer


def left_open() -> tuple[int, int]:
    """Return the numbers of threads and of open descriptors of this process."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are looked for in /proc")
def test_server_whose_start_failed_is_closed_without_an_error_and_leaves_nothing_open(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = left_open()
        server = EmbeddedServer(tmp_path)
        server.port = taken.getsockname()[1]
        with pytest.raises(CannotStart):
            server.start()
        server.close()
        assert left_open() == before
