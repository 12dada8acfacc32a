"""Runs the lab, or shows a recording, until it is told to end; nothing is left then."""

from __future__ import annotations

import asyncio
import secrets
import socket
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from tailwire.lab.lab import Lab
from tailwire.lab.web import web_app


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # whoever runs the lab takes them


def listening(port: int = 0) -> socket.socket:
    """Return a socket that listens at a port of 127.0.0.1; 0 takes a free one.

    Raises:
        OSError: when another program listens there.
    """
    sock = socket.socket()
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(128)
    except BaseException:
        sock.close()
        raise
    return sock


@asynccontextmanager
async def page(
    sock: socket.socket, lab: Lab | None, replay: dict[str, Any] | None = None, *, once: str = "", slow: float = 1.0
) -> AsyncIterator[str]:
    """Serve the page meanwhile; give its URL, with the secret part of the path.

    Args:
        sock: that listens; it is closed at the end.
        lab: to be shown, or None.
        replay: a recording to be shown, where there is no lab.
        once: see `Guard`.
        slow: as the lab was started.
    """
    token, port = secrets.token_urlsafe(16), sock.getsockname()[1]
    config = uvicorn.Config(
        web_app(lab, replay, token=token, port=port, once=once, slow=slow),
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve([sock]), name="tailwire lab page")
    try:
        yield _at(sock, token)
    finally:
        if lab is not None:
            lab.log.close()  # the streams end, so that the server need not wait for them
        server.should_exit = True
        await asyncio.wait([serving])
        sock.close()


async def live(shown: Callable[[str, str], None], *, port: int = 0, slow: float = 1.0) -> None:
    """Run a lab until it is cancelled.

    Args:
        shown: called with the URL of its page, and with another one that leads to it once, for `open_browser`.
        port: where the page is; 0 takes a free one.
        slow: see `Lab`.

    Raises:
        OSError: when another program listens at the port.
        RuntimeError: when the server does not start.
    """
    sock = listening(port)  # first: a port that is taken is known before anything has started
    once = secrets.token_urlsafe(16)
    try:
        with tempfile.TemporaryDirectory(prefix="tailwire-lab-", ignore_cleanup_errors=True) as folder:
            async with Lab(Path(folder), slow=slow) as lab, page(sock, lab, once=once, slow=slow) as url:
                shown(url, _at(sock, once))
                await asyncio.get_running_loop().create_future()
    finally:
        sock.close()


def _at(sock: socket.socket, token: str) -> str:
    return f"http://127.0.0.1:{sock.getsockname()[1]}/{token}/"


async def replay(recording: dict[str, Any], shown: Callable[[str, str], None], *, port: int = 0) -> None:
    """Show a recording until it is cancelled.

    Args:
        recording: as `recording.read` gave it.
        shown: as for `live`.

    Raises:
        OSError: when another program listens at the port.
    """
    sock, once = listening(port), secrets.token_urlsafe(16)
    async with page(sock, None, recording, once=once) as url:
        shown(url, _at(sock, once))
        await asyncio.get_running_loop().create_future()


def open_browser(url: str) -> bool:
    """Open a page in the person's browser; say whether there is one.

    Args:
        url: everybody on this machine may read it, on the browser's command line: give one that works once.
    """
    return webbrowser.open(url)
