"""The programs of docs/apps.md, run as they are printed: only the server's address is another."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.app import House
from adapters.conftest import need
from adapters.screen import Screen, wait_for

pytestmark = pytest.mark.gui
ROOT = Path(__file__).parents[2]
PROGRAMS = {
    title: code
    for code in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "apps.md").read_text(), re.DOTALL)
    for title in re.findall(r'"(Chat with \w+)"', code)
}
NEEDED = {"Chat with Tk": ("tkinter", "_tkinter"), "Chat with Qt": ("PySide6",)}


@pytest.mark.parametrize("title", NEEDED)
def test_a_program_of_the_page(screen: Screen, house: House, tmp_path: Path, title: str):
    need(*NEEDED[title])
    user = house.new_user()
    code = PROGRAMS[title]
    assert "http://127.0.0.1:8480" in code
    assert '"alice"' in code
    file = tmp_path / "app.py"
    file.write_text(code.replace("http://127.0.0.1:8480", house.server.url).replace('"alice"', f'"{user.uid}"'))
    environment = {
        **screen.environment,
        "QT_QPA_PLATFORM": "xcb",
        "PYTHONPATH": str(ROOT / "src"),
        "XDG_DATA_HOME": str(tmp_path),
        "APP_ID": house.server.app_id,
        "AUTH_KEY": house.server.auth_key,
    }
    with subprocess.Popen([sys.executable, str(file)], env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: len(house.sockets(user.uid)) == 1, "it is connected", 30)
            screen.minimise(title)
            wait_for(lambda: house.sockets(user.uid) == [], "minimised: the socket is gone")
            screen.activate(title)
            wait_for(lambda: len(house.sockets(user.uid)) == 1, "back: the socket is back")
            screen.close_window(title)
            _, printed = process.communicate(timeout=20)
        finally:
            process.kill()
    assert house.sockets(user.uid) == []
    assert process.returncode == 0, printed
    assert "Traceback" not in printed
    assert "is gone" not in printed, "what comes behind the end of the window is no trouble"
