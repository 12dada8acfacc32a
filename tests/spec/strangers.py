"""Strangers that answer in the server's place: sign-in pages, proxies, other servers."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from contextlib import contextmanager

from harness import Stage
from tailwire.sdk.connection.causes import Cause
from tailwire.testing.virtual.world import PORT

PAGE = b"<html>sign in</html>"


def answer(status: str, *headers: str, body: bytes = PAGE) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


HTML = "content-type: text/html; charset=utf-8"
JSON = "content-type: application/json"
ANSWERS = {
    "redirect": (answer("302 Found", "location: http://portal/"), Cause.CAPTIVE_PORTAL),
    "redirect to itself": (answer("307 Temporary Redirect", "location: /"), Cause.CAPTIVE_PORTAL),
    "page": (answer("200 OK", HTML), Cause.CAPTIVE_PORTAL),
    "511": (answer("511 Network Authentication Required", HTML), Cause.CAPTIVE_PORTAL),
    "packed page": (answer("200 OK", HTML, "content-encoding: gzip", body=gzip.compress(PAGE)), Cause.CAPTIVE_PORTAL),
    "page not packed as it says": (answer("200 OK", HTML, "content-encoding: gzip"), Cause.CAPTIVE_PORTAL),
    "forbidding page": (answer("401 Unauthorized", HTML), Cause.NOT_OUR_SERVER),
    "proxy wants a password": (answer("407 Proxy Authentication Required", HTML), Cause.PROXY_REFUSED),
    "maintenance": (answer("503 Service Unavailable", HTML, "retry-after: 3600"), Cause.PROXY_REFUSED),
    "too many for the proxy": (answer("429 Too Many Requests", HTML), Cause.PROXY_REFUSED),
    "another API": (answer("200 OK", JSON, body=b'{"status": "ok"}'), Cause.NOT_OUR_SERVER),
    "another API's error": (answer("404 Not Found", JSON, body=b'{"error": "none"}'), Cause.NOT_OUR_SERVER),
    "broken JSON": (answer("200 OK", JSON, body=b'{"data": '), Cause.NOT_OUR_SERVER),
    "deep JSON": (answer("200 OK", JSON, body=b"[" * 10_000), Cause.NOT_OUR_SERVER),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", Cause.CONNECTION_RESET),
}


class Stranger(asyncio.Protocol):
    """Sends the same response to every request, and closes."""

    def __init__(self, answers: bytes) -> None:
        self._answers = answers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._answers)
        self._transport.close()


@contextmanager
def in_its_place(stage: Stage, answers: bytes) -> Iterator[None]:
    """Let the server's address lead to a stranger."""
    server = stage.network._listening[PORT]
    stage.network.listen(PORT, lambda: Stranger(answers))
    stage.network.drop()
    try:
        yield
    finally:
        stage.network._listening[PORT] = server
        stage.network.drop()
