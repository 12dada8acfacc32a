"""Adapter for Qt (PySide6 or PyQt6). On a desktop it checks the app's windows, on a phone the application state.

On a desktop `applicationStateChanged` does not distinguish a minimised app from one without the focus, so the windows
are checked. This is done one iteration of the event loop after an event, because a Hide is followed by a Show while a
dialog opens or a window is reparented. Only QtGui is needed; apps with QtWidgets and QtQuick work alike.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from types import ModuleType
from typing import Any

from tailwire.adapters import netlink
from tailwire.adapters.rule import Hidden, Lifecycle
from tailwire.adapters.watching import Network, Watch, WatchedClient

_BINDINGS = ("PySide6", "PyQt6")
_PHONE_PLATFORMS = ("android", "ios")
_WINDOW_TYPES = ("Window", "Dialog", "Sheet", "Drawer", "Tool", "SplashScreen")
_EVENTS_TO_CHECK = ("Show", "Hide", "WindowStateChange", "Expose", "Close")
_PHONE_LIFECYCLES: dict[str, Lifecycle] = {
    "ApplicationActive": "resumed",
    "ApplicationInactive": "inactive",
    "ApplicationHidden": "paused",
    "ApplicationSuspended": "paused",
}
_NETWORK_STATES: dict[str, Network] = {"Disconnected": "offline", "Online": "online"}
"""What is reported for each `QNetworkInformation.Reachability`. Other values are reported as `unknown`, because the
server may be on the local network."""


def watch_qt(chat: WatchedClient, app: Any = None, *, hidden: Hidden = "background") -> Watch:
    """Report to a client whether a Qt app has a visible window.

    ```python
    app = QApplication([])
    watch_qt(chat, app)
    app.exec()
    ```

    All windows, dialogs and tool windows count, including later ones; menus, tooltips and embedded windows do not. The
    app is `hidden` while all of them are minimised or hidden, `resumed` when one is visible again, and `detached` when
    it quits. On Android and iOS the application state counts instead: `paused` and `resumed`.

    On macOS, Windows and phones, where `watch_network` detects nothing, this also reports the network, if Qt has a
    backend of `QNetworkInformation` for the platform.

    Args:
        chat: a `tailwire.sync.Client`, or a `ChatClient` if Qt's event loop is asyncio's (qasync).
        app: the `QApplication` or `QGuiApplication`; by default the existing one.
        hidden: the state of an app without a visible window: `"background"`, or `"foreground"` for an app that stays in
            the tray.

    Returns:
        The watch. It ends with `close()`, or when the app quits. No reference to it has to be kept.

    Raises:
        RuntimeError: neither PySide6 nor PyQt6 is installed, there is no Qt application yet, or this is another thread.
        TypeError: `app` is not a QGuiApplication, or `chat` is not a client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
    """
    core, gui = _import_modules(app)
    app = gui.QGuiApplication.instance() if app is None else app
    if app is None:
        raise RuntimeError("there is no Qt application yet: create the QApplication before calling watch_qt()")
    if not isinstance(app, gui.QGuiApplication):
        raise TypeError(f"app is a {type(app).__name__}: give the QApplication or QGuiApplication")
    if core.QThread.currentThread() != app.thread():
        raise RuntimeError("call watch_qt() in the thread of the Qt application")
    on_phone = app.platformName() in _PHONE_PLATFORMS
    watch = Watch(chat, "qt", ["paused" if on_phone else "hidden"], hidden=hidden)
    if on_phone:
        _watch_system(watch, app)
    else:
        _watch_windows(watch, app, core, gui)
    if not netlink.is_for_apps() and _watch_network(watch, core):
        watch.set_abilities(*watch.knows, "network")
    _end_at_quit(watch, app)
    return watch


def _import_modules(app: Any) -> tuple[ModuleType, ModuleType]:
    # Prefer the binding of the app, then one that is loaded, then any that is installed.
    of_app = [kind.__module__.partition(".")[0] for kind in type(app).__mro__]
    bindings = [name for name in _BINDINGS if name in of_app]
    loaded = [name for name in _BINDINGS if f"{name}.QtGui" in sys.modules]
    for name in bindings or [*loaded, *_BINDINGS]:
        with suppress(ImportError):
            return importlib.import_module(f"{name}.QtCore"), importlib.import_module(f"{name}.QtGui")
    raise RuntimeError("Qt is not installed: pip install PySide6-Essentials (or PyQt6)")


def _end_at_quit(watch: Watch, app: Any) -> None:
    def on_quit() -> None:
        watch.report("detached")
        watch.close()

    app.aboutToQuit.connect(on_quit)
    watch.at_close(_undo_all(lambda: app.aboutToQuit.disconnect(on_quit)))


def _watch_system(watch: Watch, app: Any) -> None:
    def changed(state: Any) -> None:
        watch.report(_PHONE_LIFECYCLES[state.name])

    app.applicationStateChanged.connect(changed)
    watch.at_close(_undo_all(lambda: app.applicationStateChanged.disconnect(changed)))
    changed(app.applicationState())


def _watch_network(watch: Watch, core: ModuleType) -> bool:
    # Return whether Qt can report the network. Its `QNetworkInformation` belongs to Qt, and there is one per process.
    try:
        kind = importlib.import_module(f"{core.__name__.partition('.')[0]}.QtNetwork").QNetworkInformation
    except (ImportError, AttributeError):  # QtNetwork is not installed, or Qt is older than 6.1
        return False
    if not kind.loadBackendByFeatures(kind.Feature.Reachability):
        return False
    network = kind.instance()

    def changed(reachability: Any) -> None:
        watch.report_network(_NETWORK_STATES.get(reachability.name, "unknown"))

    network.reachabilityChanged.connect(changed)
    watch.at_close(_undo_all(lambda: network.reachabilityChanged.disconnect(changed)))
    if network.reachability() == kind.Reachability.Disconnected:
        watch.report_network("offline")
    return True


def _watch_windows(watch: Watch, app: Any, core: Any, gui: Any) -> None:
    kinds = [getattr(core.Qt.WindowType, name) for name in _WINDOW_TYPES]
    minimized = core.Qt.WindowState.WindowMinimized
    relevant = {getattr(core.QEvent.Type, name) for name in _EVENTS_TO_CHECK}

    class Windows(core.QObject):  # type: ignore[misc]
        """Receives the events of each window, and those of the whole app while no window is visible."""

        def __init__(self) -> None:
            super().__init__(app)  # the parent keeps it alive
            self.timer = core.QTimer(self)
            self.timer.setSingleShot(True)
            self.timer.timeout.connect(self.check_windows)

        def eventFilter(self, of: Any, event: Any) -> bool:
            if event.type() in relevant and not self.timer.isActive():
                self.timer.start(0)
            return False

        def check_soon(self, *_: Any) -> None:
            self.timer.start(0)

        def check_windows(self) -> None:
            windows = [w for w in app.topLevelWindows() if w.type() in kinds]
            for window in windows:
                window.installEventFilter(self)  # installing it again has no effect
            is_visible = any(w.isVisible() and not w.windowStates() & minimized for w in windows)
            if is_visible:
                app.removeEventFilter(self)  # do not run Python for every event of a visible app
            else:
                app.installEventFilter(self)
            watch.report("resumed" if is_visible else "hidden")

    event_filter = Windows()
    signals = (app.focusWindowChanged, app.lastWindowClosed)  # to notice a new window while another is visible
    for signal in signals:
        signal.connect(event_filter.check_soon)

    def end() -> None:
        for signal in signals:
            signal.disconnect(event_filter.check_soon)
        app.removeEventFilter(event_filter)
        event_filter.timer.stop()
        event_filter.deleteLater()  # this also removes it from the windows

    watch.at_close(_undo_all(end))
    event_filter.check_soon()


def _undo_all(disconnect: Any) -> Any:
    def undo() -> None:
        with suppress(RuntimeError):  # the application was deleted first
            disconnect()

    return undo
