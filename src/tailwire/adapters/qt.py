"""A Qt app, with PySide6 or PyQt6: on the desktop its windows say whether it is on the screen, on phones the system.

`applicationStateChanged` cannot tell a minimised desktop app from one that only lost the focus, so that there the
windows are looked at, one turn of the event loop after something happened to one of them: Hide and Show come in pairs
while a dialog opens or a window gets another parent. QtGui is enough; QtWidgets and QtQuick apps are seen alike.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

from tailwire.adapters.rule import Hidden, Word
from tailwire.adapters.watching import Informed, Watch

_BINDINGS = ("PySide6", "PyQt6")
_PHONES = ("android", "ios")
_WINDOWS = ("Window", "Dialog", "Sheet", "Drawer", "Tool", "SplashScreen")
_LOOK_AT = ("Show", "Hide", "WindowStateChange", "Expose", "Close")
_ON_PHONES: dict[str, Word] = {
    "ApplicationActive": "resumed",
    "ApplicationInactive": "inactive",
    "ApplicationHidden": "paused",
    "ApplicationSuspended": "paused",
}


def watch_qt(chat: Informed, app: Any = None, *, hidden: Hidden = "background") -> Watch:
    """Watch the windows of a Qt app, and tell the client when none of them is on the screen any more.

    ```python
    app = QApplication([])
    watch_qt(chat, app)
    app.exec()
    ```

    All windows, dialogs and tools count, also those that are made later; menus, tips and embedded windows do not. The
    word is `hidden` while each is minimised or hidden, `resumed` when one is back, and `detached` when the app quits.
    On Android and iOS the system's word counts instead: `paused` and `resumed`.

    Args:
        chat: the client: a `tailwire.sync.Client`, or a `ChatClient` where Qt's loop is asyncio's (qasync).
        app: the `QApplication` or `QGuiApplication`; None: the one that there is.
        hidden: what an app without a visible window is: `"foreground"` suits one that lives in the tray.

    Returns:
        The watch. It also lives without being kept, until `close()` or until the app quits.

    Raises:
        RuntimeError: neither PySide6 nor PyQt6 is installed; there is no application yet; or this is not its thread.
        TypeError: `app` is no QGuiApplication: an app without windows has nothing to watch. Or `chat` is no client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
    """
    core, gui = _modules(app)
    app = gui.QGuiApplication.instance() if app is None else app
    if app is None:
        raise RuntimeError("there is no Qt application yet: make the QApplication first, then call watch_qt()")
    if not isinstance(app, gui.QGuiApplication):
        raise TypeError(f"app is a {type(app).__name__}: give the QApplication or QGuiApplication")
    if core.QThread.currentThread() != app.thread():
        raise RuntimeError("call watch_qt() in the thread of the Qt application")
    on_phone = app.platformName() in _PHONES
    watch = Watch(chat, "qt", ["paused" if on_phone else "hidden"], hidden=hidden)
    if on_phone:
        _watch_system(watch, app)
    else:
        _watch_windows(watch, app, core, gui)
    _until_quit(watch, app)
    return watch


def _modules(app: Any) -> tuple[ModuleType, ModuleType]:
    # The binding that the app was made with; else the one that the program has loaded; else one that is there.
    of_app = [kind.__module__.partition(".")[0] for kind in type(app).__mro__]
    given = [name for name in _BINDINGS if name in of_app]
    loaded = [name for name in _BINDINGS if f"{name}.QtGui" in sys.modules]
    for name in given or [*loaded, *_BINDINGS]:
        with suppress(ImportError):
            return importlib.import_module(f"{name}.QtCore"), importlib.import_module(f"{name}.QtGui")
    raise RuntimeError("Qt is not installed: pip install PySide6-Essentials (or PyQt6)")


def _until_quit(watch: Watch, app: Any) -> None:
    def quits() -> None:
        watch.see("detached")
        watch.close()

    app.aboutToQuit.connect(quits)
    watch.at_close(_undo(lambda: app.aboutToQuit.disconnect(quits)))


def _watch_system(watch: Watch, app: Any) -> None:
    def changed(state: Any) -> None:
        watch.see(_ON_PHONES[state.name])

    app.applicationStateChanged.connect(changed)
    watch.at_close(_undo(lambda: app.applicationStateChanged.disconnect(changed)))
    changed(app.applicationState())


def _watch_windows(watch: Watch, app: Any, core: Any, gui: Any) -> None:
    kinds = [getattr(core.Qt.WindowType, name) for name in _WINDOWS]
    minimized = core.Qt.WindowState.WindowMinimized
    look_at = {getattr(core.QEvent.Type, name) for name in _LOOK_AT}

    class Windows(core.QObject):  # type: ignore[misc]
        """Sees what happens to each window, and to the whole app while none is visible: one may be new."""

        def __init__(self) -> None:
            super().__init__(app)  # which keeps it
            self.timer = core.QTimer(self)
            self.timer.setSingleShot(True)
            self.timer.timeout.connect(self.look)

        def eventFilter(self, of: Any, event: Any) -> bool:
            if event.type() in look_at and not self.timer.isActive():
                self.timer.start(0)
            return False

        def soon(self, *_: Any) -> None:
            self.timer.start(0)

        def look(self) -> None:
            windows = [w for w in app.topLevelWindows() if w.type() in kinds]
            for window in windows:
                window.installEventFilter(self)  # the same filter again is the same filter
            shown = any(w.isVisible() and not w.windowStates() & minimized for w in windows)
            if shown:
                app.removeEventFilter(self)  # nothing of Python in every event of a visible app
            else:
                app.installEventFilter(self)
            watch.see("resumed" if shown else "hidden")

    seeing = Windows()
    news = (app.focusWindowChanged, app.lastWindowClosed)  # a new window that comes while another is visible
    for signal in news:
        signal.connect(seeing.soon)

    def end() -> None:
        for signal in news:
            signal.disconnect(seeing.soon)
        app.removeEventFilter(seeing)
        seeing.timer.stop()
        seeing.deleteLater()  # the windows forget their filter with it

    watch.at_close(_undo(end))
    seeing.soon()


def _undo(what: Any) -> Any:
    def undo() -> None:
        with suppress(RuntimeError):  # the application was deleted before the watch was closed
            what()

    return undo
