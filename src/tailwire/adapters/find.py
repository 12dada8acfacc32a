"""Find what reports the app state and the network on this computer (toolkit, system sleep, network), and watch it."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tailwire.adapters import netlink
from tailwire.adapters.dbus import INSTALL, is_installed
from tailwire.adapters.loops import LoopClient
from tailwire.adapters.network import watch_network
from tailwire.adapters.rule import Hidden, Lifecycle
from tailwire.adapters.sleep import watch_sleep
from tailwire.adapters.terminal import running_textual_app, watch_terminal
from tailwire.adapters.watching import Ability, Watch

log = logging.getLogger("tailwire")


@dataclass(frozen=True)
class Toolkit:
    """A toolkit that has an adapter.

    Attributes:
        name: its name, for messages.
        adapter: the name of its adapter's module in this package; the function in it is `watch_<adapter>`.
        packages: the top-level packages in which its app classes are defined.
        running: returns the running app, or None. It does not import the toolkit.
        install: the package on PyPI that contains the toolkit; "" if it needs none.
        knows: what its adapter can detect on a desktop, for callers that have no app to watch.
        takes_app: whether the adapter's function has the app as second argument.
        takes_hidden: whether the adapter's function has an argument `hidden`.
        imported: modules that are only imported by apps of this toolkit.
    """

    name: str
    adapter: str
    packages: tuple[str, ...]
    running: Callable[[], Any]
    install: str
    knows: tuple[Ability, ...]
    takes_app: bool = True
    takes_hidden: bool = True
    imported: tuple[str, ...] = ()


def _loaded_attribute(module: str, *path: str) -> Any:
    # Return an attribute of a loaded module; None if the module is not loaded.
    found: Any = sys.modules.get(module)
    for name in path:
        found = getattr(found, name, None)
    return found


def _result_of(function: Any) -> Any:
    return function() if callable(function) else None


def _running_qt() -> Any:
    modules = ("PySide6.QtCore", "PyQt6.QtCore")
    return next(
        (app for m in modules if (app := _result_of(_loaded_attribute(m, "QCoreApplication", "instance"))) is not None),
        None,
    )


def _true_or_none(yes: bool) -> bool | None:
    return True if yes else None


TOOLKITS = (
    Toolkit("Textual", "textual", ("textual",), running_textual_app, "textual", ("paused",), takes_hidden=False,
            imported=("textual.app",)),
    Toolkit(
        "Kivy", "kivy", ("kivy",), lambda: _result_of(_loaded_attribute("kivy.app", "App", "get_running_app")), "kivy",
        ("hidden",), imported=("kivy.app",),
    ),
    Toolkit(
        "Toga", "toga", ("toga",), lambda: _loaded_attribute("toga.app", "App", "app"), "toga", ("hidden",),
        imported=("toga.app",),
    ),
    Toolkit("Flet", "flet", ("flet",), lambda: None, "flet", ("hidden", "paused"), imported=("flet",)),
    Toolkit("Qt", "qt", ("PySide6", "PyQt6"), _running_qt, "PySide6-Essentials", ("hidden",),
            imported=("PySide6.QtGui", "PyQt6.QtGui")),
    Toolkit("Tk", "tk", ("tkinter",), lambda: _loaded_attribute("tkinter", "_default_root"), "", ("hidden",)),
    Toolkit(
        "a browser's page (Pyodide)", "browser", ("pyodide",), lambda: _true_or_none(sys.platform == "emscripten"), "",
        ("hidden", "paused", "network"), takes_app=False, takes_hidden=False,
    ),
    Toolkit(
        "Android", "android", (),
        lambda: _true_or_none(hasattr(sys, "getandroidapilevel") or "ANDROID_ARGUMENT" in os.environ), "",
        ("paused",), takes_app=False, takes_hidden=False,
    ),
    Toolkit(
        "iOS", "ios", (), lambda: _true_or_none(sys.platform == "ios"), "",
        ("paused",), takes_app=False, takes_hidden=False,
    ),
)  # fmt: skip
"""The supported toolkits, in the order in which they are searched. One that is built on another comes before it."""


def watch(chat: LoopClient, app: Any = None, *, hidden: Hidden = "background") -> Watch:
    """Report to a client whether its app is in the foreground, and what happens to the network, from all sources.

    ```python
    with tailwire.watch(chat):
        ...
    ```

    It looks for a running app of these toolkits: Textual, Kivy, Toga, Qt, Tk, a web page (Pyodide), Android, iOS. The
    first one found in this order is watched; without one, the terminal. A Flet page, and an app that does not run yet,
    must be passed as `app`. System sleep and the network are watched too where that is possible. What was found is
    logged at INFO (`logging.getLogger("tailwire")`); `tailwire doctor --app` prints what can be found.

    Args:
        chat: a `ChatClient`, or a `tailwire.sync.Client`.
        app: the app, page or root window; only needed if it cannot be found.
        hidden: the state of an app without a visible window: `"background"`, or `"foreground"` for an app that stays in
            the tray and shows notifications.

    Returns:
        One watch for all sources. Its `knows` is what they can detect together; its `seen` is the last state that the
        toolkit or the terminal reported.

    Raises:
        TypeError: `app` belongs to no toolkit with an adapter, or `chat` is not a client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
        RuntimeError: the toolkit's adapter does not work here, as the text explains.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE` if the client is not initialised;
            `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` if a `ChatClient` is used outside its event loop.
    """
    combined = _CombinedWatch(chat, hidden)
    try:
        found = combined.add_app(chat, app, hidden)
        found += combined.add_computer(chat)
    except BaseException:
        combined.close()
        raise
    if found:
        log.info("watching the app state: %s", ", ".join(found))
    else:
        log.warning("nothing on this platform reports whether the app is in the foreground: call set_app_state()")
    return combined


def toolkit_of(app: Any) -> Toolkit:
    """Return the toolkit that an app, page or window belongs to.

    Raises:
        TypeError: the app belongs to no toolkit with an adapter.
    """
    packages = {kind.__module__.partition(".")[0] for kind in type(app).__mro__}
    for toolkit in TOOLKITS:
        if packages.intersection(toolkit.packages):
            return toolkit
    names = ", ".join(t.name for t in TOOLKITS if t.takes_app)
    raise TypeError(f"{app!r} belongs to none of the supported toolkits ({names}): call set_app_state()")


def running_app() -> tuple[Toolkit, Any] | None:
    """Return the toolkit whose app runs in this process, and the app; None without one. It does not import toolkits."""
    for toolkit in TOOLKITS:
        app = toolkit.running()
        if app is not None:
            return toolkit, app
    return None


def in_terminal() -> bool:
    """Return whether this process runs in a terminal with job control."""
    return hasattr(signal, "SIGTSTP") and sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _warn_of_idle_toolkits() -> None:
    for toolkit in TOOLKITS:
        if any(module in sys.modules for module in toolkit.imported):
            log.warning(
                "%s is imported, but no app of it is running: pass the app, watch(chat, app), or call watch() later",
                toolkit.name,
            )


def _log_other_apps(watched: Toolkit) -> None:
    # A Toga app is always an app of another toolkit, too, so nothing is logged about that.
    if watched.takes_app and watched.name != "Toga":
        for toolkit in TOOLKITS:
            if toolkit is not watched and toolkit.takes_app and toolkit.running() is not None:
                log.info(
                    "an app of %s is running too, and is not watched: use watch(chat, app) to choose it", toolkit.name
                )


class _CombinedWatch(Watch):
    """A watch that combines those of several sources."""

    def __init__(self, chat: LoopClient, hidden: Hidden) -> None:
        self._parts: list[Watch] = []
        super().__init__(chat, "found", (), hidden=hidden)

    def add_app(self, chat: LoopClient, app: Any, hidden: Hidden) -> list[str]:
        """Watch the app or, without one, the terminal. Return the names of what is watched, for a log line."""
        found = (toolkit_of(app), app) if app is not None else running_app()
        if found is None:
            _warn_of_idle_toolkits()
        else:
            toolkit, app = found
            _log_other_apps(toolkit)
            begin = getattr(importlib.import_module(f"tailwire.adapters.{toolkit.adapter}"), f"watch_{toolkit.adapter}")
            arguments = [app] if toolkit.takes_app else []
            self._add(begin(chat, *arguments, **({"hidden": hidden} if toolkit.takes_hidden else {})))
            return [toolkit.name]
        if in_terminal():
            try:
                self._add(watch_terminal(chat))
            except RuntimeError as e:
                log.info("the terminal is not watched: %s", e)
            else:
                return ["the terminal"]
        return []

    def add_computer(self, chat: LoopClient) -> list[str]:
        """Watch the network and system sleep, if possible. Return the names of what is watched, for a log line."""
        if not netlink.is_for_apps():
            return []
        found = ["the network"]
        self._add(watch_network(chat))
        if is_installed():
            self._add(watch_sleep(chat))
            found.append("system sleep")
        else:
            log.info("system sleep is not watched: %s", INSTALL)
        return found

    def _add(self, part: Watch) -> None:
        self._parts.append(part)
        self.at_close(part.close)

    @property
    def knows(self) -> frozenset[Ability]:
        """What the sources can detect together."""
        return frozenset[Ability]().union(*(part.knows for part in self._parts))

    @property
    def seen(self) -> Lifecycle:
        """The last state that the toolkit or the terminal reported; `resumed` if neither is watched."""
        return self._parts[0].seen if self._parts else "resumed"

    async def settled(self) -> frozenset[Ability]:
        """Wait until each source has determined what it can detect on this computer, and return `knows`."""
        for part in self._parts:
            await part.settled()
        return self.knows
