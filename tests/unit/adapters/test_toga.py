"""The Toga adapter on a phone and with errors, with an imitated Toga. Real Toga: tests/adapters."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType

import pytest

from recording_clients import RecordingClient
from tailwire import watch_toga

EVENTS = ("on_hide", "on_show", "on_lose_focus", "on_gain_focus")


class NativeHandler:
    def __init__(self, handler):
        self.native = handler


class Handled:
    """Imitates Toga's handler property: wraps a handler and keeps it in `_raw`; a native handler is not wrapped."""

    def __set_name__(self, owner, name):
        self._name = f"_{name}"

    def __get__(self, window, owner=None):
        return getattr(window, self._name, None) or self._wrapped(window, None)

    def __set__(self, window, handler):
        native = isinstance(handler, NativeHandler)
        setattr(window, self._name, handler.native if native else self._wrapped(window, handler))

    @staticmethod
    def _wrapped(window, handler):
        def call(*arguments, **more):
            return None if handler is None else handler(window, *arguments, **more)

        call._raw = handler
        return call


class Window:
    on_hide, on_show, on_lose_focus, on_gain_focus = Handled(), Handled(), Handled(), Handled()

    def __init__(self, app, **handlers):
        self.visible, self.state = True, "normal"
        app.windows.add(self)
        for event in EVENTS:  # after it was added to the set, like Toga
            setattr(self, event, handlers.get(event))


class WindowSet:
    def __init__(self):
        self.elements = []

    def add(self, window):
        self.elements.append(window)

    def discard(self, window):
        self.elements.remove(window)

    def __iter__(self):
        return iter(self.elements)

    def __contains__(self, window):
        return window in self.elements


class App:
    def __init__(self):
        self.windows, self.loop, self.ended = WindowSet(), asyncio.get_running_loop(), 0

    def exit(self):
        self.ended += 1


def imitate(monkeypatch, platform):
    modules = {
        "toga": {"__path__": [], "App": App},
        "toga.constants": {"WindowState": type("WindowState", (), {"MINIMIZED": "minimized"})},
        "toga.handlers": {"NativeHandler": NativeHandler},
        "toga.platform": {"current_platform": platform},
    }
    for name, content in modules.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("platform", ["android", "iOS"])
async def test_hidden_window_on_a_phone_is_paused(monkeypatch, platform):
    imitate(monkeypatch, platform)
    app, chat = App(), RecordingClient()
    window = Window(app)
    watch = watch_toga(chat, app, hidden="foreground")
    assert watch.knows == {"paused"}
    window.on_lose_focus()
    assert chat.states == ["foreground"]
    window.on_hide()  # it reports itself as visible nevertheless
    assert watch.seen == "paused"
    assert chat.states == ["foreground", "background"]
    window.on_gain_focus()
    assert watch.seen == "paused"
    window.on_show()
    assert chat.states == ["foreground", "background", "foreground"]


@pytest.fixture
def desktop(monkeypatch):
    imitate(monkeypatch, "linux")


async def test_minimised_window_is_noticed_by_its_loss_of_focus(desktop):
    app, chat = App(), RecordingClient()
    window = Window(app)
    watch_toga(chat, app)
    window.state = "minimized"
    window.on_lose_focus()
    await turns()
    assert chat.states == ["foreground", "background"]
    window.state = "normal"
    window.on_gain_focus()
    await turns()
    assert chat.states == ["foreground", "background", "foreground"]


async def test_app_that_starts_hidden_is_in_the_background(desktop):
    app, chat = App(), RecordingClient()
    Window(app).visible = False
    watch = watch_toga(chat, app)
    await turns()
    assert watch.seen == "hidden"
    assert chat.states == ["foreground", "background"]


async def test_handlers_of_the_app_are_called_and_restored(desktop):
    app, heard = App(), []
    window = Window(app, on_hide=lambda w: heard.append(("hide", w)))

    def native():
        heard.append("native")

    window.on_show = NativeHandler(native)
    watch = watch_toga(RecordingClient(), app)
    later = Window(app, on_hide=lambda w: heard.append(("later", w)))
    await turns()
    for event in EVENTS:
        getattr(window, event)()
    later.on_hide()
    assert heard == [("hide", window), "native", ("later", later)]
    hides = window.on_hide._raw
    later.on_hide = None  # replaces the watch's handler
    watch.close()
    assert window.on_hide._raw is not hides
    assert window.on_show is native
    assert window.on_lose_focus._raw is None
    assert later.on_hide._raw is None
    assert "add" not in vars(app.windows)
    assert "exit" not in vars(app)
    window.on_hide()
    assert heard[-1] == ("hide", window)


async def test_repeated_watches_leave_no_handlers_on_the_app(desktop):
    app = App()
    window = Window(app)
    for _ in range(50):
        with watch_toga(RecordingClient(), app):
            Window(app)
            await turns()
    assert [getattr(window, event)._raw for event in EVENTS] == [None] * 4
    assert set(vars(app)) == {"windows", "loop", "ended"}
    assert set(vars(app.windows)) == {"elements"}


async def test_second_watch_works_after_the_first_was_closed(desktop):
    app, first, second = App(), RecordingClient(), RecordingClient()
    window = Window(app)
    one, two = watch_toga(first, app), watch_toga(second, app)
    one.close()
    window.visible = False
    window.on_hide()
    await turns()
    assert first.states == ["foreground"]
    assert second.states == ["foreground", "background"]
    app.exit()
    assert two.seen == "detached"
    assert app.ended == 1
    two.close()


async def test_overlapping_watches_leave_no_handlers_on_the_app(desktop):
    app, chat = App(), RecordingClient()
    window = Window(app)
    one, two = watch_toga(chat, app), watch_toga(RecordingClient(), app)
    two.close()
    Window(app)
    await turns()
    window.visible = False
    window.on_hide()
    await turns()
    assert one.seen == "resumed", "the window that was opened after the other watch has ended is seen"
    for _ in range(50):
        following = watch_toga(chat, app)
        one.close()
        one = following
    one.close()
    assert [getattr(window, event)._raw for event in EVENTS] == [None] * 4
    assert set(vars(app)) == {"windows", "loop", "ended"}
    assert set(vars(app.windows)) == {"elements"}


async def test_window_closed_in_the_turn_of_its_opening_is_not_watched(desktop):
    app, chat = App(), RecordingClient()
    Window(app)
    watch_toga(chat, app)
    window = Window(app)
    app.windows.discard(window)
    await turns()
    assert window.on_hide._raw is None
    assert chat.states == ["foreground"]


async def test_exiting_app_is_detached_before_its_windows_close(desktop):
    app, chat = App(), RecordingClient()
    window = Window(app)
    watch = watch_toga(chat, app)
    app.exit()
    assert app.ended == 1
    assert watch.seen == "detached"
    window.on_hide()
    await turns()
    assert watch.seen == "detached"
    watch.close()
    assert chat.states == ["foreground", "background"], "the report is not withdrawn: the app has ended"


async def test_exit_from_another_thread_is_reported(desktop):
    app, chat = App(), RecordingClient()
    watch = watch_toga(chat, app)
    await asyncio.to_thread(app.exit)
    await turns()
    assert watch.seen == "detached"


async def test_objects_that_cannot_be_watched_are_refused_with_the_reason(desktop):
    app = App()
    with pytest.raises(TypeError, match=r"toga.App\), not a WindowSet"):
        watch_toga(RecordingClient(), app.windows)
    with pytest.raises(TypeError, match="a App is not a client"):
        watch_toga(app, app)
    with pytest.raises(ValueError, match="hidden='never'"):
        watch_toga(RecordingClient(), app, hidden="never")
    assert set(vars(app)) == {"windows", "loop", "ended"}


def test_missing_toga_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "toga", None)
    with pytest.raises(RuntimeError, match="pip install toga"):
        watch_toga(RecordingClient(), object())
