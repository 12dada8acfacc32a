"""Threads that yield the processor to the event loop and the store's writer."""

from __future__ import annotations

import os
import sys
import threading

NICENESS_STEP = 10
MAX_NICENESS = 19  # the greatest niceness on Linux


def lower_priority() -> None:
    """Let other threads go before the calling one. Linux only: other systems have one priority for the process.

    Suits threads that compute without the GIL: one that waits for the processor while it holds the GIL would delay the
    event loop.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        # Relative to the process: only root may raise the priority of a server that was itself started with `nice`.
        os.setpriority(
            os.PRIO_PROCESS, thread, min(os.getpriority(os.PRIO_PROCESS, thread) + NICENESS_STEP, MAX_NICENESS)
        )
