"""A Kivy app for the tests; its client runs on Kivy's event loop, or in a thread of its own."""

from __future__ import annotations

import asyncio
import ctypes
import select
from pathlib import Path
from typing import Any

import kivy
from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.uix.label import Label
from kivy.uix.popup import Popup

from adapters.program import Commands, Program
from tailwire.adapters.kivy import watch_kivy

WILL_ENTER_BACKGROUND, DID_ENTER_FOREGROUND = 0x103, 0x106
"""From `SDL_events.h`."""


class Phone:
    """Kivy's SDL window as it is on a phone, for one pause.

    SDL says that the app is paused while Kivy polls for events; then Kivy waits for an event, and its event loop stands
    still, until SDL says, during this wait, that the app is back.
    """

    def __init__(self, window: Any, resume: Path) -> None:
        (library,) = (Path(kivy.__file__).parent.parent / "Kivy.libs").glob("libSDL2-2*")
        self._sdl, self._window, self._resume = ctypes.CDLL(str(library)), window, resume
        self._paused = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._window, name)

    def _say(self, event: int) -> None:
        self._sdl.SDL_PushEvent((ctypes.c_uint32 * 32)(event))

    def poll(self) -> Any:
        if not self._paused:
            self._paused = True
            self._say(WILL_ENTER_BACKGROUND)
        return self._window.poll()

    def wait_event(self) -> None:
        self._resume.read_bytes()
        self._say(DID_ENTER_FOREGROUND)
        Window._win = self._window


class KivyApp(App):
    title = "kivy main"

    def build(self) -> Label:
        return Label(text="Kivy")

    def prepare(self) -> None:
        self.commands = KivyCommands(self)
        self.program = Program(**self.commands.named())

    def begin(self, client: Any) -> None:
        self.commands.client = client
        if not self.program.options.get("found"):
            self._watch()
        for name in ("minimize", "hide", "restore", "show", "maximize", "cursor_leave"):
            Window.bind(**{f"on_{name}": lambda *_, name=name: self.program.event(name)})
        Window.bind(focus=lambda _, on: self.program.event("focus gained" if on else "focus lost"))

    def _watch(self) -> None:
        self.commands.watch = self.program.watch(self.commands.client, watch_kivy, self)

    def end(self) -> None:
        self.program.report(event=f"ended: {self.commands.watch.seen}")
        self.commands.watch.close()

    async def main(self) -> None:
        client = self.program.make_client()
        await self.program.enter(client)
        self.begin(client)
        loop = asyncio.get_running_loop()

        def readable() -> None:
            self.program.feed()
            if self.program.ended:
                loop.remove_reader(0)
                self.stop()

        loop.add_reader(0, readable)
        await self.async_run("asyncio")
        self.end()
        await client.aclose()

    def main_blocking(self) -> None:
        """Run without asyncio in Kivy's thread: `tailwire.sync`, and Kivy's own main loop."""

        def post(call: Any) -> None:
            Clock.schedule_once(lambda _seconds: call())

        client = self.program.enter_blocking(post)
        self.begin(client)

        def look(_seconds: float) -> None:
            if select.select([0], [], [], 0)[0]:
                self.program.feed()
                if self.program.ended:
                    self.stop()

        Clock.schedule_interval(look, 0)
        self.run()
        self.end()
        client.close()

    def on_start(self) -> None:
        if self.program.options.get("found"):
            self._watch()  # before that, no running app is found
        self.program.report(ready=True)


class KivyCommands(Commands):
    def __init__(self, app: KivyApp) -> None:
        self._app = app
        self._popup: Any = None
        self._other: Any = None

    def minimise(self) -> None:
        Window.minimize()

    def restore(self) -> None:
        Window.restore()

    def maximise(self) -> None:
        Window.maximize()

    def withdraw(self) -> None:
        Window.hide()

    def show(self) -> None:
        Window.show()

    def flap(self) -> None:
        for _ in range(20):
            Window.hide()
            Window.show()

    def dialog(self) -> None:
        self._popup = Popup(title="Kivy", content=Label(text="Kivy says hello"), size_hint=(0.5, 0.5))
        self._popup.bind(on_open=lambda *_: self._app.program.event("popup"))
        self._popup.open(animation=False)

    def close_dialog(self) -> None:
        self._popup.dismiss(animation=False)

    def lose_focus(self) -> None:
        import tkinter

        self._other = tkinter.Tk()  # a different app for the window manager
        self._other.title("another app")
        self._other.focus_force()
        self._other.update()

    def take_focus(self) -> None:
        self._other.destroy()

    def pause(self) -> None:
        self._app.dispatch("on_pause")

    def resume(self) -> None:
        self._app.dispatch("on_resume")

    def pause_as_on_a_phone(self) -> None:
        Window._win = Phone(Window._win, Path(self._app.program.options["resume"]))

    def destroy(self) -> None:
        Window.close()

    def quit(self) -> None:
        self._app.stop()


if __name__ == "__main__":
    app = KivyApp()
    app.prepare()
    if app.program.options.get("blocking"):
        app.main_blocking()
    else:
        asyncio.run(app.main())
