"""The programs of docs/sync.md run unchanged with real toolkits, each in its own process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_harness import until
from tailwire import AppSettingsBuilder, MemorySessionStore, TextMessage
from tailwire.sync import Client
from tailwire.testing.embedded import EmbeddedServer
from tailwire.wire.catalogue import CATALOGUE

PAGE = (Path(__file__).parents[2] / "docs" / "sync.md").read_text(encoding="utf-8")
_PARTS = [part.partition("\n") for part in PAGE.split("\n## ")[1:]]
PROGRAMS = {
    name: block[1]
    for name, _, text in _PARTS
    if (block := re.search(r"```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
}
TK = """
answers = ["hello, bob"]

def look():
    if lines.size() == 1 and answers:
        entry.insert(0, answers.pop())
        entry.event_generate("<Return>")
    elif lines.size() > 1:
        return print(*lines.get(0, "end"), sep="|") or root.destroy()
    root.after(20, look)
root.update()
entry.focus_force()
look()
root.mainloop()
"""
QT = """
from PySide6.QtCore import QTimer
def look():
    if lines.count():
        print(lines.item(0).text())
        app.quit()
timer = QTimer()
timer.timeout.connect(look)
timer.start(20)
app.exec()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(tmp_path_factory.mktemp("server"))
    server.start()
    for uid in ("alice", "bob"):
        server.add_user(uid)
    yield server
    server.close()


def command(
    server: EmbeddedServer, folder: Path, name: str, way: tuple[str, str] = ("", ""), **more: str
) -> subprocess.Popen[str]:
    code = PROGRAMS[name].replace("http://127.0.0.1:8480", server.url)
    assert way[0] in code
    code = code.replace(way[0], way[1]) if way[0] else code
    keys = {
        "APP_ID": server.app_id,
        "AUTH_KEY": server.auth_key,
        "API_KEY": server.api_key,
        "XDG_DATA_HOME": str(folder),
    }
    (folder / "program.py").write_text(code)
    return subprocess.Popen(
        [sys.executable, str(folder / "program.py")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **keys, **more},
    )  # fmt: skip


def wait_ended(program: subprocess.Popen[str]) -> str:
    with program:
        try:
            printed, errors = program.communicate(timeout=60)
        finally:
            program.kill()
    assert (program.returncode, errors) == (0, ""), errors
    return printed


def output_of(server: EmbeddedServer, program: subprocess.Popen[str]) -> str:
    """Send messages to alice until their program has received one, and return its output."""
    settings = AppSettingsBuilder().override_client_host(server.url).build()
    with Client(server.app_id, settings, session_store=MemorySessionStore()) as bob:
        bob.login("bob", auth_key=server.auth_key)
        until(lambda: program.poll() is not None or bob.get_user("alice").status == "online")
        bob.send_message(TextMessage(receiver="alice", receiver_type="user", text="hello"))
        return wait_ended(program)


def test_page_has_programs_for_scripts_live_lists_servers_backends_tk_and_qt():
    assert list(PROGRAMS) == ["Scripts", "Live lists", "Flask, Django and other servers", "Backends", "Tk", "Qt"]


def test_documented_script_runs(server: EmbeddedServer, tmp_path: Path):
    number, explained = wait_ended(command(server, tmp_path, "Scripts")).splitlines()
    assert int(number) > 0
    assert explained.startswith("connect")


def test_documented_live_list_program_runs(server: EmbeddedServer, tmp_path: Path):
    assert wait_ended(command(server, tmp_path, "Live lists")) == "reset ['How are you?']\n"


def test_documented_backend_runs(server: EmbeddedServer, tmp_path: Path):
    assert wait_ended(command(server, tmp_path, "Backends")) == "alice at work\nTrue\n"


def test_documented_flask_app_sends_messages(server: EmbeddedServer, tmp_path: Path):
    pytest.importorskip("flask")
    more = PROGRAMS["Flask, Django and other servers"].rstrip().splitlines()[-1]
    asks = f"""{more}


asked = app.test_client()
print(asked.post("/remind/bob").json["id"] > 0, asked.post("/remind/nobody").json, asked.post("/remind/nobody").status_code)
"""
    printed = wait_ended(command(server, tmp_path, "Flask, Django and other servers", (more, asks)))
    assert printed == "True {'error': 'ERR_UID_NOT_FOUND'} 502\n"


@pytest.mark.gui
def test_documented_tk_app_shows_messages(server: EmbeddedServer, tmp_path: Path):
    pytest.importorskip("tkinter")
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.skip("Xvfb is not installed")
    with subprocess.Popen(
        [xvfb, "-displayfd", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as screen:
        try:
            assert screen.stdout is not None
            display = f":{screen.stdout.readline().strip()}"
            program = command(server, tmp_path, "Tk", ("root.mainloop()\n", TK), DISPLAY=display)
            assert output_of(server, program) == "Bob: hello|hello, bob\n"
        finally:
            screen.terminate()


@pytest.mark.gui
def test_documented_qt_app_shows_messages(server: EmbeddedServer, tmp_path: Path):
    pytest.importorskip("PySide6")
    program = command(server, tmp_path, "Qt", ("app.exec()\n", QT), QT_QPA_PLATFORM="offscreen")
    assert output_of(server, program) == "Bob: hello\n"


def test_documented_codes_exist():
    codes = set(re.findall(r"`(ERR_\w+)`", PAGE))
    assert codes
    assert codes <= set(CATALOGUE)
