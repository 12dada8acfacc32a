"""A virtual display: Xvfb with the window manager openbox."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

NEEDED = {"Xvfb": "xvfb", "openbox": "openbox", "xdotool": "xdotool"}
"""Programs, and the Debian packages that contain them."""


def missing() -> list[str]:
    """Return the Debian packages that are not installed."""
    return [package for program, package in NEEDED.items() if shutil.which(program) is None]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait until a condition holds.

    Raises:
        AssertionError: on timeout; names the condition.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.005)


class Screen:
    """An X server without a monitor, and a window manager on it.

    Attributes:
        name: the value of `DISPLAY` for its programs, such as `:1`.
    """

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []
        readable, writable = os.pipe()
        command = ["Xvfb", "-displayfd", str(writable), "-screen", "0", "1024x768x24", "-nolisten", "tcp", "-noreset"]
        try:
            self._start(command, pass_fds=(writable,))
        finally:
            os.close(writable)
        with os.fdopen(readable) as log:
            number = log.readline().strip()  # printed when it accepts clients; empty if it exited
        if not number:
            self.close()
            raise RuntimeError("Xvfb did not start")
        self.name = f":{number}"
        self.environment = {**os.environ, "DISPLAY": self.name, "XDG_SESSION_TYPE": "x11"}
        self.environment.pop("WAYLAND_DISPLAY", None)
        self._start(["openbox", "--sm-disable"], env=self.environment)
        wait_for(lambda: self._run("get_num_desktops").returncode == 0, "openbox manages the display")

    def _start(self, command: list[str], **more: object) -> None:
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._processes.append(subprocess.Popen(command, **quiet, **more))  # type: ignore[call-overload]

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["xdotool", *words], env=self.environment, capture_output=True, text=True, timeout=20, check=False
        )

    def xdotool(self, *words: str) -> str:
        """Run xdotool, and return what it printed.

        Raises:
            AssertionError: it failed.
        """
        done = self._run(*words)
        assert done.returncode == 0, f"xdotool {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def window(self, title: str) -> str:
        """Return the id of the window with this title, once there is one."""
        found: list[str] = []

        def there() -> bool:
            found[:] = self._run("search", "--name", f"^{title}$").stdout.split()
            if not found:  # xdotool does not find SDL windows by name
                every = self._run("search", "--class", ".").stdout.split()
                found[:] = [one for one in every if self._run("getwindowname", one).stdout.strip() == title]
            return bool(found)

        wait_for(there, f"a window {title!r}", 30)
        return found[-1]

    def minimise(self, title: str) -> None:
        """Minimise a window through the window manager."""
        self.xdotool("windowminimize", self.window(title))

    def activate(self, title: str) -> None:
        """Restore and focus a window through the window manager."""
        self.xdotool("windowactivate", self.window(title))

    def close_window(self, title: str) -> None:
        """Close a window with Alt+F4."""
        self.xdotool("windowactivate", "--sync", self.window(title), "key", "alt+F4")

    def screenshot(self, path: Path) -> None:
        """Write a screenshot of the whole display (PNG)."""
        from PIL import ImageGrab

        ImageGrab.grab(xdisplay=self.name).save(path)

    def close(self) -> None:
        """End both programs."""
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            process.wait(10)
        self._processes.clear()
