"""`watch_qt` without Qt. With real windows: tests/adapters."""

from __future__ import annotations

import sys

import pytest

from recording_clients import RecordingClient
from tailwire.adapters.qt import watch_qt


def test_missing_binding_is_reported(monkeypatch):
    for name in ("PySide6", "PySide6.QtCore", "PySide6.QtGui", "PyQt6", "PyQt6.QtCore", "PyQt6.QtGui"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RuntimeError, match="pip install PySide6-Essentials"):
        watch_qt(RecordingClient())
