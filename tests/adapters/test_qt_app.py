"""A Qt app: its server knows whether it is on the screen. Most without a display, some under a window manager."""

from __future__ import annotations

import os

import pytest

from adapters.conftest import Start, need
from adapters.matrix import play, rows
from adapters.screen import Screen

pytestmark = pytest.mark.gui
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
def test_what_happens_to_its_windows(app, happens: str):
    play("qt-offscreen", happens, app)


@pytest.mark.parametrize("happens", rows("qt-xcb"))
def test_what_happens_to_its_windows_under_a_window_manager(app_on_x, happens: str):
    play("qt-xcb", happens, app_on_x)
