"""Cases of `watch_qt` that need no server; run as one program (`python qt_cases.py [binding]`).

They use QtGui alone, without a display: `QT_QPA_PLATFORM=offscreen`.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from recording_clients import RecordingClient
from tailwire.adapters.qt import watch_qt

BINDING = sys.argv[1] if len(sys.argv) > 1 else "PySide6"
core: Any = importlib.import_module(f"{BINDING}.QtCore")
gui: Any = importlib.import_module(f"{BINDING}.QtGui")


def assert_raises(kind: type[Exception], words: str, call: Callable[[], object]) -> None:
    with pytest.raises(kind, match=words):
        call()


def turns(app: Any) -> None:
    for _ in range(5):
        app.processEvents()


def windows_without_widgets(app: Any) -> None:
    client = RecordingClient()
    window = gui.QWindow()
    window.resize(100, 100)
    window.show()
    watch_qt(client, app)  # not kept
    gc.collect()
    turns(app)
    assert client.reported == []
    window.setWindowStates(core.Qt.WindowState.WindowMinimized)
    turns(app)
    assert client.reported == ["background"]
    second = gui.QWindow()
    second.show()
    turns(app)
    assert client.reported == ["background", "foreground"]
    second.close()
    turns(app)
    assert client.reported == ["background", "foreground", "background"]
    window.setWindowStates(core.Qt.WindowState.WindowMinimized | core.Qt.WindowState.WindowMaximized)
    turns(app)
    window.showMaximized()
    turns(app)
    assert client.reported == ["background", "foreground"] * 2
    window.hide()
    turns(app)
    window.show()
    turns(app)
    assert client.reported == ["background", "foreground"] * 3
    window.close()


def menus_and_tooltips_do_not_count(app: Any) -> None:
    client = RecordingClient()
    tips = []
    for kind in (core.Qt.WindowType.Popup, core.Qt.WindowType.ToolTip):
        tip = gui.QWindow()
        tip.setFlags(kind)
        tip.show()
        tips.append(tip)
    with watch_qt(client, app) as watch:
        turns(app)
        assert watch.seen == "hidden"
    for tip in tips:
        tip.close()
    assert client.reported == ["background", "foreground"]


def two_watches(app: Any) -> None:
    one, other = RecordingClient(), RecordingClient()
    window = gui.QWindow()
    window.show()
    first, second = watch_qt(one, app), watch_qt(other)
    turns(app)
    first.close()
    window.hide()
    turns(app)
    assert (one.reported, other.reported) == ([], ["background"])
    second.close()
    first.close()
    window.show()
    turns(app)
    window.close()
    turns(app)
    assert (one.reported, other.reported) == ([], ["background", "foreground"])


def in_another_thread(app: Any) -> None:
    failed: list[Exception] = []

    def watch() -> None:
        try:
            watch_qt(RecordingClient(), app)
        except Exception as e:
            failed.append(e)

    thread = threading.Thread(target=watch)
    thread.start()
    thread.join()
    assert isinstance(failed[0], RuntimeError), failed
    assert "thread" in str(failed[0])


class Phone:
    """Simulates an application on a phone by changing the platform's name."""

    @staticmethod
    def of(app: Any, name: str) -> None:
        type(app).platformName = staticmethod(lambda: name)


def application_state_on_a_phone(app: Any) -> None:
    state = core.Qt.ApplicationState
    for name in ("android", "ios"):
        Phone.of(app, name)
        client = RecordingClient()
        window = gui.QWindow()
        window.show()
        app.applicationStateChanged.emit(state.ApplicationActive)
        watch = watch_qt(client, app)
        assert watch.knows == {"paused"}
        client.reported.clear()  # offscreen, the last window decides whether the application is active
        for seen in (state.ApplicationActive, state.ApplicationInactive):
            app.applicationStateChanged.emit(seen)
        window.hide()
        turns(app)
        assert client.reported == [], client.reported
        app.applicationStateChanged.emit(state.ApplicationSuspended)
        assert watch.seen == "paused"
        app.applicationStateChanged.emit(state.ApplicationHidden)
        app.applicationStateChanged.emit(state.ApplicationInactive)
        assert client.reported == ["background"]
        app.applicationStateChanged.emit(state.ApplicationActive)
        assert client.reported == ["background", "foreground"]
        watch.close()
        app.applicationStateChanged.emit(state.ApplicationSuspended)
        assert client.reported == ["background", "foreground"]


def main() -> None:
    assert_raises(RuntimeError, "create the QApplication", lambda: watch_qt(RecordingClient()))
    for wrong in ("app", core.QObject(), 3):
        assert_raises(TypeError, "give the QApplication", lambda wrong=wrong: watch_qt(RecordingClient(), wrong))
    app = gui.QGuiApplication(sys.argv[:1])
    app.setQuitOnLastWindowClosed(False)
    assert_raises(ValueError, "hidden", lambda: watch_qt(RecordingClient(), app, hidden="never"))
    for case in (windows_without_widgets, menus_and_tooltips_do_not_count, two_watches, in_another_thread):
        case(app)
        turns(app)
    application_state_on_a_phone(app)
    print("all cases passed", flush=True)


if __name__ == "__main__":
    main()
