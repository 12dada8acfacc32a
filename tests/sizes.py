"""The sizes of tests that take long because they try a lot: `make test` runs the usual, `make thorough` the full one.

A test that has two sizes is marked `thorough`, so that `make thorough` finds it.
"""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

THOROUGH = os.environ.get("TAILWIRE_THOROUGH") == "1"


def size(usual: T, full: T) -> T:
    """Return the size of this run: the usual one, or the full one under `make thorough`."""
    return full if THOROUGH else usual
