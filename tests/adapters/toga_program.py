"""A Toga app for the tests: the client lives on `app.loop`. Windows change outside of tasks."""

from __future__ import annotations

from typing import Any

import toga

from adapters.program import Commands, Program
from tailwire.adapters.toga import watch_toga


class TogaApp(toga.App):
    def startup(self) -> None:
        self.test_commands = TogaCommands(self)
        self.program = Program(**self.test_commands.named())
        self.main_window = toga.MainWindow(title="toga main", size=(300, 200), position=(50, 50))
        self.main_window.content = toga.Box(children=[toga.Label("Toga")])
        for event in ("hide", "show", "lose_focus", "gain_focus"):
            setattr(self.main_window, f"on_{event}", lambda _window, event=event: self.program.event(event))
        self.main_window.show()

    async def on_running(self) -> None:
        self.test_commands.client = self.program.make_client()
        await self.program.enter(self.test_commands.client)
        self.test_commands.watch = self.program.watch(self.test_commands.client, watch_toga, self)
        self.loop.add_reader(0, self.readable)
        self.program.report(ready=True)

    def readable(self) -> None:
        self.program.feed()
        if self.program.ended:
            self.loop.remove_reader(0)
            self.request_exit()

    async def on_exit(self) -> bool:
        if self.program.options.get("close", True):
            await self.test_commands.client.aclose()
        return True


class TogaCommands(Commands):
    def __init__(self, app: TogaApp) -> None:
        self._app = app
        self._others: list[toga.Window] = []
        self._dialog: Any = None

    @property
    def _main(self) -> toga.Window:
        window = self._app.main_window
        assert isinstance(window, toga.Window)
        return window

    def _second(self) -> toga.Window:
        self._others.append(toga.Window(title="toga second", size=(200, 100), position=(400, 300)))
        self._others[-1].content = toga.Box(children=[toga.Label("second")])
        self._others[-1].show()
        return self._others[-1]

    def minimise(self) -> None:
        self._main.state = toga.constants.WindowState.MINIMIZED

    def restore(self) -> None:
        self._main.state = toga.constants.WindowState.NORMAL

    def withdraw(self) -> None:
        self._main.hide()

    def show(self) -> None:
        self._main.show()

    def flap(self) -> None:
        for _ in range(20):
            self._main.hide()
            self._main.show()

    def dialog(self) -> None:
        self._app.loop.call_soon(self._open_dialog)

    def _open_dialog(self) -> None:
        dialog = toga.InfoDialog("toga dialog", "Toga says hello")
        self._dialog = dialog
        self._task = self._app.loop.create_task(self._main.dialog(dialog))

    def close_dialog(self) -> None:
        self._dialog._impl.native.accept()

    def lose_focus(self) -> None:
        self._second()
        self._others[-1]._impl.native.activateWindow()

    def take_focus(self) -> None:
        self._others.pop().close()
        self._main._impl.native.activateWindow()

    def minimise_one_of_two(self) -> None:
        self._second()
        self.minimise()

    def restore_one(self) -> None:
        self.restore()
        self._others.pop().close()

    def minimise_both(self) -> None:
        self._second().state = toga.constants.WindowState.MINIMIZED
        self.minimise()

    def restore_both(self) -> None:
        self._others[-1].state = toga.constants.WindowState.NORMAL
        self.restore()
        self._others.pop().close()

    def open_second(self) -> None:
        self._second()

    def open_second_with_handlers(self) -> None:
        window = toga.Window(title="toga second", on_hide=lambda _window: self._app.program.event("second hide"))
        self._others.append(window)
        window.show()

    def hide_second(self) -> None:
        self._others[-1].hide()

    def close_second(self) -> None:
        self._others.pop().close()

    def quit(self) -> None:
        self._app.request_exit()

    def handlers(self) -> list[str]:
        events = ("on_hide", "on_show", "on_lose_focus", "on_gain_focus")
        return [getattr(self._main, event)._raw.__qualname__ for event in events]


if __name__ == "__main__":
    TogaApp("toga test", "dev.tailwire.test.toga").main_loop()
