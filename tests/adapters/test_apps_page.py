"""The programs of docs/apps.md and docs/connection.md, run as they are, except for the server's address and the user."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.app import AppServer
from adapters.conftest import need
from adapters.screen import Screen, wait_for
from adapters.shell import Shell, needs_a_terminal
from harness import LiveStage

pytestmark = pytest.mark.gui
ROOT = Path(__file__).parents[2]
BLOCKS = [
    block
    for page in ("docs/connection.md", "docs/apps.md")
    for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
]
MARKS = {"found": ("    tailwire.watch(chat)  #",)}
"""What only the program of a toolkit contains; else it imports the toolkit's function."""
NEEDED = {"tk": ("tkinter", "_tkinter"), "qt": ("PySide6",), "kivy": ("kivy",), "toga": ("toga", "toga_qt")}
TITLES = {"tk": "Chat with Tk", "qt": "Chat with Qt", "kivy": "Chat with Kivy", "toga": "Chat with Toga"}


def program(toolkit: str, folder: Path, url: str, uid: str = "alice") -> Path:
    """Write the program for a toolkit into a folder."""
    marks = MARKS.get(toolkit, (f"import watch_{toolkit}", f", watch_{toolkit}\n"))
    code = next(block for block in BLOCKS if any(mark in block for mark in marks))
    assert "http://127.0.0.1:8480" in code
    assert 'login("alice", auth_key=os.environ["AUTH_KEY"])' in code
    file = folder / "app.py"
    file.write_text(code.replace("http://127.0.0.1:8480", url).replace('"alice"', f'"{uid}"'), encoding="utf-8")
    return file


def environment_of(screen: Screen, server: AppServer, folder: Path) -> dict[str, str]:
    """Return the environment of a program with windows."""
    return {
        **screen.environment, "PYTHONPATH": str(ROOT / "src"), "XDG_DATA_HOME": str(folder / "data"),
        "APP_ID": server.embedded.app_id, "AUTH_KEY": server.embedded.auth_key, "LC_ALL": "C.UTF-8",
        "QT_QPA_PLATFORM": "xcb", "TOGA_BACKEND": "toga_qt", "LIBGL_ALWAYS_SOFTWARE": "1",
        "KIVY_NO_ARGS": "1", "KIVY_NO_FILELOG": "1", "KIVY_NO_CONSOLELOG": "1", "KIVY_HOME": str(folder),
    }  # fmt: skip


@pytest.mark.parametrize("toolkit", NEEDED)
def test_documented_program_with_windows_follows_its_window(
    screen: Screen, server: AppServer, tmp_path: Path, toolkit: str
):
    need(*NEEDED[toolkit])
    user, title = server.new_user(), TITLES[toolkit]
    file = program(toolkit, tmp_path, server.embedded.url, user.uid)
    with subprocess.Popen(
        [sys.executable, str(file)], env=environment_of(screen, server, tmp_path), stderr=subprocess.PIPE, text=True
    ) as process:

        def until(count: int, what: str) -> None:
            wait_for(lambda: process.poll() is not None or len(server.sockets(user.uid)) == count, what, 30)
            assert process.poll() is None, process.stderr and process.stderr.read()

        try:
            until(1, "it is connected")
            screen.minimise(title)
            until(0, "minimised: the socket is gone")
            server.say(user.uid, "meanwhile")
            screen.activate(title)
            until(1, "back: the socket is back")
            screen.close_window(title)
            _, printed = process.communicate(timeout=30)
        finally:
            process.kill()
    assert server.sockets(user.uid) == []
    assert "Traceback" not in printed, printed
    assert "is gone" not in printed, "callbacks after the end of the window are not an error"
    if toolkit != "toga":  # with qasync, which it uses here, the interpreter may crash at exit
        assert process.returncode == 0, printed


@pytest.mark.slow
@needs_a_terminal("textual")
@pytest.mark.parametrize("toolkit", ["textual", "terminal", "found"])
async def test_documented_program_in_a_terminal_follows_ctrl_z(live: LiveStage, tmp_path: Path, toolkit: str):
    bob, server = await live.enter("bob", presence=True), live.server
    file = program(toolkit, tmp_path, server.url)
    shell = Shell({
        "PYTHONPATH": str(ROOT / "src"), "XDG_DATA_HOME": str(tmp_path), "APP_ID": server.app_id,
        "AUTH_KEY": server.auth_key, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent",
    })  # fmt: skip
    try:
        await shell.until_asked()
        shell.type(f"{sys.executable} {file}\n")
        await bob.ears.until(lambda: bob.ears.all("online").count("alice") == 1)
        await bob.say("alice", "before")
        await shell.until_shown("before")
        shell.type("\x1a")
        await shell.until_shown("Stopped")
        await bob.ears.until(lambda: bob.ears.all("offline").count("alice") == 1)
        await bob.say("alice", "while stopped")
        shell.type("clear; fg\n")
        await shell.until_shown("while stopped")
        await bob.ears.until(lambda: bob.ears.all("online").count("alice") == 2)
        shell.type("q" if toolkit == "textual" else "\x03")
        await shell.until_asked()
        assert "Traceback" not in shell.text
    finally:
        shell.close()
