"""How much of it: `make test` runs a little of each, `make faults` all."""

from __future__ import annotations

import os
import resource

FULL = os.environ.get("TAILWIRE_FAULTS") == "full"


def of(full: int, short: int) -> int:
    """A number for this run."""
    return full if FULL else short


def room_for(sockets: int) -> int:
    """So many sockets, or as many as this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sockets * 2 + 500
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(sockets, (soft - 500) // 2)


def tell(what: str, **figures: float) -> None:
    """A figure for the page of what is promised: printed by `make faults`."""
    print(f"FIGURE {what}: " + ", ".join(f"{name} {value:.4g}" for name, value in figures.items()))
