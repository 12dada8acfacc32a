"""Find what tells the app's state here, and watch it: the toolkit that runs, the machine's sleep, the network."""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tailwire.adapters.dbus import INSTALL, is_installed
from tailwire.adapters.loops import Client
from tailwire.adapters.network import watch_network
from tailwire.adapters.rule import Hidden, Word
from tailwire.adapters.sleep import watch_sleep
from tailwire.adapters.terminal import running_textual_app, watch_terminal
from tailwire.adapters.watching import Ability, Watch

log = logging.getLogger("tailwire")


@dataclass(frozen=True)
class Toolkit:
    """A toolkit with an adapter.

    Attributes:
        name: as people write it.
        adapter: its module in this package; the function is `watch_` and its name.
        packages: the first parts of the module names of its apps.
        running: returns the app that runs, or None; imports nothing.
        install: what to install for it; "" where nothing can be.
        knows: what its adapter can know, for those who ask before there is an app.
        takes_app: whether the adapter is given the app.
        takes_hidden: whether the adapter is given `hidden`.
        imported: modules that only its apps import.
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


def _of(module: str, *path: str) -> Any:
    # What a module that is loaded has under a name; None where it is not loaded.
    found: Any = sys.modules.get(module)
    for name in path:
        found = getattr(found, name, None)
    return found


def _called(function: Any) -> Any:
    return function() if callable(function) else None


def _running_qt() -> Any:
    modules = ("PySide6.QtCore", "PyQt6.QtCore")
    return next((app for m in modules if (app := _called(_of(m, "QCoreApplication", "instance"))) is not None), None)


def _is_here(yes: bool) -> bool | None:
    return True if yes else None


TOOLKITS = (
    Toolkit("Textual", "textual", ("textual",), running_textual_app, "textual", ("paused",), takes_hidden=False,
            imported=("textual.app",)),
    Toolkit(
        "Kivy", "kivy", ("kivy",), lambda: _called(_of("kivy.app", "App", "get_running_app")), "kivy",
        ("hidden",), imported=("kivy.app",),
    ),
    Toolkit(
        "Toga", "toga", ("toga",), lambda: _of("toga.app", "App", "app"), "toga", ("hidden",), imported=("toga.app",)
    ),
    Toolkit("Flet", "flet", ("flet",), lambda: None, "flet", ("hidden", "paused"), imported=("flet",)),
    Toolkit("Qt", "qt", ("PySide6", "PyQt6"), _running_qt, "PySide6-Essentials", ("hidden",),
            imported=("PySide6.QtGui", "PyQt6.QtGui")),
    Toolkit("Tk", "tk", ("tkinter",), lambda: _of("tkinter", "_default_root"), "", ("hidden",)),
    Toolkit(
        "a browser's page (Pyodide)", "browser", ("pyodide",), lambda: _is_here(sys.platform == "emscripten"), "",
        ("hidden", "paused", "network"), takes_app=False, takes_hidden=False,
    ),
    Toolkit(
        "Android", "android", (),
        lambda: _is_here(hasattr(sys, "getandroidapilevel") or "ANDROID_ARGUMENT" in os.environ), "",
        ("paused",), takes_app=False, takes_hidden=False,
    ),
    Toolkit(
        "iOS", "ios", (), lambda: _is_here(sys.platform == "ios"), "",
        ("paused",), takes_app=False, takes_hidden=False,
    ),
)  # fmt: skip
"""In the order in which they are looked for: a toolkit that uses another one comes before it."""


def watch(chat: Client, app: Any = None, *, hidden: Hidden = "background") -> Watch:
    """Watch everything that tells something of this app here, and report it to a client.

    ```python
    with tailwire.watch(chat):
        ...
    ```

    Finds the toolkit whose app runs: Textual, Kivy, Toga, Qt, Tk, a browser's page (Pyodide), Android, iOS; else a
    terminal. Of several toolkits the first in this order is watched. A Flet page, and an app that does not run yet,
    have to be given. Beside it the machine's sleep and the network are watched where they are known. What was found
    is logged at INFO (`logging.getLogger("tailwire")`); `tailwire doctor --app` prints what can be.

    Args:
        chat: a `ChatClient`, or a `tailwire.sync.Client`.
        app: the app, page or root window; only needed where none can be found.
        hidden: what an app without a visible window is: `"background"`, or `"foreground"` for an app that lives in the
            tray and shows notifications of its own.

    Returns:
        One watch over all. Its `knows` is what they know together, its `seen` is the toolkit's.

    Raises:
        TypeError: `app` is of no toolkit that has an adapter, or `chat` is no client.
        ValueError: `hidden` is neither `"background"` nor `"foreground"`.
        RuntimeError: the toolkit's adapter cannot watch here, and says why.
        CometChatException: `COMETCHAT_INITIALIZATION_NOT_DONE`, `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
    """
    together = _Together(chat, hidden)
    try:
        found = together.add_app(chat, app, hidden)
        found += together.add_machine(chat)
    except BaseException:
        together.close()
        raise
    if found:
        log.info("watching for the app's state: %s", ", ".join(found))
    else:
        log.warning("nothing here tells whether the app is in the foreground: call set_app_state() yourself")
    return together


def toolkit_of(app: Any) -> Toolkit:
    """Return the toolkit of an app.

    Raises:
        TypeError: it is of no toolkit that has an adapter.
    """
    packages = {kind.__module__.partition(".")[0] for kind in type(app).__mro__}
    for toolkit in TOOLKITS:
        if packages.intersection(toolkit.packages):
            return toolkit
    names = ", ".join(t.name for t in TOOLKITS if t.takes_app)
    raise TypeError(f"{app!r} is an app of no toolkit that is known here ({names}): call set_app_state() yourself")


def running() -> tuple[Toolkit, Any] | None:
    """Return the toolkit whose app runs in this process, and the app; None where there is none. Imports nothing."""
    for toolkit in TOOLKITS:
        app = toolkit.running()
        if app is not None:
            return toolkit, app
    return None


def in_terminal() -> bool:
    """Return whether this process runs in a terminal that can stop it."""
    return hasattr(signal, "SIGTSTP") and sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def _say_what_does_not_run() -> None:
    for toolkit in TOOLKITS:
        if any(module in sys.modules for module in toolkit.imported):
            log.warning(
                "%s is imported, but no app of it is found running: give it, watch(chat, app), or call watch() later",
                toolkit.name,
            )


def _say_what_else_runs(watched: Toolkit) -> None:
    # Toga's apps are apps of Qt, or of the platform, as well.
    if watched.takes_app and watched.name != "Toga":
        for toolkit in TOOLKITS:
            if toolkit is not watched and toolkit.takes_app and toolkit.running() is not None:
                log.info("an app of %s runs as well, and is not watched: watch(chat, app) takes another", toolkit.name)


class _Together(Watch):
    """One watch over several."""

    def __init__(self, chat: Client, hidden: Hidden) -> None:
        self._parts: list[Watch] = []
        super().__init__(chat, "found", (), hidden=hidden)

    def add_app(self, chat: Client, app: Any, hidden: Hidden) -> list[str]:
        """Watch the app, or the terminal. Return what was found."""
        found = (toolkit_of(app), app) if app is not None else running()
        if found is None:
            _say_what_does_not_run()
        else:
            toolkit, app = found
            _say_what_else_runs(toolkit)
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

    def add_machine(self, chat: Client) -> list[str]:
        """Watch the machine's sleep and the network, where that can be. Return what is tried."""
        if sys.platform != "linux" or hasattr(sys, "getandroidapilevel"):
            return []
        found = ["the network"]
        self._add(watch_network(chat))
        if is_installed():
            self._add(watch_sleep(chat))
            found.append("the machine's sleep")
        else:
            log.info("the machine's sleep is not watched: %s", INSTALL)
        return found

    def _add(self, part: Watch) -> None:
        self._parts.append(part)
        self.at_close(part.close)

    @property
    def knows(self) -> frozenset[Ability]:
        """What the watches know together, now."""
        return frozenset[Ability]().union(*(part.knows for part in self._parts))

    @property
    def seen(self) -> Word:
        """The last word of the app's toolkit."""
        return self._parts[0].seen if self._parts else "resumed"

    async def settled(self) -> frozenset[Ability]:
        """Wait until it is sure what can be known here, and return it."""
        for part in self._parts:
            await part.settled()
        return self.knows
