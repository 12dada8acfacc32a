"""The size of the tests: `make test` runs them small, `make faults` in full."""

from __future__ import annotations

import os
import resource

FULL = os.environ.get("TAILWIRE_FAULTS") == "full"


def full_or_short(full: int, short: int) -> int:
    """Return the number that applies to this run."""
    return full if FULL else short


def max_sockets(sockets: int) -> int:
    """Return the number of sockets, reduced to what the descriptor limit of this process allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sockets * 2 + 500
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(sockets, (soft - 500) // 2)


def report(what: str, **figures: float) -> None:
    """Print figures for docs/reliability.md."""
    print(f"FIGURE {what}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
