"""The wrapped action of a Textual app. With a real app: tests/adapters."""

from __future__ import annotations

import asyncio

import pytest

from recording_clients import RecordingLoopClient, RecordingThreadClient
from tailwire.adapters import textual
from tailwire.adapters.textual import watch_textual
from tailwire.sdk.exceptions import failure

BACK, FRONT = ("background", "textual"), ("foreground", "textual")


class App:
    """Records at each suspension what was reported before it."""

    def __init__(self, reported):
        self.suspended = []
        self._reported = reported

    def action_suspend_process(self):
        self.suspended.append(list(self._reported))


class WaitingApp(App):
    async def action_suspend_process(self):
        await asyncio.sleep(0)
        super().action_suspend_process()


class FailingApp(App):
    def action_suspend_process(self):
        raise OSError("no terminal")


@pytest.mark.parametrize("kind", [App, WaitingApp])
async def test_app_is_suspended_after_the_socket_is_closed(kind):
    chat = RecordingLoopClient(closes=False)
    app = kind(chat.reported)
    with watch_textual(chat, app) as watch:
        suspending = asyncio.ensure_future(app.action_suspend_process())
        await chat.until(BACK)
        await app.action_suspend_process()  # pressed twice
        assert (app.suspended, watch.seen) == ([], "paused")
        chat.closed_event.set()
        await suspending
        assert app.suspended == [[BACK]]
        assert chat.reported == [BACK, FRONT]
    assert "action_suspend_process" not in vars(app)


async def test_unclosed_socket_does_not_prevent_suspension(monkeypatch):
    monkeypatch.setattr(textual, "CLOSE_TIMEOUT_SECONDS", 0.01)
    chat = RecordingLoopClient(closes=False)
    app = App(chat.reported)
    with watch_textual(chat, app):
        await app.action_suspend_process()
        assert app.suspended == [[BACK]]
    assert chat.reported == [BACK, FRONT]


async def test_closed_client_does_not_prevent_suspension():
    chat = RecordingLoopClient()
    app = App(chat.reported)
    with watch_textual(chat, app):
        chat.error = failure("ERR_CLIENT_CLOSED")
        await app.action_suspend_process()
    assert app.suspended == [[]]


async def test_error_of_the_action_propagates():
    chat = RecordingLoopClient()
    app = FailingApp(chat.reported)
    with watch_textual(chat, app), pytest.raises(OSError, match="no terminal"):
        await app.action_suspend_process()
    assert chat.reported == [BACK, FRONT]


async def test_closing_restores_the_suspend_action_that_was_set_on_the_app():
    chat, called = RecordingLoopClient(), []
    app = App(chat.reported)

    def own():
        called.append("own")

    app.action_suspend_process = own
    watch = watch_textual(chat, app)
    await app.action_suspend_process()
    watch.close()
    assert app.action_suspend_process is own
    assert called == ["own"]


async def test_closing_keeps_a_suspend_action_that_was_set_after_the_watch():
    app = App([])
    watch = watch_textual(RecordingLoopClient(), app)
    app.action_suspend_process = later = lambda: None
    watch.close()
    watch.close()
    assert app.action_suspend_process is later


async def test_client_with_its_own_thread_is_notified_of_a_suspension():
    chat = RecordingThreadClient()
    app = App(chat.inner.reported)
    try:
        with watch_textual(chat, app):
            await app.action_suspend_process()
            assert app.suspended == [[BACK]]
            await asyncio.to_thread(chat.until, BACK, FRONT)
    finally:
        chat.close()


async def test_invalid_arguments_are_refused():
    with pytest.raises(TypeError, match="not a Textual app"):
        watch_textual(RecordingLoopClient(), object())
    with pytest.raises(TypeError, match="not a client"):
        watch_textual(None, App([]))
