"""A Qt app: its server knows whether it is visible. Most tests run offscreen, some under a window manager."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters import scenarios
from adapters.conftest import Start, need, needs_a_namespace
from adapters.matrix import play, rows
from adapters.screen import Screen

pytestmark = pytest.mark.gui
HERE = Path(__file__).parent
OFFSCREEN = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    need("PySide6")


@pytest.fixture(scope="module")
def app(start: Start):
    return start("qt_program", OFFSCREEN)


@pytest.fixture(scope="module")
def app_on_x(start: Start, screen: Screen):
    return start("qt_program", {**screen.environment, "QT_QPA_PLATFORM": "xcb"})


@pytest.mark.parametrize("happens", rows("qt-offscreen"))
def test_each_window_event_is_reported_as_in_the_matrix(app, happens: str):
    play("qt-offscreen", happens, app)


@pytest.mark.parametrize("happens", rows("qt-xcb"))
def test_each_window_event_under_a_window_manager_is_reported_as_in_the_matrix(app_on_x, happens: str):
    play("qt-xcb", happens, app_on_x)


def test_message_arrives_once_after_the_window_manager_had_minimised_the_window(app_on_x, screen: Screen):
    scenarios.minimised_by_its_user(app_on_x, screen, "qt main")


def test_rapid_changes_lose_nothing_and_end_connected(app):
    scenarios.rapid_changes(app)


def test_rapid_changes_under_a_window_manager_lose_nothing_and_end_connected(app_on_x):
    scenarios.rapid_changes(app_on_x)


def test_app_reconnects_only_when_its_window_is_visible_and_the_machine_is_awake(app):
    scenarios.sleep_while_hidden(app)
    scenarios.wake_up_while_hidden(app)


def test_new_window_without_focus_while_others_are_hidden_reconnects(app_on_x):
    app = app_on_x
    app.turns()
    app.events.clear()
    app.do("minimise")
    app.until_gone()
    app.until(lambda: "focus" in app.events, "the minimised window has lost the focus")
    app.turns()
    app.events.clear()
    app.do("new_window_without_focus")
    app.until_back()
    app.turns()
    assert app.events == [], "the new window has the focus, so this test shows too little"
    app.do("close_new_window")
    app.until_gone()
    app.do("restore")
    app.until_back()


def test_reparented_window_is_not_reported_as_hidden(app):
    before = app.sockets()
    app.reported.clear()
    app.do("reparent")
    app.turns()
    assert app.reported == []
    assert app.sockets() == before


def test_app_in_the_tray_stays_connected(once: Start):
    scenarios.tray(once("qt_program", OFFSCREEN, hidden="foreground"))


def test_manual_mode_keeps_the_socket_for_the_background_window(once: Start):
    scenarios.manual_mode(once("qt_program", OFFSCREEN, auto=False, background_window=0.5), 0.5)


def test_quit_app_is_detached(once: Start):
    app = once("qt_program", OFFSCREEN)
    scenarios.detached(app)
    assert "Traceback" not in app.printed


def test_closed_watch_withdraws_its_reports(once: Start):
    app = once("qt_program", OFFSCREEN)
    scenarios.closed_watch(app)
    assert "Traceback" not in app.printed


def test_app_that_starts_hidden_is_in_the_background_until_it_has_a_window(once: Start):
    scenarios.hidden_at_first(once("qt_program", OFFSCREEN, withdrawn=True))


def cases(*program: str) -> None:
    done = subprocess.run(
        program,
        env={**OFFSCREEN, "PYTHONPATH": os.pathsep.join((str(HERE.parents[1] / "src"), str(HERE.parent)))},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "all cases passed", done.stderr
    assert "Traceback" not in done.stderr


def test_qt_watch_passes_its_cases_without_a_server():
    """Run the cases of QtGui's windows, phones and misuse; the program makes the assertions."""
    cases(sys.executable, str(HERE / "qt_cases.py"))


@needs_a_namespace()
def test_network_is_reported_by_qt_where_netlink_is_not_for_apps():
    """Qt reports the network where apps cannot use netlink; the program makes the assertions."""
    cases("unshare", "-rn", sys.executable, str(HERE / "qt_network_cases.py"))


def test_async_client_in_qts_thread_with_qasync_follows_the_window(once: Start):
    need("qasync")
    app = once("qasync_program", OFFSCREEN)
    for happens in ("minimise", "withdraw"):
        play("qt-offscreen", happens, app)
    app.close()  # ignore its exit code: the interpreter may crash after the client has closed
    assert app.events[-1] == "closed"
