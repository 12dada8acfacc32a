"""The way into Qt's thread."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from tailwire.sync.app_callbacks import Post
from tailwire.sync.socket_queue import SocketQueue

BINDINGS = ("PySide6", "PyQt6")


def post_qt() -> Post:
    """Return a `post` for `Client` that calls back in the thread in which this is called: that of the Qt app.

    It works with PySide6 and PyQt6. What is posted runs while the app's event loop does (`app.exec()`).

    ```python
    app = QApplication([])
    chat = Client("app-id", settings, post=post_qt())
    ```

    Raises:
        RuntimeError: neither PySide6 nor PyQt6 is installed; there is no QApplication yet; this is another thread.
    """
    core = _core()
    app = core.QCoreApplication.instance()
    if app is None:
        raise RuntimeError("there is no Qt app yet: make the QApplication first, then post_qt()")
    if core.QThread.currentThread() != app.thread():
        raise RuntimeError("this is not the thread of the Qt app: call post_qt() where the QApplication was made")
    # No signal is emitted from the other thread: with PySide6 6.12 on Python 3.11, each emit() takes a reference to
    # True too much away, and some hundred of them end the process.
    socket_queue = SocketQueue("the Qt app")
    notifier: Any = core.QSocketNotifier(socket_queue.reader.fileno(), core.QSocketNotifier.Type.Read, app)
    notifier.activated.connect(lambda *_: socket_queue.readable())  # a function is held, a method may not be
    return socket_queue.post


def _core() -> Any:
    # The one that the app has imported already, if any: two at a time do not work.
    for name in sorted(BINDINGS, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(f"{name}.QtCore")
        except ImportError:
            continue
    raise RuntimeError("Qt is not installed: pip install PySide6-Essentials (or PyQt6)")
