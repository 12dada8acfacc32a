"""The sizes of tests that take long because they try a lot: `make test` runs the usual, `make thorough` the full one.

A test that has two sizes is marked `thorough`, so that `make thorough` finds it. So is one that only `make thorough` runs,
because cheaper tests look for the same: it is also marked with `only_in_full`.
"""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

T = TypeVar("T")

THOROUGH = os.environ.get("TAILWIRE_THOROUGH") == "1"


def size(usual: T, full: T) -> T:
    """Return the size of this run: the usual one, or the full one under `make thorough`."""
    return full if THOROUGH else usual


def only_in_full(meanwhile: str) -> pytest.MarkDecorator:
    """Return the mark of a test, or of a parameter, that `make test` leaves out.

    Args:
        meanwhile: what `make test` runs that looks for the same.
    """
    return pytest.mark.skipif(not THOROUGH, reason=f"`make thorough` runs it; in `make test`: {meanwhile}")
