"""A Tk app under a window manager: its server knows whether it is visible."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters import scenarios
from adapters.conftest import Start, need
from adapters.matrix import play, rows
from adapters.screen import Screen

pytestmark = pytest.mark.gui
HERE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    need("tkinter", "_tkinter")


@pytest.fixture(scope="module")
def app(start: Start, screen: Screen):
    return start("tk_program", screen.environment)


@pytest.mark.parametrize("happens", rows("tk"))
def test_each_window_event_is_reported_as_in_the_matrix(app, happens: str):
    play("tk", happens, app)


def test_message_arrives_once_after_the_window_manager_had_minimised_the_window(app, screen: Screen):
    scenarios.minimised_by_its_user(app, screen, "tk main")


def test_rapid_changes_lose_nothing_and_end_connected(app):
    scenarios.rapid_changes(app)


def test_app_reconnects_only_when_its_window_is_visible_and_the_machine_is_awake(app):
    scenarios.sleep_while_hidden(app)
    scenarios.wake_up_while_hidden(app)


def test_native_tcl_dialog_counts_as_a_window(app):
    app.do("withdraw")
    app.until_gone()
    app.do("dialog_alone")
    app.until_back()
    app.do("close_dialog")
    app.until_gone()
    app.do("show")
    app.until_back()


def test_app_in_the_tray_stays_connected(once: Start, screen: Screen):
    scenarios.tray(once("tk_program", screen.environment, hidden="foreground"))


def test_manual_mode_keeps_the_socket_for_the_background_window(once: Start, screen: Screen):
    app = once("tk_program", screen.environment, auto=False, background_window=0.5)
    scenarios.manual_mode(app, 0.5)


def test_destroyed_root_window_is_detached(once: Start, screen: Screen):
    app = once("tk_program", screen.environment)
    scenarios.detached(app)
    assert app.printed == ""


def test_closed_watch_withdraws_its_reports(once: Start, screen: Screen):
    app = once("tk_program", screen.environment)
    mine, _, tailwires = app.do("bindings")
    assert tailwires != ""
    scenarios.closed_watch(app)
    left = app.do("bindings")
    assert left[0] != ""
    assert left[0] in mine, "the app's own binding is kept"
    assert left[1:] == ["", ""]
    assert app.printed == ""


def test_app_that_starts_hidden_is_in_the_background_until_it_has_a_window(once: Start, screen: Screen):
    scenarios.hidden_at_first(once("tk_program", screen.environment, withdrawn=True))


def test_tk_watch_passes_its_cases_without_a_server(screen: Screen):
    """Run the cases of two watches, many widgets, misuse and the end; the program makes the assertions."""
    done = subprocess.run(
        [sys.executable, str(HERE / "tk_cases.py")],
        env={**screen.environment, "PYTHONPATH": os.pathsep.join((str(HERE.parents[1] / "src"), str(HERE.parent)))},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "all cases passed", done.stderr
    assert done.stderr == ""


def test_screenshot_shows_the_frame_of_the_app(app, screen: Screen, tmp_path: Path):
    from PIL import Image

    screen.window("tk main")
    screen.screenshot(tmp_path / "display.png")
    with Image.open(tmp_path / "display.png") as picture:
        assert picture.size == (1024, 768)
        colours = picture.convert("RGB").getcolors(1 << 24)
        assert (0, 128, 0) in [colour for _, colour in colours], "the green frame of the app is not to be seen"
