"""System sleep without support. With a real bus: tests/adapters."""

from __future__ import annotations

import sys

import pytest

from recording_clients import RecordingLoopClient
from tailwire.adapters import sleep
from tailwire.adapters.sleep import watch_sleep


async def test_systems_other_than_linux_report_no_sleep(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with watch_sleep(RecordingLoopClient()) as watch:
        assert await watch.settled() == frozenset()


async def test_missing_dbus_fast_is_reported(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sleep, "is_installed", lambda: False)
    with pytest.raises(RuntimeError, match=r"pip install '\.\[desktop\]' in "):
        watch_sleep(RecordingLoopClient())


async def test_invalid_client_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(TypeError, match="not a client"):
        watch_sleep("chat")
