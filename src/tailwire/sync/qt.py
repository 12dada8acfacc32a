"""Call functions in Qt's thread."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from tailwire.sync.app_callbacks import Post
from tailwire.sync.socket_queue import SocketQueue

BINDINGS = ("PySide6", "PyQt6")


def post_qt() -> Post:
    """Return a function for the argument `post` of `Client` that schedules callbacks in this thread, the Qt app's.

    It works with PySide6 and PyQt6. Callbacks run while the app's event loop (`app.exec()`) runs.

    ```python
    app = QApplication([])
    chat = Client("app-id", settings, post=post_qt())
    ```

    Raises:
        RuntimeError: neither PySide6 nor PyQt6 is installed, there is no QApplication yet, or this is another thread.
    """
    core = _import_core()
    app = core.QCoreApplication.instance()
    if app is None:
        raise RuntimeError("there is no Qt app yet: create the QApplication before calling post_qt()")
    if core.QThread.currentThread() != app.thread():
        raise RuntimeError("this is not the thread of the Qt app: call post_qt() where the QApplication was created")
    # A socket, not a signal: with PySide6 6.12 on Python 3.11, each emit() from another thread drops one reference to
    # True too many, and a few hundred of them crash the process.
    socket_queue = SocketQueue("the Qt app")
    notifier: Any = core.QSocketNotifier(socket_queue.reader.fileno(), core.QSocketNotifier.Type.Read, app)
    notifier.activated.connect(
        lambda *_: socket_queue.call_functions()
    )  # Qt keeps a function alive, but not a bound method
    return socket_queue.post


def _import_core() -> Any:
    # Prefer the binding that the app has imported: two in one process do not work.
    for name in sorted(BINDINGS, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(f"{name}.QtCore")
        except ImportError:
            continue
    raise RuntimeError("Qt is not installed: pip install PySide6-Essentials (or PyQt6)")
