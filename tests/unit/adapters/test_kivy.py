"""The Kivy adapter on a phone and with errors, with an imitated Kivy. Real Kivy: tests/adapters."""

from __future__ import annotations

import asyncio
import sys
import threading
from types import ModuleType

import pytest

from recording_clients import RecordingClient
from tailwire import AppSettingsBuilder, ChatClient, CometChatException, MemorySessionStore, watch_kivy


class Dispatcher:
    """Imitates `EventDispatcher`: newest handler first; a handler that returns True stops the event."""

    def __init__(self):
        self.bound = {}

    def bind(self, **handlers):
        for event, handler in handlers.items():
            self.bound.setdefault(event, []).append(handler)

    def unbind(self, **handlers):
        for event, handler in handlers.items():
            self.bound[event].remove(handler)

    def dispatch(self, event):
        return any(handler(self) for handler in reversed(self.bound.get(event, [])))

    @property
    def handlers(self):
        return sum(len(handlers) for handlers in self.bound.values())


class Clock:
    """Imitates Kivy's clock: triggers fire at the next frame."""

    def __init__(self):
        self.waiting = []

    def create_trigger(self, callback):
        clock = self

        class Trigger:
            def __call__(self):
                if callback not in clock.waiting:
                    clock.waiting.append(callback)

            def cancel(self):
                if callback in clock.waiting:
                    clock.waiting.remove(callback)

        return Trigger()

    def frame(self):
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback(0.016)


class Kivy:
    def __init__(self, monkeypatch, platform):
        self.app_class = type("App", (Dispatcher,), {})
        self.app, self.window, self.clock = self.app_class(), Dispatcher(), Clock()
        modules = {
            "kivy": {"__path__": []},
            "kivy.app": {"App": self.app_class},
            "kivy.clock": {"Clock": self.clock},
            "kivy.core": {"__path__": []},
            "kivy.core.window": {"Window": self.window},
            "kivy.utils": {"platform": platform},
        }
        for name, content in modules.items():
            module = ModuleType(name)
            vars(module).update(content)
            monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def desktop(monkeypatch):
    return Kivy(monkeypatch, "linux")


@pytest.fixture(params=["android", "ios"])
def phone(monkeypatch, request):
    return Kivy(monkeypatch, request.param)


def test_only_pauses_are_reported_on_a_phone(phone):
    chat = RecordingClient()
    watch = watch_kivy(chat, phone.app, hidden="foreground")
    assert watch.knows == {"paused"}
    phone.window.dispatch("on_minimize")
    phone.clock.frame()
    assert chat.states == ["foreground"]
    assert phone.app.dispatch("on_pause") is False, "the app itself decides whether it keeps running"
    assert chat.states == ["foreground", "background"], "no frame follows while it is paused"
    phone.app.dispatch("on_resume")
    assert chat.states == ["foreground", "background", "foreground"]


def test_window_that_is_hidden_and_shown_within_a_frame_is_not_reported(desktop):
    chat = RecordingClient()
    watch = watch_kivy(chat, desktop.app)
    for _ in range(20):
        desktop.window.dispatch("on_hide")
        desktop.window.dispatch("on_show")
    desktop.clock.frame()
    assert chat.states == ["foreground"]
    desktop.window.dispatch("on_hide")
    desktop.window.dispatch("on_minimize")
    desktop.clock.frame()
    assert chat.states == ["foreground", "background"]
    assert watch.knows == {"hidden"}


def test_window_that_blocks_the_loop_while_minimised_is_visible_afterwards(desktop):
    chat = RecordingClient()  # with Kivy's `pause_on_minimize`, the window's restore event is lost
    watch_kivy(chat, desktop.app)
    desktop.window.dispatch("on_minimize")
    desktop.app.dispatch("on_pause")
    desktop.app.dispatch("on_resume")
    desktop.clock.frame()
    assert chat.states == ["foreground", "background", "foreground"]


def test_stopped_app_is_detached_and_restarted_app_is_resumed(desktop):
    chat = RecordingClient()
    watch = watch_kivy(chat, desktop.app)
    desktop.app.dispatch("on_stop")
    assert watch.seen == "detached"
    desktop.app.dispatch("on_start")
    desktop.clock.frame()
    assert chat.states == ["foreground", "background", "foreground"]


def test_closing_a_watch_unbinds_its_kivy_handlers(desktop):
    chat = RecordingClient()
    with watch_kivy(chat, desktop.app):
        assert desktop.app.handlers > 0
        desktop.window.dispatch("on_hide")
    desktop.clock.frame()
    assert desktop.app.handlers == desktop.window.handlers == 0
    assert chat.states == ["foreground"]


async def test_client_on_a_loop_in_another_thread_is_notified_in_order(desktop):
    chat, app, window = RecordingClient(), desktop.app, desktop.window
    watch = watch_kivy(chat, app)

    def kivys_thread():
        app.dispatch("on_pause")
        app.dispatch("on_resume")
        window.dispatch("on_minimize")
        desktop.clock.frame()

    await asyncio.to_thread(kivys_thread)
    await asyncio.sleep(0)
    assert chat.states == ["foreground", "background", "foreground", "background"]
    assert set(chat.threads) == {threading.current_thread().name}
    watch.close()


def test_objects_that_cannot_be_watched_are_refused_with_the_reason(desktop, monkeypatch):
    with pytest.raises(TypeError, match=r"kivy.app.App\), not a Dispatcher"):
        watch_kivy(RecordingClient(), desktop.window)
    with pytest.raises(TypeError, match="a App is not a client"):
        watch_kivy(desktop.app, desktop.app)
    with pytest.raises(ValueError, match="hidden='never'"):
        watch_kivy(RecordingClient(), desktop.app, hidden="never")
    assert desktop.app.handlers == 0
    monkeypatch.setattr(sys.modules["kivy.core.window"], "Window", None)
    with pytest.raises(RuntimeError, match="no display"):
        watch_kivy(RecordingClient(), desktop.app)


async def test_unusable_client_is_refused_before_anything_is_bound(desktop):
    settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:1").build()
    chat = ChatClient("app", settings, session_store=MemorySessionStore())
    with pytest.raises(CometChatException, match="INITIALIZATION_NOT_DONE"):
        watch_kivy(chat, desktop.app)
    async with chat:
        with pytest.raises(CometChatException, match="another event loop"):
            await asyncio.to_thread(watch_kivy, chat, desktop.app)
    assert desktop.app.handlers == 0


def test_missing_kivy_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "kivy.app", None)
    with pytest.raises(RuntimeError, match="pip install kivy"):
        watch_kivy(RecordingClient(), object())
