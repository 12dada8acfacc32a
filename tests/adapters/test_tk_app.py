"""A Tk app under a window manager: its server knows whether it is on the screen."""

from __future__ import annotations

import pytest

from adapters.conftest import Start, need
from adapters.matrix import play, rows
from adapters.screen import Screen

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module", autouse=True)
def _installed() -> None:
    need("tkinter")


@pytest.fixture(scope="module")
def app(start: Start, screen: Screen):
    return start("tk_program", screen.environment)


@pytest.mark.parametrize("happens", rows("tk"))
def test_what_happens_to_its_windows(app, happens: str):
    play("tk", happens, app)
