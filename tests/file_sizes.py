"""Lets the system refuse files above a size, as a full disk does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """Let writes of this process and of the programs that it starts fail beyond a size in bytes, within the context."""
    resource = pytest.importorskip("resource", reason="the system has no limit for the size of a file")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
