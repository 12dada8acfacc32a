"""Lowers the priority of threads, so that the event loop and the store's writer get the processor first."""

from __future__ import annotations

import os
import sys
import threading

NICENESS_STEP = 10
MAX_NICENESS = 19  # the greatest niceness on Linux


def lower_priority() -> None:
    """Give the calling thread a lower priority than the other threads. Does nothing except on Linux.

    Only for threads that compute without holding the GIL. With a low priority, a thread that holds the GIL waits longer
    for the processor, and the event loop waits with it.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        # Relative to the process: only root may raise the priority of a server that was itself started with `nice`.
        os.setpriority(
            os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + NICENESS_STEP, MAX_NICENESS)
        )
