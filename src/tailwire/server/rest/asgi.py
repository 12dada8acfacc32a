"""ASGI helpers: reads headers, bodies and queries, and sends responses and refusals."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from tailwire.server.actions.raw_json import encode
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.whole_responses import WholeResponses
from tailwire.server.rules.decoding import NO_NUL

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_CACHED_QUERY_BYTES = 100
INCOMPLETE_BODY_TEXT = "The request ended before its body was complete."
CORS_HEADERS = [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*")]
PREFLIGHT_HEADERS = [
    (b"access-control-allow-headers", b"*, authorization"),  # which "*" does not cover
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-max-age", b"86400"),
]
"""Headers of the response to an OPTIONS request; browsers read them only there."""
JSON_HEADERS = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *CORS_HEADERS]
_JSON_LINES = b"".join([b"%b: %b\r\n" % header for header in JSON_HEADERS])


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers of a request by lower-case name; the last value if a name is repeated."""
    return dict(scope["headers"])


def header_text(value: bytes | None) -> str:
    """Return a header value as text, or "" if the header is absent."""
    return value.decode("latin-1") if value else ""


async def read_body(receive: Receive, max_bytes: int) -> bytes:
    """Return the body of a request. A connection whose body stalls is closed elsewhere (see `stalls`).

    Raises:
        Refused: ERR_TOO_LARGE, as soon as more than `max_bytes` were read; ERR_BAD_REQUEST, the client disconnected
            before the body was complete.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Refused("ERR_BAD_REQUEST", INCOMPLETE_BODY_TEXT)
    body: bytes = message.get("body", b"")
    if not message.get("more_body") and len(body) <= max_bytes:
        return body
    parts = [body]
    size = len(body)
    while message.get("more_body"):
        if size > max_bytes:
            break
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused("ERR_BAD_REQUEST", INCOMPLETE_BODY_TEXT)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > max_bytes:
        raise Refused("ERR_TOO_LARGE", f"Send at most {max_bytes} bytes.", limit="max_body")
    return b"".join(parts)


def pairs_of(query: bytes) -> dict[str, str]:
    """Return the query of a request by name; the last value if a name is repeated. `name[]` is read as `name`.

    Names without a value are left out.

    Raises:
        Refused: ERR_BAD_REQUEST, the query is not ASCII, has more than 100 fields, or contains U+0000.
    """
    if not query:
        return {}
    return dict(_recent_pairs(query) if len(query) <= MAX_CACHED_QUERY_BYTES else _pairs(query))


def _pairs(query: bytes) -> tuple[tuple[str, str], ...]:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=False, max_num_fields=100)
    except (UnicodeDecodeError, ValueError) as e:
        raise Refused("ERR_BAD_REQUEST", {"query": "The query string is invalid."}) from e
    if b"%00" in query or b"\0" in query:
        raise Refused("ERR_BAD_REQUEST", {"query": NO_NUL})
    return tuple([(name.removesuffix("[]"), value) for name, value in pairs])


_recent_pairs = lru_cache(maxsize=500)(_pairs)
"""`_pairs` with a cache of recent query strings: many clients request the first page of a list in the same way."""


async def respond(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send a JSON response in one piece.

    Args:
        headers: further headers. The length and the type of the body and the headers for caching and CORS are added.
    """
    request = getattr(send, "__self__", None)
    if not (isinstance(request, WholeResponses) and request.respond(status, headers, _JSON_LINES, body)):
        headers = [(b"content-length", b"%d" % len(body)), *headers, *JSON_HEADERS]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def error_response(refused: Refused) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Return the status, the JSON body and the further headers of the response to a refused request."""
    more = []
    if refused.retry_after is not None:
        more.append((b"retry-after", b"%d" % max(1, math.ceil(refused.retry_after))))
    return refused.status, encode({"error": refused.as_error()}), more
