"""A Toga app (toga-qt) under a window manager: its server knows whether it is on the screen."""

from __future__ import annotations

import pytest

from adapters import scenes
from adapters.app import App
from adapters.conftest import Start, need
from adapters.matrix import play, rows
from adapters.screen import Screen

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module")
def environment(screen: Screen) -> dict[str, str]:
    need("toga", "toga_qt")
    return {**screen.environment, "TOGA_BACKEND": "toga_qt", "QT_QPA_PLATFORM": "xcb", "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module")
def app(start: Start, environment: dict[str, str]) -> App:
    return start("toga_program", environment)


@pytest.mark.parametrize("happens", rows("toga"))
def test_what_happens_to_its_windows(app: App, happens: str):
    play("toga", happens, app)


def test_its_user_minimises_it_by_the_window_manager(app: App, screen: Screen):
    scenes.message_while_minimised(app, lambda: screen.minimise("toga main"), lambda: screen.activate("toga main"))


def test_a_quick_change_and_back_is_not_told(app: App):
    app.turns()
    before = app.sockets()
    app.told.clear()
    app.do("flap")  # twenty times, within one turn of the loop
    app.turns()
    app.house.say(app.uid, "after quick changes")
    app.until_heard("after quick changes")
    assert app.told == []
    assert app.sockets() == before


def test_minimised_and_shown_twenty_times_it_ends_connected_and_loses_nothing(app: App):
    scenes.minimised_twenty_times(app)


def test_a_machine_that_sleeps_outweighs_a_window_that_is_shown(app: App):
    scenes.shown_while_asleep(app)


def test_a_window_that_is_opened_while_the_others_are_hidden_brings_the_socket_back(app: App):
    app.do("minimise")
    app.until_gone()
    app.do("open_second")
    app.until_back()
    app.do("close_second")
    app.until_gone()
    app.do("restore")
    app.until_back()


def test_handlers_that_a_window_is_made_with_go_on_working(app: App):
    app.do("open_second_with_handlers")
    app.do("withdraw")
    app.turns()
    assert app.do("seen") == "resumed"
    app.do("hide_second")
    app.until_gone()
    assert "second hide" in app.events
    app.do("show")
    app.until_back()
    app.do("close_second")
    app.turns()
    assert app.do("seen") == "resumed"


def test_an_app_in_the_tray_stays_connected(once: Start, environment: dict[str, str]):
    scenes.hidden_in_the_tray(once("toga_program", environment, hidden="foreground"))


def test_in_manual_mode_the_socket_stays_for_its_window(once: Start, environment: dict[str, str]):
    scenes.background_window(once("toga_program", environment, auto=False, background_window=1.0))


def test_an_app_that_exits_is_detached(once: Start, environment: dict[str, str]):
    app = once("toga_program", environment, close=False)
    app.do("quit")
    app.until(lambda: app.told[-1:] == ["background"], "the watch sees that it exits")
    app.until_gone()


def test_a_watch_that_is_closed_withdraws_what_it_said_and_gives_the_handlers_back(
    once: Start, environment: dict[str, str]
):
    app = once("toga_program", environment)
    app.do("minimise")
    app.until_gone()
    app.do("stop_watching")
    app.until_back()
    app.told.clear()
    app.do("restore")
    app.do("withdraw")
    app.do("show")
    app.turns()
    assert app.told == []
    assert all("startup" in name for name in app.do("handlers"))
