"""`tailwire.watch` with real toolkits: it finds the running app, system sleep and the network."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from adapters.app import AppServer
from adapters.conftest import Start, need
from adapters.matrix import play
from adapters.private_bus import LOGIND, logind, needs_a_bus, private_bus
from adapters.screen import Screen
from recording_clients import RecordingLoopClient
from tailwire import watch

pytestmark = pytest.mark.gui
NEEDED = {"tk": ("tkinter", "_tkinter"), "qt": ("PySide6",), "kivy": ("kivy",), "toga": ("toga", "toga_qt")}


@pytest.mark.parametrize("toolkit", NEEDED)
def test_watch_finds_the_running_app_of_each_toolkit(once: Start, screen: Screen, tmp_path: Path, toolkit: str):
    need(*NEEDED[toolkit])
    environment = {
        **screen.environment, "QT_QPA_PLATFORM": "xcb", "TOGA_BACKEND": "toga_qt", "LC_ALL": "C.UTF-8",
        "KIVY_NO_ARGS": "1", "KIVY_NO_CONSOLELOG": "1", "KIVY_NO_FILELOG": "1", "KIVY_HOME": str(tmp_path),
        "LIBGL_ALWAYS_SOFTWARE": "1", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent",
    }  # fmt: skip
    app = once(f"{toolkit}_program", environment, found=True)
    for happens in ("minimise", "withdraw"):
        play("qt-xcb" if toolkit == "qt" else toolkit, happens, app)
    assert {reason.rpartition(" ")[0] for reason in app.reasons} <= {toolkit}
    app.do("minimise")
    app.until_gone()
    app.do("stop_watching")
    app.until_back()


@needs_a_bus()
async def test_wake_up_does_not_bring_a_hidden_window_to_the_foreground(
    monkeypatch: pytest.MonkeyPatch, once: Start, server: AppServer, screen: Screen
):
    need(*NEEDED["tk"])
    async with private_bus(monkeypatch) as bus:
        service = logind()
        await bus.put(LOGIND, "/org/freedesktop/login1", service)
        environment = {**screen.environment, "DBUS_SYSTEM_BUS_ADDRESS": bus.address}
        app = await asyncio.to_thread(once, "tk_program", environment, found=True)
        await service.until_held(1)
        await asyncio.to_thread(app.do, "minimise")
        await asyncio.to_thread(app.until_gone)
        service.PrepareForSleep(True)
        await service.until_held(0)
        service.PrepareForSleep(False)
        await service.until_held(1)
        assert app.sockets() == []
        await asyncio.to_thread(server.say, app.uid, "while it slept")
        await asyncio.to_thread(app.do, "restore")
        await asyncio.to_thread(app.until_back)
        await asyncio.to_thread(app.until_heard, "while it slept")
        assert [reason.rpartition(" ")[0] for reason in app.reasons] == ["tk", "sleep", "sleep", "tk"]
        assert app.messages == ["while it slept"]


async def test_watch_finds_the_textual_app_that_calls_it():
    need("textual")
    from textual.app import App

    class Chat(App[None]):
        async def on_mount(self) -> None:
            self.chat = RecordingLoopClient()
            self.app_watch = watch(self.chat)

    app = Chat()
    async with app.run_test() as pilot:
        assert "paused" in await app.app_watch.settled()
        await app.run_action("suspend_process")
        await pilot.pause()
        assert app.chat.reported == [("background", "textual"), ("foreground", "textual")]
        app.app_watch.close()


async def test_first_of_two_toolkits_is_watched_and_the_other_is_logged(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    need(*NEEDED["tk"], "textual")
    import tkinter

    from textual.app import App

    monkeypatch.setenv("DISPLAY", screen.name)
    caplog.set_level(logging.INFO, "tailwire")
    root = tkinter.Tk()

    class Chat(App[None]):
        async def on_mount(self) -> None:
            watch(RecordingLoopClient()).close()
            watch(RecordingLoopClient(), root).close()

    try:
        async with Chat().run_test() as pilot:
            await pilot.pause()
    finally:
        root.destroy()
    logged = [record.getMessage() for record in caplog.records if record.name == "tailwire"]
    assert [line.partition(": ")[2].partition(",")[0] for line in logged if "watching the app state" in line] == [
        "Textual",
        "Tk",
    ]
    assert [line for line in logged if "is running too" in line] == [
        "an app of Tk is running too, and is not watched: use watch(chat, app) to choose it",
        "an app of Textual is running too, and is not watched: use watch(chat, app) to choose it",
    ]
