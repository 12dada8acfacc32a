"""Where HTTP becomes calls, and refusals become answers: headers, bodies, queries, errors."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from tailwire.server.actions.present import encode
from tailwire.server.ports.refusal import Refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ENDED = "The request ended before its body."
CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"*, authorization"),  # which "*" does not cover
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-max-age", b"86400"),
    (b"access-control-expose-headers", b"*"),
]
JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *CORS]


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """The headers of a request; of repeated ones the last."""
    return dict(scope["headers"])


def text(value: bytes | None) -> str:
    """A header's value."""
    return value.decode("latin-1") if value else ""


async def read_body(receive: Receive, most: int) -> bytes:
    """The whole body.

    Raises:
        Refused: ERR_TOO_LARGE, while reading; ERR_BAD_REQUEST, when it ends before it is whole. One that stalls is
            ended with its connection (see `movement`).
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Refused("ERR_BAD_REQUEST", ENDED)
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and len(body) <= most:
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        if size > most:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused("ERR_BAD_REQUEST", ENDED)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > most:
        raise Refused("ERR_TOO_LARGE", f"At most {most} bytes are taken.")
    return b"".join(parts)


def pairs_of(query: bytes) -> dict[str, str]:
    """The query of a request; of repeated names the last counts, `name[]` is `name`.

    Raises:
        Refused: ERR_BAD_REQUEST.
    """
    if not query:
        return {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=False, max_num_fields=100)
    except (UnicodeDecodeError, ValueError) as e:
        raise Refused("ERR_BAD_REQUEST", {"query": "The query cannot be read."}) from e
    return {name.removesuffix("[]"): value for name, value in pairs}


async def answer(send: Send, status: int, body: bytes, more: list[tuple[bytes, bytes]] | None = None) -> None:
    """Send an answer; JSON, unless `more` says otherwise."""
    plain = CORS if more and any(name == b"content-type" for name, _ in more) else JSON
    headers = [(b"content-length", b"%d" % len(body)), *(more or ()), *plain]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def problem(refused: Refused) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """A refusal as an answer: status, body, headers."""
    more = []
    if refused.retry_after is not None:
        more.append((b"retry-after", b"%d" % max(1, math.ceil(refused.retry_after))))
    return refused.status, encode({"error": refused.as_error()}), more
