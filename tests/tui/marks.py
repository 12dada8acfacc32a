"""Marks of the tests that need Textual."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

needs_textual = pytest.mark.skipif(find_spec("textual") is None, reason="textual not installed")
"""Skip where Textual is not installed."""
