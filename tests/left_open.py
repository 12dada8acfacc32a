"""Remove what a failed test has left open, so that complaints about it do not make a later test fail."""

from __future__ import annotations

import gc
import sys
from unittest import mock


def remove_what_the_failure_keeps() -> None:
    """Remove the objects of the last test that failed: its stores, sockets and files are closed, without complaints."""
    with mock.patch.object(sys, "unraisablehook", _ignore):
        # pytest keeps the failure here, and with it the variables of the test.
        sys.last_exc = sys.last_value = sys.last_traceback = None
        gc.collect()


def _ignore(unraisable: object) -> None:
    """Ignore an error in the removal of an object; warnings that are errors are reported here too."""
