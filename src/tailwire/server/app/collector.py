"""Python's collector of cycles, set for a server: it looks at what is alive far less often."""

from __future__ import annotations

import gc

# Requests make few cycles and die young; with a thousand of them under way, the default thresholds have every one
# looked at again and again. Measured: twice the maximum is served a third faster, p99 is half (`benchmarks overload`).
THRESHOLDS = (10_000, 20, 50)


def tune() -> None:
    """For a process that is the server alone: what is loaded now stays, and is not looked at any more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
