"""A Kivy app under a window manager: its server knows whether it is visible."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters import scenarios
from adapters.app import App
from adapters.conftest import Start, need
from adapters.matrix import play, rows
from adapters.screen import Screen

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module")
def environment(screen: Screen, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    need("kivy")
    home = str(tmp_path_factory.mktemp("kivy"))
    quiet = {"KIVY_NO_ARGS": "1", "KIVY_NO_CONSOLELOG": "1", "KIVY_NO_FILELOG": "1", "KIVY_HOME": home}
    return {**screen.environment, **quiet, "LIBGL_ALWAYS_SOFTWARE": "1", "LC_ALL": "C.UTF-8"}


@pytest.fixture(scope="module")
def app(start: Start, environment: dict[str, str]) -> App:
    return start("kivy_program", environment)


@pytest.mark.parametrize("happens", rows("kivy"))
def test_each_window_event_is_reported_as_in_the_matrix(app: App, happens: str):
    play("kivy", happens, app)


def test_message_arrives_once_after_the_window_manager_had_minimised_the_window(app: App, screen: Screen):
    window = screen.xdotool("search", "--pid", str(app._process.pid)).split()[-1]
    scenarios.message_while_minimised(
        app, lambda: screen.xdotool("windowminimize", window), lambda: screen.xdotool("windowactivate", window)
    )


def test_twenty_hides_and_shows_in_one_turn_of_the_loop_are_reported_at_most_twice(app: App):
    before = app.sockets()
    app.reported.clear()
    app.do("flap")  # twenty times in one turn of the loop
    app.until(lambda: app.events.count("show") >= 20, "Kivy has sent all events")
    app.turns()
    app.server.say(app.uid, "after quick changes")
    app.until_heard("after quick changes")
    assert len(app.reported) <= 4, "hide and show in pairs are one look, a frame later"
    app.until_back()
    if not app.reported:
        assert app.sockets() == before


def test_minimising_twenty_times_loses_nothing(app: App):
    scenarios.minimised_twenty_times(app)


def test_window_that_is_restored_to_maximised_is_visible(app: App):
    app.do("maximise")
    app.do("minimise")
    app.until_gone()
    app.do("restore")
    app.until_back()


def test_visible_window_does_not_end_the_background_of_a_sleep(app: App):
    scenarios.shown_while_asleep(app)


def test_paused_app_disconnects_and_reconnects_when_it_is_resumed(app: App):
    app.do("pause")
    app.until_gone()
    assert app.do("seen") == "paused"
    app.do("resume")
    app.until_back()


def test_app_in_the_tray_disconnects_only_while_paused(once: Start, environment: dict[str, str]):
    app = once("kivy_program", environment, hidden="foreground")
    scenarios.hidden_in_the_tray(app)
    app.do("pause")
    app.until_gone()
    app.do("resume")
    app.until_back()


def test_manual_mode_keeps_the_socket_for_the_background_window(once: Start, environment: dict[str, str]):
    scenarios.background_window(once("kivy_program", environment, auto=False, background_window=1.0))


def test_blocking_client_follows_the_window_in_kivys_main_loop(once: Start, environment: dict[str, str]):
    app = once("kivy_program", environment, blocking=True)
    for happens in ("minimise", "dialog", "pause"):
        play("kivy", happens, app)


@pytest.mark.parametrize("blocking", [False, True])
def test_app_paused_on_a_phone_disconnects_though_the_event_loop_of_kivy_is_blocked(
    once: Start, environment: dict[str, str], tmp_path: Path, blocking: bool
):
    pipe = tmp_path / "resume"
    os.mkfifo(pipe)
    app = once("kivy_program", environment, resume=str(pipe), blocking=blocking)
    app.do("pause_as_on_a_phone")
    app.until_gone()  # the socket is closed although Kivy's event loop stands still from now on
    app.server.say(app.uid, "to a paused app")
    pipe.write_bytes(b".")
    app.until_back()
    app.until_heard("to a paused app")
    assert app.reported[-2:] == ["background", "foreground"]


def test_destroyed_window_is_detached(once: Start, environment: dict[str, str]):
    app = once("kivy_program", environment)
    app.do("destroy")
    app.until(lambda: "ended: detached" in app.events, "the watch sees it, and the app ends for want of a window")
    assert app.reported[-1] == "background"


def test_stopped_app_is_detached(once: Start, environment: dict[str, str]):
    app = once("kivy_program", environment)
    app.do("quit")
    app.until(lambda: "ended: detached" in app.events, "the app has stopped")


def test_closed_watch_withdraws_its_reports(once: Start, environment: dict[str, str]):
    app = once("kivy_program", environment)
    app.do("minimise")
    app.until_gone()
    app.do("stop_watching")
    app.until_back()
    app.reported.clear()
    app.do("restore")
    app.do("pause")
    app.turns()
    assert app.reported == []
