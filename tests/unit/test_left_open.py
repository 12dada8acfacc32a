"""What a failed test left open does not make later tests fail."""

from __future__ import annotations

import gc
import os
import socket
import sys

import pytest

from left_open import remove_what_the_failure_keeps


class Unusable:
    """Something that cannot be removed properly."""

    def __init__(self) -> None:
        self.cycle = self  # so that only the garbage collector removes it

    def __del__(self) -> None:
        raise RuntimeError("Event loop is closed")


def failing_test(numbers: list[int]) -> None:
    """Leave a socket open, and an object that fails when it is removed."""
    left_open, _unusable = socket.socket(), Unusable()
    numbers.append(left_open.fileno())
    raise AssertionError


def test_objects_that_a_failed_test_left_open_are_closed_without_complaints():
    """Here, a warning is an error, and an error in the garbage collector makes a test fail."""
    numbers: list[int] = []
    try:
        failing_test(numbers)
    except AssertionError as failure:
        sys.last_value, sys.last_traceback = failure, failure.__traceback__  # as pytest does
    gc.collect()
    os.fstat(numbers[0])  # it is still open
    remove_what_the_failure_keeps()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(numbers[0])
