"""Callbacks in the app's own thread: in order, one at a time, bounded; with real Tk and Qt."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from sync_harness import SyncHarness, Window, send_texts, until
from tailwire import (
    CometChatException,
    MemorySessionStore,
    MessageListener,
    MessageReceived,
    TextMessage,
    UploadAttachment,
    UploadFile,
    UploadFileListener,
)
from tailwire.sync.app_callbacks import WindowGone


class Recorder(MessageListener):
    def __init__(self) -> None:
        self.received: list[tuple[str, int]] = []

    def on_text_message_received(self, message):
        self.received.append((message.text, threading.get_ident()))


def test_callbacks_run_in_the_apps_thread_in_order(harness: SyncHarness):
    window, recorder, bob_uid = Window(), Recorder(), harness.add_user()
    bob, alice = harness.enter(bob_uid, post=window.post), harness.enter()
    events: list[object] = []
    bob.add_message_listener("recorder", recorder)
    stop = bob.on_event(
        lambda e: events.append((e.message.text, threading.get_ident())) if isinstance(e, MessageReceived) else None
    )  # type: ignore[attr-defined]
    send_texts(alice, bob_uid, *(str(n) for n in range(10)))
    here = threading.get_ident()
    window.until(lambda: len(events) == 10)
    assert recorder.received == events == [(str(n), here) for n in range(10)]
    received: list[object] = []
    bob.start("get_user", bob_uid, done=lambda user: received.append((user.uid, threading.get_ident())))
    bob.start("get_user", "nobody", failed=lambda e: received.append((e.code, threading.get_ident())))
    window.until(lambda: len(received) == 2)
    assert sorted(received) == [("ERR_UID_NOT_FOUND", here), (bob_uid, here)]  # type: ignore[type-var]
    stop()


def test_slow_app_receives_one_call_at_a_time(harness: SyncHarness):
    window, recorder, bob_uid, store = Window(), Recorder(), harness.add_user(), MemorySessionStore()
    bob, alice = harness.enter(bob_uid, post=window.post, session_store=store), harness.enter()
    bob.add_message_listener("recorder", recorder)
    send_texts(alice, bob_uid, "one", "two", "three")
    assert bob.get_user(bob_uid).uid == bob_uid  # calls do not depend on the window
    until(lambda: not window.posted.empty())
    assert window.posted.qsize() == 1
    assert window.turn()  # "one"
    until(lambda: not window.posted.empty())
    bob.close()  # "two" is posted but not called: this thread is blocked, and nothing must wait for it
    while window.turn():
        pass
    assert [text for text, _ in recorder.received] == ["one"]
    again = harness.client(post=window.post, session_store=store)
    later = Recorder()
    again.add_message_listener("recorder", later)
    again.login(bob_uid, auth_key=harness.server.auth_key)
    window.until(lambda: len(later.received) == 2)
    assert [text for text, _ in later.received] == ["two", "three"]


def test_exceptions_of_the_app_are_logged(harness: SyncHarness, caplog: pytest.LogCaptureFixture):
    window, bob_uid = Window(), harness.add_user()
    received: list[str] = []

    class Clumsy(MessageListener):
        def on_text_message_received(self, message):
            received.append(message.text)
            raise ValueError("clumsy")

    bob, alice = harness.enter(bob_uid, post=window.post), harness.enter()
    bob.add_message_listener("recorder", Clumsy())
    send_texts(alice, bob_uid, "one", "two")
    window.until(lambda: len(received) == 2)
    assert caplog.text.count("ValueError: clumsy") == 2


def test_listener_is_not_called_after_it_was_removed_in_the_apps_thread(harness: SyncHarness):
    window, former, later, bob_uid = Window(), Recorder(), Recorder(), harness.add_user()
    bob, alice = harness.enter(bob_uid, post=window.post), harness.enter()
    bob.add_message_listener("recorder", former)
    send_texts(alice, bob_uid, "one")
    until(lambda: not window.posted.empty())
    bob.remove_message_listener("recorder")
    bob.add_message_listener("another", later)
    send_texts(alice, bob_uid, "two")
    window.until(lambda: later.received)
    assert ([text for text, _ in later.received], former.received) == (["two"], [])


@pytest.mark.parametrize("how", ["the same again", "another"])
def test_event_that_waits_for_the_apps_thread_goes_to_what_is_registered_under_the_id_then(
    harness: SyncHarness, how: str
):
    window, former, bob_uid = Window(), Recorder(), harness.add_user()
    later = former if how == "the same again" else Recorder()
    bob, alice = harness.enter(bob_uid, post=window.post), harness.enter()
    bob.add_message_listener("recorder", former)
    send_texts(alice, bob_uid, "one")
    until(lambda: not window.posted.empty())
    bob.add_message_listener("recorder", later)
    send_texts(alice, bob_uid, "two")
    window.until(lambda: len(later.received) == 2)
    assert [text for text, _ in later.received] == ["one", "two"]
    assert later is former or not former.received


def test_event_that_waits_is_dropped_if_the_listener_under_the_id_does_not_handle_it(harness: SyncHarness):
    class Deletions(MessageListener):
        def on_message_deleted(self, message):
            raise AssertionError

    window, former, later, bob_uid = Window(), Recorder(), Recorder(), harness.add_user()
    bob, alice = harness.enter(bob_uid, post=window.post), harness.enter()
    bob.add_message_listener("recorder", former)
    send_texts(alice, bob_uid, "one")
    until(lambda: not window.posted.empty())
    bob.add_message_listener("recorder", Deletions())
    bob.add_message_listener("later", later)
    send_texts(alice, bob_uid, "two")
    window.until(lambda: later.received)
    assert ([text for text, _ in later.received], former.received) == (["two"], [])


def test_async_listener_is_refused_with_post(harness: SyncHarness):
    class Recorder(MessageListener):
        async def on_text_message_received(self, message):
            raise AssertionError

    async def on_event(event: object) -> None:
        raise AssertionError

    bob = harness.enter(post=Window().post)
    for call in (lambda: bob.add_message_listener("recorder", Recorder()), lambda: bob.on_event(on_event)):
        with pytest.raises(CometChatException, match="async"):
            call()
    with pytest.raises(TypeError):
        bob.on_event("told")  # type: ignore[arg-type]


def test_blocking_upload_in_the_apps_thread_does_not_deadlock(harness: SyncHarness):
    window, on_event = Window(), list[tuple[str, object]]()

    class Hears(UploadFileListener):
        def on_file_progress(self, file_id, loaded, total, percent):
            on_event.append((file_id, loaded))

        def on_file_uploaded(self, file_id, attachment):
            on_event.append((file_id, "uploaded"))

        def on_complete(self, result):
            on_event.append(("all", len(result.successful)))

    bob = harness.enter(post=window.post)
    size = 3_000_000
    request = bob.create_upload_file_request(harness.add_user())
    request.upload_attachments([UploadAttachment("one", UploadFile(content=b"x" * size, name="one.bin"))], Hears())
    window.until(lambda: on_event and on_event[-1][0] == "all")
    assert on_event == [("one", size), ("one", "uploaded"), ("all", 1)]  # only the latest progress was kept


@pytest.mark.parametrize(("kind", "level"), [(RuntimeError, logging.ERROR), (WindowGone, logging.DEBUG)])
def test_failing_post_does_not_prevent_close(
    harness: SyncHarness, caplog: pytest.LogCaptureFixture, kind: type[RuntimeError], level: int
):
    caplog.set_level(logging.DEBUG, "tailwire")

    def gone(function: Callable[[], None]) -> None:
        raise kind("the window is gone")

    bob_uid, store = harness.add_user(), MemorySessionStore()
    bob, alice = harness.enter(bob_uid, post=gone, session_store=store), harness.enter()
    bob.add_message_listener("recorder", Recorder())
    send_texts(alice, bob_uid, "kept")
    until(lambda: "no more callbacks are posted" in caplog.text)
    bob.close()
    (logged,) = [record for record in caplog.records if "callbacks are posted" in record.getMessage()]
    assert (logged.levelno, logged.exc_info is None) == (level, level == logging.DEBUG)
    recorder = Recorder()
    again = harness.client(session_store=store)
    again.add_message_listener("recorder", recorder)
    again.login(bob_uid, auth_key=harness.server.auth_key)
    until(lambda: [text for text, _ in recorder.received] == ["kept"])


def test_callback_for_a_closed_window_logs_no_warning(harness: SyncHarness, caplog: pytest.LogCaptureFixture):
    posted: list[int] = []

    def gone(function: Callable[[], None]) -> None:
        posted.append(1)
        raise WindowGone("the window is gone")

    bob_uid = harness.add_user()
    bob = harness.enter(bob_uid, post=gone, on_event=print)
    until(lambda: posted)
    bob.close()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


TK = """
import sys, threading, tkinter
from tailwire import AppSettingsBuilder, MemorySessionStore, MessageListener, TextMessage
from tailwire.sync import Client, post_tk

app_id, url, key, uid, way = sys.argv[1:]
root = tkinter.Tk()
if way == "polled":  # as on Windows
    class Without:
        def __init__(self, tk): self._tk = tk
        def __getattr__(self, name):
            if name == "createfilehandler": raise AttributeError(name)
            return getattr(self._tk, name)
    root.tk = Without(root.tk)
chat = Client(app_id, AppSettingsBuilder().override_client_host(url).build(), post=post_tk(root),
              session_store=MemorySessionStore())
shown = tkinter.StringVar(root)
received = []

class Recorder(MessageListener):
    def on_text_message_received(self, message):
        assert threading.current_thread() is threading.main_thread()
        shown.set(message.text)
        received.append(message.text)
        if len(received) == 100:
            root.after(1, end)

def end():
    chat.close()
    root.destroy()

chat.add_message_listener("window", Recorder())
chat.start("login", uid, auth_key=key, done=lambda user: print("READY", user.uid, flush=True), failed=print)
root.mainloop()
assert received == [str(n) for n in range(100)], received
print("DONE", flush=True)
"""

QT = """
import sys
from PySide6.QtCore import QCoreApplication, QThread, QTimer
from tailwire import AppSettingsBuilder, MemorySessionStore, MessageListener
from tailwire.sync import Client, post_qt

app_id, url, key, uid, way = sys.argv[1:]
try:
    post_qt()
except RuntimeError as e:
    assert "create the QApplication" in str(e)
else:
    raise AssertionError("there is no app yet")
if way == "widgets":
    from PySide6.QtWidgets import QApplication, QLabel
    app = QApplication([]); label = QLabel("…"); label.show()
else:
    app = QCoreApplication([]); label = None
chat = Client(app_id, AppSettingsBuilder().override_client_host(url).build(), post=post_qt(),
              session_store=MemorySessionStore())
received = []

class Recorder(MessageListener):
    def on_text_message_received(self, message):
        assert QThread.currentThread() is app.thread()
        if label is not None:
            label.setText(message.text)
        received.append(message.text)
        if len(received) == 100:
            QTimer.singleShot(0, end)

def end():
    chat.close()
    app.quit()

chat.add_message_listener("window", Recorder())
chat.start("login", uid, auth_key=key, done=lambda user: print("READY", user.uid, flush=True), failed=print)
app.exec()
assert received == [str(n) for n in range(100)], received
print("DONE", flush=True)
"""


def run_window(harness: SyncHarness, code: str, way: str, environment: dict[str, str]) -> None:
    uid, alice = harness.add_user(), harness.enter()
    server = harness.server
    command = [sys.executable, "-W", "error", "-c", code, server.app_id, server.url, server.auth_key, uid, way]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
    ) as window:
        try:
            assert window.stdout is not None
            assert window.stdout.readline() == f"READY {uid}\n", window.communicate()
            for n in range(100):
                alice.start("send_message", TextMessage(receiver=uid, receiver_type="user", text=str(n)))
            printed, errors = window.communicate(timeout=60)
        finally:
            window.kill()
    assert (printed, errors, window.returncode) == ("DONE\n", "", 0)


@pytest.mark.gui
@pytest.mark.parametrize("way", ["watched", "polled"])
def test_callbacks_run_in_the_thread_of_a_tk_window(harness: SyncHarness, display: str, way: str):
    pytest.importorskip("tkinter")
    run_window(harness, TK, way, {"DISPLAY": display})


@pytest.mark.gui
@pytest.mark.parametrize("way", ["widgets", "core"])
def test_callbacks_run_in_the_thread_of_a_qt_app(harness: SyncHarness, way: str):
    pytest.importorskip("PySide6")
    run_window(harness, QT, way, {"QT_QPA_PLATFORM": "offscreen"})


@pytest.mark.gui
@pytest.mark.usefixtures("tk_collected_here")
def test_post_tk_raises_after_its_window_is_destroyed(display: str, monkeypatch: pytest.MonkeyPatch):
    tkinter = pytest.importorskip("tkinter")
    from tailwire.sync import post_tk

    monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(TypeError, match="Tk window"):
        post_tk("window")
    root = tkinter.Tk()
    root.withdraw()
    post, ran = post_tk(root), list[int]()
    for n in range(250):
        post(lambda n=n: ran.append(n))  # type: ignore[misc]
    post(lambda: 1 / 0)  # Tk reports it like any failing callback
    post(lambda: ran.append(-1))
    reported: list[type] = []
    root.report_callback_exception = lambda kind, *rest: reported.append(kind)
    until(lambda: root.update() or (ran and ran[-1] == -1))
    assert ran == [*range(250), -1]
    root.destroy()
    with pytest.raises(RuntimeError, match="window is gone"):
        post(lambda: None)


class WithoutFileHandlers:
    """The interpreter of Tk as on Windows, where it watches no files."""

    def __init__(self, tk: object) -> None:
        self._tk = tk

    def __getattr__(self, name: str) -> object:
        if name == "createfilehandler":
            raise AttributeError(name)
        return getattr(self._tk, name)


@pytest.mark.gui
@pytest.mark.usefixtures("tk_collected_here")
@pytest.mark.parametrize("way", ["watched", "polled"])
def test_post_tk_with_a_widget_lasts_as_long_as_its_window(display: str, monkeypatch: pytest.MonkeyPatch, way: str):
    tkinter = pytest.importorskip("tkinter")
    from tailwire.sync import post_tk

    monkeypatch.setenv("DISPLAY", display)
    root = tkinter.Tk()
    root.withdraw()
    widget, ran = tkinter.Frame(root), list[int]()
    if way == "polled":
        widget.tk = WithoutFileHandlers(widget.tk)
    post = post_tk(widget)
    widget.destroy()
    post(lambda: ran.append(1))
    until(lambda: root.update() or ran)
    root.destroy()
    with pytest.raises(WindowGone):
        post(lambda: None)
