"""The apps that the documentation prints run as they are printed: minimised, they leave their server."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.app import House
from adapters.conftest import need
from adapters.screen import Screen, wait_for
from tailwire import AppSettingsBuilder, ChatClient, FileSessionStore

pytestmark = pytest.mark.gui
ROOT = Path(__file__).parents[2]


def printed(word: str) -> str:
    """The first block of the pages on apps that has a word."""
    pages = sorted((ROOT / "docs").glob("apps*.md"))
    blocks = [b for page in pages for b in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)]
    return next(block for block in blocks if word in block)


async def log_in(house: House, user, folder: Path) -> None:
    """Leave a saved session of a user where an app with this data folder finds it."""
    settings = AppSettingsBuilder().override_client_host(house.server.url).build()
    async with ChatClient(house.server.app_id, settings, session_store=FileSessionStore(folder)) as chat:
        await chat.login_with_auth_token(user.token)


@contextmanager
def running(program: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    with (program.parent / "printed").open("wb") as output:
        process = subprocess.Popen([sys.executable, str(program)], env=environment, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


@pytest.mark.parametrize(
    ("toolkit", "modules"),
    [("kivy", ["kivy"]), ("toga", ["toga", "toga_qt"])],
)
def test_an_app_as_it_is_printed(house: House, screen: Screen, tmp_path: Path, toolkit: str, modules: list[str]):
    need(*modules)
    user = house.new_user()
    asyncio.run(log_in(house, user, tmp_path / "data" / "tailwire"))
    text = printed(f"watch_{toolkit}(")
    assert "https://chat.example.org" in text
    assert '"app-id"' in text
    program = tmp_path / "app.py"
    program.write_text(
        text.replace("https://chat.example.org", house.server.url).replace('"app-id"', repr(house.server.app_id))
    )
    environment = {
        **screen.environment, "PYTHONPATH": str(ROOT / "src"), "XDG_DATA_HOME": str(tmp_path / "data"),
        "KIVY_NO_ARGS": "1", "KIVY_NO_FILELOG": "1", "KIVY_HOME": str(tmp_path), "LIBGL_ALWAYS_SOFTWARE": "1",
        "TOGA_BACKEND": "toga_qt", "QT_QPA_PLATFORM": "xcb", "LC_ALL": "C.UTF-8",
    }  # fmt: skip

    def until(count: int, what: str) -> None:
        def holds() -> bool:
            assert process.poll() is None, (tmp_path / "printed").read_text()
            return len(house.sockets(user.uid)) == count

        wait_for(holds, what, 20)

    with running(program, environment) as process:
        until(1, "the app is connected")
        window = screen.xdotool("search", "--onlyvisible", "--pid", str(process.pid)).split()[-1]
        screen.xdotool("windowminimize", window)
        until(0, "the socket is gone")
        screen.xdotool("windowactivate", window)
        until(1, "the socket is back")
