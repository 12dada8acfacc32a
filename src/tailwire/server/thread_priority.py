"""Threads that yield the processor to the event loop and the store's writer."""

from __future__ import annotations

import os
import sys
import threading

NICENESS = 10


def lower_priority() -> None:
    """Let other threads go before the calling one. Linux only: other systems have one priority for the process.

    Suits threads that compute without Python's lock. One that holds it while others run would delay the event loop.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
