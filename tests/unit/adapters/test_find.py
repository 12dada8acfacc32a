"""What `watch` finds without importing anything, and the combined watch."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import types
from contextvars import ContextVar

import pytest

from recording_clients import RecordingLoopClient
from tailwire.adapters import find, netlink
from tailwire.adapters.find import TOOLKITS, running_app, toolkit_of, watch
from tailwire.adapters.watching import Watch
from tailwire.extras import how_to_install

HIDDEN, SHOWN = ("background", "window"), ("foreground", "window")


@pytest.fixture(autouse=True)
def _a_bare_machine(monkeypatch):
    """No toolkit, no terminal, no bus, and a network that does not change."""
    for name in [
        n
        for n in sys.modules
        if n.partition(".")[0] in ("textual", "kivy", "toga", "PySide6", "PyQt6", "flet", "tkinter")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(find, "in_terminal", lambda: False)
    monkeypatch.setattr(
        netlink, "reachability", lambda: netlink.Reachability(frozenset({(2, "192.0.2.2")}), frozenset({(2, 2)}))
    )
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent")


@pytest.fixture
def adapters(monkeypatch):
    """Replace the adapters of toolkits. Return the arguments that they were called with, by name."""
    calls = {}
    for toolkit in TOOLKITS:

        def begin(chat, *arguments, name=toolkit.adapter, **named):
            watch = Watch(chat, "window", ["hidden"])
            calls[name] = (watch, arguments, named)
            return watch

        module = types.SimpleNamespace(**{f"watch_{toolkit.adapter}": begin})
        monkeypatch.setitem(sys.modules, f"tailwire.adapters.{toolkit.adapter}", module)
    return calls


APP = object()
ACTIVE: ContextVar[object] = ContextVar("active")
RUNNING = [
    ("textual", {"textual._context": types.SimpleNamespace(active_app=ACTIVE)}, (APP,)),
    ("kivy", {"kivy.app": types.SimpleNamespace(App=types.SimpleNamespace(get_running_app=lambda: APP))}, (APP,)),
    ("toga", {"toga.app": types.SimpleNamespace(App=types.SimpleNamespace(app=APP))}, (APP,)),
    (
        "qt",
        {"PySide6.QtCore": types.SimpleNamespace(QCoreApplication=types.SimpleNamespace(instance=lambda: APP))},
        (APP,),
    ),
    (
        "qt",
        {"PyQt6.QtCore": types.SimpleNamespace(QCoreApplication=types.SimpleNamespace(instance=lambda: APP))},
        (APP,),
    ),
    ("tk", {"tkinter": types.SimpleNamespace(_default_root=APP)}, (APP,)),
]


@pytest.mark.parametrize(("name", "modules", "arguments"), RUNNING)
async def test_app_that_runs_is_found(monkeypatch, adapters, name, modules, arguments):
    ACTIVE.set(APP)
    for module, value in modules.items():
        monkeypatch.setitem(sys.modules, module, value)
    chat = RecordingLoopClient()
    with watch(chat, hidden="background") as found:
        window, positional, named = adapters[name]
        assert list(adapters) == [name]
        assert (positional, named) == (arguments, {} if name == "textual" else {"hidden": "background"})
        assert "hidden" in found.knows
        window.report("hidden")
        assert (found.seen, chat.reported) == ("hidden", [HIDDEN])
    assert chat.reported == [HIDDEN, SHOWN]
    window.report("hidden")
    assert chat.reported == [HIDDEN, SHOWN]


@pytest.mark.parametrize(("platform", "name"), [("emscripten", "browser"), ("ios", "ios")])
async def test_platform_is_found_by_its_name(monkeypatch, adapters, platform, name):
    monkeypatch.setattr(sys, "platform", platform)
    with watch(RecordingLoopClient()):
        assert adapters[name][1:] == ((), {})


async def test_running_toolkit_is_watched_instead_of_android(monkeypatch, adapters):
    monkeypatch.setenv("ANDROID_ARGUMENT", "/data")
    with watch(RecordingLoopClient()):
        assert list(adapters) == ["android"]
    monkeypatch.setitem(sys.modules, "toga.app", types.SimpleNamespace(App=types.SimpleNamespace(app=APP)))
    adapters.clear()
    with watch(RecordingLoopClient()):
        assert list(adapters) == ["toga"]


async def test_toolkit_that_is_imported_but_has_no_running_app_is_not_found(monkeypatch, adapters):
    monkeypatch.setitem(sys.modules, "textual._context", types.SimpleNamespace(active_app=ContextVar("none")))
    monkeypatch.setitem(
        sys.modules, "kivy.app", types.SimpleNamespace(App=types.SimpleNamespace(get_running_app=lambda: None))
    )
    monkeypatch.setitem(sys.modules, "toga.app", types.SimpleNamespace(App=types.SimpleNamespace(app=None)))
    monkeypatch.setitem(sys.modules, "tkinter", types.SimpleNamespace(_default_root=None))
    monkeypatch.setitem(
        sys.modules,
        "PySide6.QtCore",
        types.SimpleNamespace(QCoreApplication=types.SimpleNamespace(instance=lambda: None)),
    )
    assert running_app() is None


@pytest.mark.parametrize(
    ("module", "adapter"),
    [("textual.app", "textual"), ("kivy.app", "kivy"), ("toga.app", "toga"), ("flet.controls.page", "flet"),
     ("PySide6.QtWidgets", "qt"), ("PyQt6.QtGui", "qt"), ("tkinter", "tk")],
)  # fmt: skip
async def test_adapter_is_chosen_by_the_class_of_the_given_app(adapters, module, adapter):
    kind = type("App", (), {"__module__": module})
    app = type("MyApp", (kind,), {})()
    with watch(RecordingLoopClient(), app, hidden="foreground"):
        assert adapters[adapter][1] == (app,)
        assert adapters[adapter][2] == ({} if adapter == "textual" else {"hidden": "foreground"})


async def test_invalid_arguments_are_refused(adapters):
    with pytest.raises(TypeError, match="Textual, Kivy, Toga, Flet, Qt, Tk"):
        watch(RecordingLoopClient(), "app")
    with pytest.raises(TypeError, match="none of the supported toolkits"):
        toolkit_of(None)
    with pytest.raises(ValueError, match="hidden"):
        watch(RecordingLoopClient(), hidden="never")
    with pytest.raises(TypeError, match="not a client"):
        watch(None)
    assert adapters == {}


async def test_error_of_one_watch_closes_the_others(adapters, monkeypatch):
    def fails(chat):
        raise RuntimeError("no network today")

    monkeypatch.setattr(find, "watch_network", fails)
    monkeypatch.setitem(sys.modules, "tkinter", types.SimpleNamespace(_default_root=APP))
    chat = RecordingLoopClient()
    with pytest.raises(RuntimeError, match="no network today"):
        watch(chat)
    adapters["tk"][0].report("hidden")
    assert chat.reported == []


async def test_terminal_is_watched_without_a_toolkit(monkeypatch, caplog):
    monkeypatch.setattr(find, "in_terminal", lambda: True)
    with caplog.at_level(logging.INFO, "tailwire"), watch(RecordingLoopClient()) as found:
        assert "paused" in found.knows
        assert await found.settled() == {"paused", "network"}
    assert "the terminal, the network" in caplog.text


async def test_unwatchable_terminal_is_not_an_error(monkeypatch, caplog):
    def refuses(chat):
        raise RuntimeError("signals come to the main thread only")

    monkeypatch.setattr(find, "in_terminal", lambda: True)
    monkeypatch.setattr(find, "watch_terminal", refuses)
    with caplog.at_level(logging.INFO, "tailwire"), watch(RecordingLoopClient()) as found:
        assert await found.settled() == {"network"}
    assert "main thread only" in caplog.text


async def test_nothing_to_watch_is_logged(monkeypatch, caplog):
    monkeypatch.setattr(sys, "platform", "win32")
    with caplog.at_level(logging.WARNING, "tailwire"), watch(RecordingLoopClient()) as found:
        assert await found.settled() == frozenset()
        assert found.seen == "resumed"
    assert "set_app_state" in caplog.text


async def test_missing_dbus_fast_is_reported(monkeypatch, caplog):
    monkeypatch.setattr(find, "is_installed", lambda: False)
    with caplog.at_level(logging.INFO, "tailwire"), watch(RecordingLoopClient()) as found:
        assert await found.settled() == {"network"}
    assert how_to_install("desktop") in caplog.text


async def test_closing_ends_all_tasks_of_the_watch():
    def tasks() -> list[str]:
        return [task.get_name() for task in asyncio.all_tasks() if "tailwire watch" in task.get_name()]

    found = watch(RecordingLoopClient())
    assert tasks() != []
    await found.settled()
    found.close()
    found.close()
    async with asyncio.timeout(10):
        while tasks():
            await asyncio.sleep(0.005)


def test_search_imports_no_toolkit():
    code = (
        "import sys, tailwire; tailwire.watch\nfrom tailwire.adapters.find import TOOLKITS, running_app\nrunning_app()\n"
        "packages = {'dbus_fast'}.union(*(toolkit.packages for toolkit in TOOLKITS))\n"
        "print([m for m in sys.modules if m.partition('.')[0] in packages])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
