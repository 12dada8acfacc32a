"""A small file system in memory, which a test fills up. It needs the right to mount."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CHUNK_BYTES = 1 << 16


class SmallDisk:
    """A mounted tmpfs of a few megabytes.

    Args:
        folder: where to mount it; it does not exist yet.
        megabytes: its size.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir()
        folder.chmod(0o755)
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        except FileNotFoundError:
            pytest.skip("this needs the program mount")
        if done.returncode:
            pytest.skip(f"this needs the right to mount: {done.stderr.strip()}")

    def fill(self) -> None:
        """Use all the space that is left."""
        try:
            with (self.folder / "ballast").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(CHUNK_BYTES))
        except OSError:
            return

    def free(self) -> None:
        """Free the space that `fill` used."""
        (self.folder / "ballast").unlink()

    def close(self) -> None:
        """Unmount the file system."""
        subprocess.run(["umount", "-l", str(self.folder)], check=True, timeout=30)
