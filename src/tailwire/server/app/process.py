"""What a process that is the server alone sets of itself: the collector of cycles, and how many files it may open."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress

from tailwire.server.telemetry.logs import log

# Requests make few cycles and die young; with a thousand of them under way, the default thresholds have every one
# looked at again and again. Measured: twice the maximum is served a third faster, p99 is half (`benchmarks overload`).
# Fewer at once than would be best for that: a look at 10,000 young ones, as each herd brings them, takes 3 ms.
THRESHOLDS = (2_500, 100, 50)
FOR_FILES = 64
ROOM = 1 << 16
SWITCH = 0.0005


def tune_collector() -> None:
    """What is loaded now stays, and is not looked at any more; the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


def share_with_the_writer() -> None:
    """The thread that writes the store gets its turn sooner than after Python's 5 ms when the event loop is busy."""
    sys.setswitchinterval(SWITCH)


def raise_descriptor_limit() -> None:
    """As many descriptors as the system lets this process have."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as e:
        log.warning("the limit of descriptors stays at %d: %s", soft, e)
    _make_room()


def _make_room() -> None:
    # The system's table of descriptors doubles when it is full, and a process with threads waits up to 10 ms for that,
    # in the middle of a herd. It never shrinks: so one with the highest number is opened and closed now.
    import fcntl

    most = most_connections()
    with open(os.devnull) as file, suppress(OSError):
        os.close(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, min(most or ROOM, ROOM) - 1))


def most_connections() -> int:
    """How many connections this process can have, with enough descriptors left for its files; 0: not known."""
    try:
        import resource
    except ModuleNotFoundError:
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else max(1, soft - FOR_FILES)
