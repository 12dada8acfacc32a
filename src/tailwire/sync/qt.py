"""The way into Qt's thread."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from tailwire.sync.outlet import Post

BINDINGS = ("PySide6", "PyQt6")


def post_qt() -> Post:
    """Return a `post` for `Client` that calls back in the thread in which this is called: that of the Qt app.

    It works with PySide6 and PyQt6. What is posted runs while the app's event loop does (`app.exec()`).

    ```python
    app = QApplication([])
    chat = Client("app-id", settings, post=post_qt())
    ```

    Raises:
        RuntimeError: neither PySide6 nor PyQt6 is installed, or there is no QApplication yet.
    """
    core = _core()
    if core.QCoreApplication.instance() is None:
        raise RuntimeError("there is no Qt app yet: make the QApplication first, then post_qt()")
    signal: Any = getattr(core, "Signal", None) or core.pyqtSignal

    class Receiver(core.QObject):  # type: ignore[misc, name-defined, unused-ignore]
        """Lives in the thread of the app; a signal from another thread is queued for it."""

        posted = signal(object)

        def run(self, function: Callable[[], None]) -> None:
            """Call what was posted."""
            function()

    receiver = Receiver()
    receiver.posted.connect(receiver.run, core.Qt.ConnectionType.QueuedConnection)

    def post(function: Callable[[], None]) -> None:
        receiver.posted.emit(function)

    return post


def _core() -> Any:
    import sys

    # The one that the app has imported already, if any: two at a time do not work.
    for name in sorted(BINDINGS, key=lambda name: name not in sys.modules):
        try:
            return importlib.import_module(f"{name}.QtCore")
        except ImportError:
            continue
    raise RuntimeError("Qt is not installed: pip install PySide6-Essentials (or PyQt6)")
