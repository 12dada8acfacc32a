"""Settings of a process that runs only the server: garbage collector, thread switching, file descriptors."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress

from tailwire.server.telemetry.logs import log

# Requests make few cycles and are short-lived, but with a thousand in progress the default thresholds scan each of them
# many times. Measured at twice the maximum load: a third more throughput, half the p99 (`benchmarks overload`).
# What costs is the scan of older objects. The young ones are scanned in small portions, because each scan is a pause:
# 2,500 of them take 1 to 3 ms.
GC_THRESHOLDS = (700, 350, 50)
RESERVED_DESCRIPTORS = 64  # for files
MAX_DESCRIPTOR_TABLE = 1 << 16
SWITCH_INTERVAL_SECONDS = 0.0005


def tune_collector() -> None:
    """Exclude the objects that exist now from garbage collection, and collect old generations less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def share_with_the_writer() -> None:
    """Have Python switch threads every 0.5 ms, not 5 ms, so that a busy event loop delays the store's writer less."""
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)


def raise_descriptor_limit() -> None:
    """Raise the soft limit of file descriptors to the hard limit. If that fails, log a warning; on Windows do nothing.

    Also grow the kernel's descriptor table of this process now, so that it need not grow amid a burst of connections.
    """
    try:
        import resource
    except ModuleNotFoundError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (ValueError, OSError) as e:
        log.warning("cannot raise the limit of file descriptors above %d: %s", soft, e)
    _grow_descriptor_table()


def _grow_descriptor_table() -> None:
    # The kernel doubles a process's descriptor table when it is full. With threads that takes up to 10 ms, amid a burst
    # of connections. The table never shrinks, so grow it now by opening the highest descriptor once.
    import fcntl

    limit = max_connections()
    with open(os.devnull) as file, suppress(OSError):
        os.close(fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, min(limit or MAX_DESCRIPTOR_TABLE, MAX_DESCRIPTOR_TABLE) - 1))


def max_connections() -> int:
    """Return how many connections the soft descriptor limit allows, less a reserve for files; 0 for no limit."""
    try:
        import resource
    except ModuleNotFoundError:
        return 0
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 if soft == resource.RLIM_INFINITY else max(1, soft - RESERVED_DESCRIPTORS)
