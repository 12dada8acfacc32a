"""Scenarios that are the same for every toolkit with windows, in addition to the rows of the matrix."""

from __future__ import annotations

import time
from collections.abc import Callable

from adapters.app import App
from adapters.screen import Screen


def restore_until_shown(app: App, text: str) -> None:
    """Restore the window until it is visible, the socket is back, and a message has arrived.

    A request that comes while the window manager is busy may leave the window minimised, so it is repeated.
    """

    def is_back() -> bool:
        app.do("restore")
        return app.do("seen") == "resumed" and len(app.sockets()) == 1 and text in app.messages

    app.until(is_back, "the window and its socket are back", 20)


def rapid_changes(app: App) -> None:
    """Of twenty rapid changes only real ones are reported; the app ends connected, and no message is lost or duplicated."""
    app.reported.clear()
    app.messages.clear()
    texts = [f"flapping {n}" for n in range(4)]
    for text in texts:
        app.do("flap")
        app.server.say(app.uid, text)
    restore_until_shown(app, texts[-1])
    assert app.messages == texts
    assert app.reported == ["background", "foreground"] * (len(app.reported) // 2)


def sleep_while_hidden(app: App) -> None:
    """Showing the window does not reconnect while another reason holds; the end of that reason does."""
    app.reported.clear()
    app.do("minimise")
    app.until_gone()
    app.do("sleep")
    app.do("restore")
    app.until(lambda: app.reported == ["background", "foreground"], "the window is back")
    assert app.do("explain").startswith("disconnected")
    assert app.sockets() == []
    app.do("wake")
    app.until_back()


def wake_up_while_hidden(app: App) -> None:
    """The end of another reason does not reconnect while the window is hidden."""
    app.do("sleep")
    app.until_gone()
    app.do("minimise")
    app.until(lambda: app.do("seen") == "hidden", "the window is hidden")
    app.do("wake")
    assert app.do("explain").startswith("disconnected")
    assert app.sockets() == []
    app.do("restore")
    app.until_back()


def tray(app: App) -> None:
    """The socket stays open without a visible window (the app was started with `hidden="foreground"`)."""
    before = app.sockets()
    app.do("minimise")
    app.until(lambda: app.do("seen") == "hidden", "the window is hidden")
    app.server.say(app.uid, "into the tray")
    app.until_heard("into the tray")
    app.do("restore")
    app.until(lambda: app.do("seen") == "resumed", "the window is back")
    assert app.sockets() == before
    assert app.reported == []


def manual_mode(app: App, window: float) -> None:
    """The socket stays open for the background window, then closes; it is not reopened automatically."""
    before = app.sockets()
    app.do("minimise")
    hidden_at = time.monotonic()
    app.until(lambda: app.reported == ["background"], "the background is reported")
    assert app.sockets() == before
    app.until(lambda: app.sockets() == [], "the window has passed", window + 10)
    assert time.monotonic() - hidden_at >= window - 0.01
    app.do("restore")
    app.until(lambda: app.reported == ["background", "foreground"], "the foreground is reported")
    assert app.do("explain").startswith("disconnected")


def detached(app: App) -> None:
    """An app whose window is destroyed is detached, and its socket is closed although the process continues."""
    app.do("destroy")
    app.until_gone()
    app.until(lambda: app.reported == ["background"], "the background is reported, and nothing else")
    assert app.do("seen") == "detached"
    app.do("stop_watching")
    assert app.reported == ["background"]
    assert app.alive


def closed_watch(app: App) -> None:
    """A watch that is closed while its window is hidden withdraws its reports, and reports nothing further."""
    app.do("minimise")
    app.until_gone()
    app.do("stop_watching")
    app.until_back()
    before = app.sockets()
    for command in ("stop_watching", "restore", "minimise", "restore"):
        app.do(command)
        app.turns()
    assert app.reported == ["background", "foreground"]
    assert app.sockets() == before


def hidden_at_first(app: App) -> None:
    """An app that starts without a visible window is in the background until it has one."""
    app.until_gone()
    assert app.do("seen") == "hidden"
    app.do("show")
    app.until_back()
    assert app.reported == ["background", "foreground"]


def minimised_twenty_times(app: App) -> None:
    """Minimise and restore twenty times with a message each: no message is lost or duplicated."""
    texts = [f"minimised {n}" for n in range(20)]
    for text in texts:
        app.do("minimise")
        app.server.say(app.uid, text)
        app.do("restore")
    restore_until_shown(app, texts[-1])
    assert [m for m in app.messages if m in texts] == texts


def shown_while_asleep(app: App) -> None:
    """Showing the window does not reopen the socket while another reason for the background holds."""
    app.do("minimise")
    app.until_gone()
    app.do("sleep")
    app.do("restore")
    app.until(lambda: app.do("seen") == "resumed", "the window is back")
    app.turns()
    assert app.sockets() == []
    app.do("wake")
    app.until_back()


def hidden_in_the_tray(app: App) -> None:
    """The socket stays while the window is withdrawn (the app was started with `hidden="foreground"`)."""
    before = app.sockets()
    app.do("withdraw")
    app.until(lambda: app.do("seen") == "hidden", "the watch sees it")
    app.server.say(app.uid, "to the tray")
    app.until_heard("to the tray")
    assert app.sockets() == before


def background_window(app: App) -> None:
    """In manual mode the socket delivers messages within the background window, and is closed after it."""
    before = app.sockets()
    app.do("minimise")
    app.until(lambda: app.reported[-1:] == ["background"], "the background is reported")
    app.server.say(app.uid, "within the window")
    app.until_heard("within the window")
    assert app.sockets() == before
    app.until_gone()


def message_while_minimised(app: App, minimise: Callable[[], object], activate: Callable[[], object]) -> None:
    """A message that arrives while the window manager keeps the window minimised is delivered once, afterwards."""
    minimise()
    app.until_gone()
    app.server.say(app.uid, "to a minimised app")
    activate()
    app.until_back()
    app.until_heard("to a minimised app")
    assert app.messages.count("to a minimised app") == 1


def minimised_by_its_user(app: App, screen: Screen, title: str) -> None:
    """A window that the window manager minimises is in the background until it is restored."""
    app.reported.clear()
    screen.minimise(title)
    app.until_gone()
    screen.activate(title)
    app.until_back()
    app.until(lambda: app.reported == ["background", "foreground"], "both changes are reported")
