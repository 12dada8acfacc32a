"""What must be reported for each event, by toolkit. A toolkit's tests run each of its rows (`play`).

A program (`*_program.py`) has a command for each name in its row, and for the way back (`BACK`).
"""

from __future__ import annotations

from dataclasses import dataclass

from adapters.app import App


@dataclass(frozen=True)
class ReceivedChange:
    """The app state changes: a lifecycle state is seen, and the socket is closed until the event is undone."""

    word: str


@dataclass(frozen=True)
class Nothing:
    """Nothing is reported and the socket stays, although the toolkit has sent the event of this name."""

    event: str


BACK = {
    "minimise": "restore",
    "withdraw": "show",
    "dialog": "close_dialog",
    "lose_focus": "take_focus",
    "cover": "uncover",
    "unmap_child": "map_child",
    "minimise_one_of_two": "restore_one",
    "minimise_both": "restore_both",
    "pause": "resume",
}

MATRIX: dict[str, dict[str, ReceivedChange | Nothing]] = {
    "tk": {
        "minimise": ReceivedChange("hidden"),
        "withdraw": ReceivedChange("hidden"),
        "minimise_both": ReceivedChange("hidden"),
        "minimise_one_of_two": Nothing("Unmap"),
        "dialog": Nothing("FocusOut"),
        "lose_focus": Nothing("FocusOut"),
        "cover": Nothing("Visibility"),
        "unmap_child": Nothing("Unmap of a child"),
    },
    "kivy": {
        "minimise": ReceivedChange("hidden"),
        "withdraw": ReceivedChange("hidden"),
        "pause": ReceivedChange("paused"),
        "dialog": Nothing("popup"),
        "lose_focus": Nothing("focus lost"),
    },
    "toga": {
        "minimise": ReceivedChange("hidden"),
        "withdraw": ReceivedChange("hidden"),
        "minimise_both": ReceivedChange("hidden"),
        "minimise_one_of_two": Nothing("hide"),
        "dialog": Nothing("lose_focus"),
        "lose_focus": Nothing("lose_focus"),
    },
    "qt-xcb": {
        "minimise": ReceivedChange("hidden"),
        "withdraw": ReceivedChange("hidden"),
        "minimise_both": ReceivedChange("hidden"),
        "minimise_one_of_two": Nothing("minimised"),
        "dialog": Nothing("focus"),
        "lose_focus": Nothing("focus"),
    },
    "qt-offscreen": {
        "minimise": ReceivedChange("hidden"),
        "withdraw": ReceivedChange("hidden"),
        "minimise_both": ReceivedChange("hidden"),
        "minimise_one_of_two": Nothing("minimised"),
        "dialog": Nothing("focus"),
    },
}


def rows(toolkit: str) -> list[str]:
    """Return the events of a toolkit's rows."""
    return list(MATRIX[toolkit])


def _in_front(app: App) -> None:
    # Requests of the previous row, sent while the window manager was busy, may have left the window minimised.
    for _ in range(3):
        try:
            app.until_back()
            return
        except AssertionError:
            app.do("restore")
    app.until_back()


def play(toolkit: str, happens: str, app: App) -> None:
    """Let an event happen to an app in the foreground, undo it, and check what both have caused.

    The same app can play one row after the other.
    """
    expected = MATRIX[toolkit][happens]
    _in_front(app)
    before = app.sockets()
    for kept in (app.reported, app.reasons, app.events, app.messages):
        kept.clear()
    app.do(happens)
    if isinstance(expected, ReceivedChange):
        app.until_gone()
        assert app.do("seen") == expected.word
        app.server.say(app.uid, "meanwhile")
        app.do(BACK[happens])
        app.until_back()
        app.until(lambda: app.reported == ["background", "foreground"], "both changes are reported")
    else:
        app.until(lambda: expected.event in app.events, f"the toolkit says {expected.event!r}")
        app.turns()
        app.server.say(app.uid, "meanwhile")
        app.until_heard("meanwhile")
        assert app.sockets() == before
        app.do(BACK[happens])
        app.turns()
        assert app.reported == []
        assert app.sockets() == before
    app.server.say(app.uid, "after")
    app.until_heard("after")
    assert app.messages == ["meanwhile", "after"]
    assert app.do("seen") == "resumed"
