"""Runs `tailwire` in a process that is ended when its parent process ends in any way.

Usage: `python -m tailwire.cli.tied PARENT_PID serve …`.

On Linux the kernel does so. Elsewhere a thread checks once a second whether the parent still exists.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

from tailwire.cli.main import run

PR_SET_PDEATHSIG = 1


def tie_to(parent: int) -> None:
    """Arrange that this process is killed when its parent ends.

    Args:
        parent: the process id of the parent. If it has already ended, this process exits now.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), name="tailwire parent", daemon=True).start()
    if os.getppid() != parent:  # the parent has already ended
        sys.exit(1)


def _watch(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(1.0)
    os._exit(1)


if __name__ == "__main__":
    tie_to(int(sys.argv[1]))
    run(sys.argv[2:])
