"""A Qt app whose main loop is asyncio's (qasync), with a `ChatClient` in Qt's thread. QtGui only."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import qasync
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QWindow

from adapters.program import Program
from tailwire import watch_qt


async def main(app: QGuiApplication) -> None:
    window = QWindow()
    program = Program()
    chat = program.make_client()
    await program.enter(chat)
    window.show()
    watch = watch_qt(program.informed(chat), app)

    def minimised(yes: bool) -> None:
        window.setWindowStates(Qt.WindowState.WindowMinimized if yes else Qt.WindowState.WindowNoState)

    commands: dict[str, Any] = {
        "seen": lambda: watch.seen,
        "minimise": lambda: minimised(True),
        "restore": lambda: minimised(False),
        "withdraw": window.hide,
        "show": window.show,
    }
    program.commands.update(commands)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def readable() -> None:
        program.feed()
        if program.ended:
            loop.remove_reader(0)
            ended.set()

    loop.add_reader(0, readable)
    program.report(ready=True)
    await ended.wait()
    watch.close()
    await chat.aclose()
    program.report(event="closed")


if __name__ == "__main__":
    app = QGuiApplication(sys.argv[:1])
    app.setQuitOnLastWindowClosed(False)
    qasync.run(main(app))
