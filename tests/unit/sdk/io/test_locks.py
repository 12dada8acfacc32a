"""The lock of a session: it is held and released whatever the disk says, and names its holder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from tailwire.sdk.io import locks
from tailwire.sdk.io.locks import FileLock, LockHeld

ON_A_FULL_DISK = """
import resource, sys
from pathlib import Path
from tailwire.sdk.io.locks import FileLock, LockHeld
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
first = FileLock(path)
try:
    FileLock(path)
except LockHeld:
    print("held")
first.release()
FileLock(path)
print("released")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit for the size of files")
def test_lock_on_a_full_disk_is_held_and_can_be_released(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path / "lock")], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.split()) == (0, ["held", "released"]), run.stderr
    assert "cannot name this process" in run.stderr


class BytesLocks:
    """The lock of a byte as Windows has it: it does not move the position of the file."""

    LK_NBLCK = 1

    def __init__(self) -> None:
        self._locked = False

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        if self._locked:
            raise OSError(errno.EACCES, "locked")
        self._locked = True


def test_refused_lock_names_its_holder_on_windows(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", BytesLocks())
    first = FileLock(tmp_path / "lock")
    with pytest.raises(LockHeld) as caught:
        FileLock(tmp_path / "lock")
    assert caught.value.holder == str(os.getpid())
    first.release()
