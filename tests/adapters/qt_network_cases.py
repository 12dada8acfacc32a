"""Cases of `watch_qt` and the network, in a network namespace of their own (`unshare -rn`), without a display.

Linux stands in for a system without netlink, where Qt is asked: `is_for_apps` is replaced.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from PySide6.QtGui import QGuiApplication, QWindow

from recording_clients import RecordingClient
from tailwire.adapters import netlink
from tailwire.adapters.qt import watch_qt

APPEARS = (
    "link add a0 type veth peer name a1", "link set a1 up", "link set a0 up", "addr add 198.51.100.2/24 dev a0",
    "route add default via 198.51.100.1",
)  # fmt: skip


def ip(*commands: str) -> None:
    for command in commands:
        subprocess.run(["ip", *command.split()], check=True)


def until(app: QGuiApplication, condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, what
        app.processEvents()


def main() -> None:
    app = QGuiApplication(sys.argv[:1])
    window = QWindow()
    window.show()
    on_linux = RecordingClient()
    with watch_qt(on_linux, app) as watch:
        assert watch.knows == {"hidden"}, "the kernel is asked there, see watch_network"
    netlink.is_for_apps = lambda: False
    client, late = RecordingClient(), RecordingClient()
    watch = watch_qt(client, app)
    assert watch.knows == {"hidden", "network"}
    assert client.reported == ["offline"], client.reported
    ip(*APPEARS)
    until(app, lambda: client.reported == ["offline", "online"], "online")
    with watch_qt(late, app):
        app.processEvents()
        assert late.reported == [], "what is as usual is not reported"
    ip("route del default")
    until(app, lambda: client.reported == ["offline", "online", "offline"], "offline again")
    assert late.reported == [], "a closed watch reports nothing"
    watch.close()
    assert client.reported == ["offline", "online", "offline", "unknown"], "the report is withdrawn"
    ip("route add default via 198.51.100.1")
    other = RecordingClient()
    with watch_qt(other, app):  # still offline until Qt has read the change
        until(app, lambda: other.reported[-1:] == ["online"], "online for a new watch")
    assert client.reported[-1] == "unknown"
    assert on_linux.reported == []
    print("all cases passed", flush=True)


if __name__ == "__main__":
    main()
