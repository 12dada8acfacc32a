"""Faults of the machine that a server runs on: its wall clock jumps, its disk fails."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from harness import LiveStage


class Machine:
    """Injects faults into the server process and its libraries (by LD_PRELOAD). They take effect immediately.

    Args:
        live: its server is affected from its next start on.
    """

    def __init__(self, live: LiveStage, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None or not sys.platform.startswith("linux"):
            pytest.skip("this needs Linux and a C compiler")
        library, state = folder / "machine.so", folder / "machine"
        source = Path(__file__).with_suffix(".c")
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
        state.write_bytes(bytes(16))
        with state.open("r+b") as file:
            self._state = mmap.mmap(file.fileno(), 16)
        live.server._settings |= {
            "LD_PRELOAD": str(library),
            "TAILWIRE_MACHINE": str(state),
            "TAILWIRE_DISK": str(live.server.data),
        }

    def set_clock(self, seconds: int) -> None:
        """Shift the wall clock by a number of seconds."""
        self._state[:8] = struct.pack("=q", seconds)

    def disk_fails(self, error: int) -> None:
        """Let writes fail with an `errno`; 0 to let them succeed again."""
        self._state[8:] = struct.pack("=q", error)
