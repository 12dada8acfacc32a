"""The event loop of a thread is created in that thread."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tailwire.testing.loop_thread import LoopThread


def test_loop_is_created_in_its_own_thread(monkeypatch: pytest.MonkeyPatch):
    made_in: list[str] = []
    new_event_loop = asyncio.new_event_loop

    def recorded() -> asyncio.AbstractEventLoop:
        made_in.append(threading.current_thread().name)
        return new_event_loop()

    monkeypatch.setattr(asyncio, "new_event_loop", recorded)
    thread = LoopThread("the loop's thread")
    thread.stop()
    assert made_in == ["the loop's thread"]


def test_error_that_prevents_the_loop_is_raised(monkeypatch: pytest.MonkeyPatch):
    def refused() -> asyncio.AbstractEventLoop:
        raise OSError("too many open files")

    monkeypatch.setattr(asyncio, "new_event_loop", refused)
    with pytest.raises(OSError, match="too many"):
        LoopThread("the loop's thread")
