"""A Toga app (toga-qt) under a window manager: its server knows whether it is visible."""

from __future__ import annotations

import pytest

from adapters import scenarios
from adapters.app import App
from adapters.conftest import Start, need
from adapters.matrix import play, rows
from adapters.screen import Screen, wait_for

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module")
def environment(screen: Screen) -> dict[str, str]:
    need("toga", "toga_qt")
    return {**screen.environment, "TOGA_BACKEND": "toga_qt", "QT_QPA_PLATFORM": "xcb", "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module")
def app(start: Start, environment: dict[str, str]) -> App:
    return start("toga_program", environment)


@pytest.mark.parametrize("happens", rows("toga"))
def test_each_window_event_is_reported_as_in_the_matrix(app: App, happens: str):
    play("toga", happens, app)


def test_message_arrives_once_after_the_window_manager_had_minimised_the_window(app: App, screen: Screen):
    scenarios.message_while_minimised(app, lambda: screen.minimise("toga main"), lambda: screen.activate("toga main"))


def test_twenty_hides_and_shows_in_one_turn_of_the_loop_are_not_reported(app: App):
    app.turns()
    before = app.sockets()
    app.reported.clear()
    app.do("flap")  # twenty times in one turn of the loop
    app.turns()
    app.server.say(app.uid, "after quick changes")
    app.until_heard("after quick changes")
    assert app.reported == []
    assert app.sockets() == before


def test_minimising_twenty_times_loses_nothing(app: App):
    scenarios.minimised_twenty_times(app)


def test_visible_window_does_not_end_the_background_of_a_sleep(app: App):
    scenarios.shown_while_asleep(app)


def test_new_window_while_others_are_hidden_reconnects(app: App):
    app.do("minimise")
    app.until_gone()
    app.do("open_second")
    app.until_back()
    app.do("close_second")
    app.until_gone()
    app.do("restore")
    app.until_back()


def test_handlers_passed_to_the_window_constructor_are_called(app: App):
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


def test_app_in_the_tray_stays_connected(once: Start, environment: dict[str, str]):
    scenarios.hidden_in_the_tray(once("toga_program", environment, hidden="foreground"))


def test_manual_mode_keeps_the_socket_for_the_background_window(once: Start, environment: dict[str, str]):
    scenarios.background_window(once("toga_program", environment, auto=False, background_window=1.0))


def test_exiting_app_is_detached(once: Start, environment: dict[str, str]):
    app = once("toga_program", environment, close=False)
    app.do("quit")
    app.until(lambda: app.reported[-1:] == ["background"], "the watch sees that it exits")
    # The program may end first: Qt even aborts it if a thread of qasync's executor has not ended.
    wait_for(lambda: not app.sockets(), "the socket is gone at the server", 5)


def test_closed_watch_withdraws_its_reports_and_restores_handlers(once: Start, environment: dict[str, str]):
    app = once("toga_program", environment)
    app.do("minimise")
    app.until_gone()
    app.do("stop_watching")
    app.until_back()
    app.reported.clear()
    app.do("restore")
    app.do("withdraw")
    app.do("show")
    app.turns()
    assert app.reported == []
    assert all("startup" in name for name in app.do("handlers"))
