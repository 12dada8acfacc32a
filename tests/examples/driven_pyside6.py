"""Runs `examples/pyside6_chat.py`; reads the user's actions from standard input and prints what is shown."""

from __future__ import annotations

import json
import sys

import pyside6_chat
from PySide6.QtCore import QSocketNotifier
from PySide6.QtWidgets import QApplication, QLineEdit, QListWidget

app = QApplication([])
app.setQuitOnLastWindowClosed(False)
window = pyside6_chat.Window()
window.show()


def rows(widget: QListWidget) -> list[str]:
    return [widget.item(n).text() for n in range(widget.count())]


def typed(field: QLineEdit, text: str) -> None:
    field.setText(text)
    field.returnPressed.emit()


def do(what: str, text: str) -> dict[str, object]:
    """Perform a user's action, and return what they see."""
    if what == "open":
        names = [line.split()[1] for line in rows(window.conversations)]
        row = window.conversations.item(names.index(text))
        window.conversations.setCurrentItem(row)
        window.conversations.itemClicked.emit(row)
    elif what == "find":
        typed(window.uid, text)
    elif what == "type":
        typed(window.entry, text)
    elif what == "retry":
        window.messages.itemDoubleClicked.emit(window.messages.item(int(text)))
    elif what == "minimise":
        window.showMinimized()
    elif what == "restore":
        window.showNormal()
    return {
        "title": window.windowTitle(), "conversations": rows(window.conversations), "messages": rows(window.messages),
        "status": window.status.text(),
    }  # fmt: skip


def readable() -> None:
    line = sys.stdin.readline()
    if not line:
        reading.setEnabled(False)
        app.quit()
        return
    number, what, text = json.loads(line)
    print(json.dumps([number, do(what, text)]), flush=True)


reading = QSocketNotifier(0, QSocketNotifier.Type.Read)
reading.activated.connect(readable)
app.exec()
window.chat.close()
