"""Functions for the handlers of pages' requests: a check of the origin, and responses."""

from __future__ import annotations

import asyncio
from typing import Any

from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.asgi import Message, Receive, Scope, Send, headers_of
from tailwire.server.web.front import SAFE_HEADERS, Headers


def check_origin(scope: Scope, code: str) -> None:
    """Check that a request does not come from a page of another origin, by the headers `Sec-Fetch-Site` and `Origin`.

    A request without these headers passes.

    Args:
        scope: the ASGI scope of the request.
        code: the code of the error.

    Raises:
        Refused: with this code, if a header names another origin than that of the server.
    """
    headers = headers_of(scope)
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    host = headers.get(b"host", b"")
    if site not in (None, b"same-origin") or (origin is not None and origin.partition(b"://")[2] != host):
        raise Refused(code)


def receive_until_ended(receive: Receive, ended: asyncio.Event) -> Receive:
    """Return an ASGI `receive` like the given one, which also returns `http.disconnect` once `ended` is set."""

    async def receive_or_end() -> Message:
        waits = {asyncio.ensure_future(receive()), asyncio.ensure_future(ended.wait())}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:  # even when no caller waits any longer: a session may last for hours
            for task in waits:
                task.cancel()
        result: Any = next((one.result() for one in done if one.result() is not True), None)
        return result or {"type": "http.disconnect"}

    return receive_or_end


async def send_json(send: Send, status: int, body: bytes, more: Headers) -> None:
    """Send a JSON response with headers that keep other pages from reading it, and caches from storing it.

    Args:
        send: the `send` of ASGI.
        status: the HTTP status.
        body: the encoded JSON.
        more: further headers.
    """
    headers = [
        (b"content-length", b"%d" % len(body)),
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        *SAFE_HEADERS,
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
