"""Ctrl+Z and `fg`, with existing signal handlers. Real processes that stop: tests/adapters, tests/e2e."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import types
from contextvars import ContextVar

import pytest

from recording_clients import RecordingLoopClient, RecordingThreadClient
from tailwire.adapters import terminal
from tailwire.adapters.terminal import watch_terminal
from tailwire.sdk.exceptions import failure

BACK, FRONT = ("background", "terminal"), ("foreground", "terminal")


@pytest.fixture(autouse=True)
def _the_handlers_as_they_were():
    before = {number: signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT)}
    yield
    now = {number: signal.getsignal(number) for number in before}
    for number, handler in before.items():
        signal.signal(number, handler)
    assert now == before


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


async def test_process_stops_after_the_socket_is_closed():
    chat, stopped = RecordingLoopClient(closes=False), asyncio.Event()
    with watch_terminal(chat, stop=stopped.set) as watch:
        assert watch.knows == await watch.settled() == {"paused"}
        send(signal.SIGTSTP)
        await chat.until(BACK)
        assert (watch.seen, stopped.is_set()) == ("paused", False)
        chat.closed_event.set()
        await stopped.wait()
        send(signal.SIGCONT)
        await chat.until(BACK, FRONT)
        assert watch.seen == "resumed"


async def test_unclosed_socket_does_not_prevent_the_stop(monkeypatch):
    monkeypatch.setattr(terminal, "CLOSE_TIMEOUT_SECONDS", 0.01)
    chat, stopped = RecordingLoopClient(closes=False), asyncio.Event()
    with watch_terminal(chat, stop=stopped.set):
        send(signal.SIGTSTP)
        await asyncio.wait_for(stopped.wait(), 10)


async def test_closed_client_does_not_prevent_the_stop():
    chat, stopped = RecordingLoopClient(), asyncio.Event()

    async def wait_disconnected():
        raise failure("ERR_CLIENT_CLOSED")

    chat.wait_disconnected = wait_disconnected
    with watch_terminal(chat, stop=stopped.set):
        chat.error = failure("ERR_CLIENT_CLOSED")
        send(signal.SIGTSTP)
        await asyncio.wait_for(stopped.wait(), 10)


async def test_existing_handlers_are_called_and_restored():
    chat, called = RecordingLoopClient(closes=False), []
    own = asyncio.Event()

    def stop(number, frame):
        called.append((number, list(chat.reported)))
        own.set()

    def go_on(number, frame):
        called.append((number, None))

    signal.signal(signal.SIGTSTP, stop)
    signal.signal(signal.SIGCONT, go_on)
    try:
        with watch_terminal(chat):
            send(signal.SIGTSTP)
            await chat.until(BACK)
            assert called == []
            chat.closed_event.set()
            await own.wait()
            send(signal.SIGCONT)
            await chat.until(BACK, FRONT)
        assert called == [(signal.SIGTSTP, [BACK]), (signal.SIGCONT, None)]
        assert (signal.getsignal(signal.SIGTSTP), signal.getsignal(signal.SIGCONT)) == (stop, go_on)
    finally:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.signal(signal.SIGCONT, signal.SIG_DFL)


async def test_handlers_of_the_event_loop_are_called():
    chat, continued = RecordingLoopClient(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGCONT, continued.set)
    try:
        with watch_terminal(chat) as watch:
            watch.report("paused")
            send(signal.SIGCONT)
            await chat.until(BACK, FRONT)
            await asyncio.wait_for(continued.wait(), 10)
        continued.clear()
        send(signal.SIGCONT)
        await asyncio.wait_for(continued.wait(), 10)
    finally:
        loop.remove_signal_handler(signal.SIGCONT)


async def test_app_whose_ctrl_z_handler_does_not_stop_it_returns_to_the_foreground(monkeypatch):
    monkeypatch.setattr(terminal, "STOP_CHECK_SECONDS", 0.01)
    chat = RecordingLoopClient()
    signal.signal(signal.SIGTSTP, lambda *_: None)
    try:
        with watch_terminal(chat):
            send(signal.SIGTSTP)
            await chat.until(BACK, FRONT)
    finally:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)


async def test_ignored_ctrl_z_stays_ignored():
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        chat = RecordingLoopClient()
        with watch_terminal(chat) as watch:
            assert signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN
            assert watch.knows == frozenset()
        assert signal.getsignal(signal.SIGTSTP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)


async def test_closing_keeps_a_signal_handler_that_was_installed_after_the_watch():
    chat, order = RecordingLoopClient(), []
    signal.signal(signal.SIGTSTP, lambda *_: order.append("first"))
    try:
        watch = watch_terminal(chat)
        ours = signal.getsignal(signal.SIGTSTP)

        def later(number, frame):
            order.append("later")
            ours(number, frame)

        signal.signal(signal.SIGTSTP, later)
        watch.close()
        watch.close()
        assert signal.getsignal(signal.SIGTSTP) is later
        send(signal.SIGTSTP)
        assert order == ["later", "first"]
        assert chat.reported == []
    finally:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)


async def test_process_with_two_clients_stops_after_both_are_in_the_background():
    one, two, stopped = RecordingLoopClient(), RecordingLoopClient(), asyncio.Event()
    with watch_terminal(one, stop=stopped.set), watch_terminal(two):
        send(signal.SIGTSTP)
        await stopped.wait()
        assert one.reported == two.reported == [BACK]
        send(signal.SIGCONT)
        await one.until(BACK, FRONT)
        await two.until(BACK, FRONT)


def test_client_with_its_own_thread_is_notified_of_a_suspended_terminal():
    chat, seen = RecordingThreadClient(), []
    try:
        with watch_terminal(chat, stop=lambda: seen.append(list(chat.inner.reported))):
            send(signal.SIGTSTP)
            assert seen == [[BACK]]
            send(signal.SIGCONT)
            chat.until(BACK, FRONT)
    finally:
        chat.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_ctrl_z_in_a_forked_process_has_its_default_action():
    chat = RecordingLoopClient()
    with watch_terminal(chat, stop=lambda: os._exit(3)):
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)  # like a shell, so that the default action stops it
            os.kill(os.getpid(), signal.SIGTSTP)
            os._exit(0)
        _, status = os.waitpid(child, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        os.kill(child, signal.SIGCONT)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert chat.reported == []


def test_invalid_client_is_refused():
    with pytest.raises(TypeError, match="is not a client"):
        watch_terminal("chat")


async def test_threads_other_than_the_main_one_are_refused():
    with pytest.raises(RuntimeError, match="main thread"):
        await asyncio.to_thread(watch_terminal, RecordingLoopClient())


def test_refusal_of_a_terminal_with_a_textual_app_names_watch_textual(monkeypatch):
    app: ContextVar[object] = ContextVar("app")
    app.set(object())
    monkeypatch.setitem(sys.modules, "textual._context", types.SimpleNamespace(active_app=app))
    with pytest.raises(RuntimeError, match="watch_textual"):
        watch_terminal(RecordingLoopClient())


def test_signal_handler_that_was_not_installed_from_python_is_refused(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(signal, "getsignal", lambda number: None)
        with pytest.raises(RuntimeError, match="not installed from Python"):
            watch_terminal(RecordingLoopClient())


def test_system_without_ctrl_z_is_refused(monkeypatch):
    with monkeypatch.context() as patched:
        patched.delattr(signal, "SIGTSTP")
        with pytest.raises(RuntimeError, match="no SIGTSTP"):
            watch_terminal(RecordingLoopClient())


async def test_unusable_client_is_refused_before_anything_is_watched():
    chat = RecordingLoopClient()
    chat.error = failure("ERR_CLIENT_CLOSED")
    with pytest.raises(type(chat.error)):
        watch_terminal(chat)
    assert signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
