"""The machine of a server's process, in the hands of a test: its wall clock is set, its disk goes bad."""

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
    """Takes effect at once, in the process that runs on it and in each library that it uses.

    Args:
        live: whose server runs on it from its next start on.
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
        """The wall clock is wrong by so much."""
        self._state[:8] = struct.pack("=q", seconds)

    def disk_fails(self, error: int) -> None:
        """Writing ends with this `errno`; 0: it works again."""
        self._state[8:] = struct.pack("=q", error)
