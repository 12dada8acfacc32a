"""The blocking client when its process forks, is interrupted or ends; with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sync_harness import SyncHarness

HEAD = """
import os, signal, sys, threading, time
from tailwire import *
from tailwire.sync import Client

app_id, url, key, uid, folder = sys.argv[1:]
settings = AppSettingsBuilder().override_client_host(url).build()
def make(**more):
    return Client(app_id, settings, session_store=FileSessionStore(folder), **more)
def enter(**more):
    chat = make(**more)
    chat.login(uid, auth_key=key)
    chat.wait_connected()
    return chat
"""


def run(harness: SyncHarness, folder: Path, code: str, *, uid: str = "", seconds: float = 30) -> str:
    """Run a program to its end, and return its output. It must exit in time, without errors or warnings."""
    server = harness.server
    arguments = [server.app_id, server.url, server.auth_key, uid or harness.add_user(), str(folder)]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", HEAD + code, *arguments],
        capture_output=True, text=True, timeout=seconds, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@pytest.mark.parametrize("how", ["", "sys.exit(0)", "threading.Thread(target=lambda: time.sleep(0.2)).start()"])
def test_unclosed_client_is_closed_at_exit(harness: SyncHarness, tmp_path: Path, how: str):
    uid = harness.add_user()
    code = f"chat = enter(); keep = chat.on_event(lambda e: None); events = chat.events()\nprint('in', flush=True)\n{how}\n"
    assert run(harness, tmp_path, code, uid=uid) == "in\n"
    again = "chat = make(); print(chat.get_logged_in_user().uid); chat.wait_connected(); chat.close(); chat.close()"
    assert run(harness, tmp_path, again) == f"{uid}\n"  # the session is unlocked and complete


@pytest.mark.slow
def test_blocked_callbacks_do_not_prevent_exit(harness: SyncHarness, tmp_path: Path):
    code = """
never = threading.Event()
class Recorder(ConnectionListener):
    def on_connected(self):
        print("in", flush=True)
        reached.set()
        never.wait()
reached = threading.Event()
chat = make(auth_token_provider=never.wait)
chat.add_connection_listener("recorder", Recorder())
chat.login(uid, auth_key=key)
reached.wait(20)
"""
    assert run(harness, tmp_path, code) == "in\n"


FORK = """
chat = enter()
read, write = os.pipe()
if os.fork() == 0:
    said = []
    for call in (lambda: chat.get_user(uid), lambda: chat.set_app_state("background"), lambda: chat.start("get_user", uid),
                 lambda: chat.events(), lambda: chat.get_logged_in_user(), lambda: chat.connection.status):
        try:
            call()
        except RuntimeError as e:
            said.append("after the fork" in str(e))
    os.write(write, repr(said).encode())
    chat.close()  # has no effect in this process
    HOW
_, status = os.waitpid(-1, 0)
print(os.read(read, 1000).decode(), status, chat.connection.status, chat.get_user(uid).uid == uid)
with Client(app_id, settings, session_store=MemorySessionStore()) as other:
    print(other.login(uid, auth_key=key).uid == uid)
chat.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork() on this system")
@pytest.mark.parametrize("how", ["sys.exit(0)", "del chat; sys.exit(0)", "os._exit(0)"])
def test_client_is_refused_in_a_forked_child(harness: SyncHarness, tmp_path: Path, how: str):
    code = FORK.replace("HOW", how)
    if sys.version_info >= (3, 12):
        code = "import warnings; warnings.simplefilter('ignore', DeprecationWarning)\n" + code
    assert run(harness, tmp_path, code) == f"{[True] * 6} 0 connected True\nTrue\n"


# A suite that runs in the background of a shell passes on to its children that Ctrl+C is ignored.
INTERRUPTED = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
chat = enter()
chat.disconnect()
for wait in (lambda: chat.wait_connected(), lambda: next(chat.events())):
    try:
        print("waits", flush=True)
        wait()
    except KeyboardInterrupt:
        print("interrupted", chat.get_user(uid).uid == uid, len(chat._client_thread._begun), flush=True)
chat.close()
print([t.name for t in threading.enumerate() if "tailwire" in t.name])
"""


def test_ctrl_c_cancels_the_pending_call_only(harness: SyncHarness, tmp_path: Path):
    server = harness.server
    arguments = [server.app_id, server.url, server.auth_key, harness.add_user(), str(tmp_path)]
    command = [sys.executable, "-W", "error", "-c", HEAD + INTERRUPTED, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            lines = []
            for _ in range(2):
                assert process.stdout.readline() == "waits\n"
                process.send_signal(signal.SIGINT)
                lines.append(process.stdout.readline())
            printed, errors = process.stdout.read(), process.stderr.read()
            process.wait(30)
        finally:
            process.kill()
    assert (errors, process.returncode) == ("", 0)
    assert (lines[0], printed) == ("interrupted True 0\n", "[]\n")
    assert lines[1].startswith("interrupted True")
