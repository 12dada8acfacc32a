"""Run the lab, or show a recording, until cancelled."""

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
        yield  # the caller handles signals


def listening_socket(port: int = 0) -> socket.socket:
    """Return a socket that listens on a port of 127.0.0.1; 0 takes a free one.

    Raises:
        OSError: if the port is in use.
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
async def serve_page(
    sock: socket.socket, lab: Lab | None, replay: dict[str, Any] | None = None, *, once: str = "", slow: float = 1.0
) -> AsyncIterator[str]:
    """Serve the page and yield its URL, which contains the secret.

    Args:
        sock: a listening socket; closed at the end.
        lab: the lab to show; its log is closed at the end. None to show a recording.
        replay: the recording to show if there is no lab.
        once: the single-use secret for the command line of a browser (see `web.Guard`); "" for none.
        slow: the factor with which the lab was started (see `Lab`).
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
        yield _url_of(sock, token)
    finally:
        if lab is not None:
            lab.log.close()  # end the event streams, so that the server need not wait for them
        server.should_exit = True
        await asyncio.wait([serving])
        sock.close()


async def run_lab(on_started: Callable[[str, str], None], *, port: int = 0, slow: float = 1.0) -> None:
    """Run a lab until cancelled.

    Args:
        on_started: called once the page is served, with its URL and a single-use URL for `open_browser`.
        port: the port of the page; 0 takes a free one.
        slow: sets the latency of the phones' lines (see `Lab`).

    Raises:
        OSError: if the port is in use.
        RuntimeError: if the server does not start.
    """
    sock = listening_socket(port)  # first, to find out that a port is in use before anything has started
    once = secrets.token_urlsafe(16)
    try:
        with tempfile.TemporaryDirectory(prefix="tailwire-lab-", ignore_cleanup_errors=True) as folder:
            async with Lab(Path(folder), slow=slow) as lab, serve_page(sock, lab, once=once, slow=slow) as url:
                on_started(url, _url_of(sock, once))
                await asyncio.get_running_loop().create_future()
    finally:
        sock.close()


def _url_of(sock: socket.socket, token: str) -> str:
    return f"http://127.0.0.1:{sock.getsockname()[1]}/{token}/"


async def show_recording(recording: dict[str, Any], on_started: Callable[[str, str], None], *, port: int = 0) -> None:
    """Show a recording until cancelled.

    Args:
        recording: as returned by `recording.read_recording`.
        on_started: called with the page's URL and the single-use URL, as by `run_lab`.
        port: the port of the page; 0 takes a free one.

    Raises:
        OSError: if the port is in use.
    """
    sock, once = listening_socket(port), secrets.token_urlsafe(16)
    async with serve_page(sock, None, recording, once=once) as url:
        on_started(url, _url_of(sock, once))
        await asyncio.get_running_loop().create_future()


def open_browser(url: str) -> bool:
    """Open a page in the default browser. Return False if no browser can be started.

    Args:
        url: a single-use URL, because all users of this machine can read the browser's command line.
    """
    return webbrowser.open(url)
