"""`tailwire` as a process that ends with its parent, whatever ends that: `python -m tailwire.cli.tied PID serve …`.

On Linux the kernel does it. Elsewhere a thread of this process looks once a second whether its parent is still there.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

from tailwire.cli.main import main as command

PR_SET_PDEATHSIG = 1


def tie_to(parent: int) -> None:
    """Have this process killed when its parent ends.

    Args:
        parent: the parent's process id. Where it has ended already, this process ends now.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), name="tailwire parent", daemon=True).start()
    if os.getppid() != parent:  # it ended before it could be tied to
        sys.exit(1)


def _watch(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(1.0)
    os._exit(1)


def main() -> int:
    """Tie this process to its parent, then be the `tailwire` command."""
    tie_to(int(sys.argv[1]))
    return command(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
