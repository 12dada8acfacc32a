"""`tailwire doctor --app`: which states of an app can be detected on this computer, and what to install for more."""

from __future__ import annotations

import asyncio
import platform
import sys
from importlib.util import find_spec
from typing import Literal

from tailwire.adapters.dbus import INSTALL, is_installed
from tailwire.adapters.find import TOOLKITS, Toolkit, in_terminal
from tailwire.adapters.loops import LoopWatch
from tailwire.adapters.network import watch_network
from tailwire.adapters.sleep import watch_sleep

TIMEOUT_SECONDS = 10.0


class _NullClient:
    """A client for the adapters that ignores what they report."""

    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the running event loop."""
        return asyncio.get_running_loop()

    def set_app_state(self, state: Literal["foreground", "background"], *, reason: str = "app") -> None:
        """Ignore the state of the app."""

    def set_network(self, network: Literal["online", "offline", "unknown"]) -> None:
        """Ignore the state of the network."""

    async def wait_disconnected(self) -> None:
        """Return immediately, because there is no socket."""


def doctor_app() -> int:
    """Print which states of an app can be detected on this computer: for each toolkit, terminal, sleep and network.

    Returns:
        The exit code: 0.
    """
    print(f"{platform.system()}, Python {platform.python_version()}")
    for name, known, instead in [*_toolkit_rows(), _terminal_row(), *asyncio.run(_machine_rows())]:
        print(f"  known   {name}: {known}" if known else f"  -       {name}: {instead}")
    return 0


def _toolkit_rows() -> list[tuple[str, str, str]]:
    # Name, the states that are reported, and what to do if there are none.
    rows = []
    for toolkit in TOOLKITS:
        if toolkit.takes_app:
            rows.append((toolkit.name, ", ".join(toolkit.knows) if _is_installed(toolkit) else "", _advice(toolkit)))
        elif toolkit.running() is not None:
            rows.append((toolkit.name, ", ".join(toolkit.knows), ""))
    return rows


def _is_installed(toolkit: Toolkit) -> bool:
    packages = ("_tkinter",) if toolkit.adapter == "tk" else toolkit.packages
    return any(find_spec(package) is not None for package in packages)


def _advice(toolkit: Toolkit) -> str:
    if toolkit.install:
        return f"not installed; pip install {toolkit.install}"
    return "not part of this Python; install the system's package (Debian: python3-tk)"


def _terminal_row() -> tuple[str, str, str]:
    instead = "this is not a terminal" if sys.platform != "win32" else "Ctrl+Z does not suspend on this system"
    return "terminal", "paused" if in_terminal() else "", instead


async def _machine_rows() -> list[tuple[str, str, str]]:
    rows = [await _result_of("network", watch_network(_NullClient()))]
    if sys.platform == "linux" and not is_installed():
        return [*rows, ("sleep", "", f"not reported in advance; {INSTALL}")]
    return [*rows, await _result_of("sleep", watch_sleep(_NullClient()))]


async def _result_of(name: str, watch: LoopWatch) -> tuple[str, str, str]:
    with watch:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                known = await watch.settled()
        except TimeoutError:
            return name, "", f"no reply within {TIMEOUT_SECONDS:.0f} s"
        return name, "yes" if known else "", watch.why_not or "not reported by this system"
