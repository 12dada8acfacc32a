"""Where HTTP becomes calls, and refusals become answers: headers, bodies, queries, errors."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.present import encode
from tailwire.server.ports.refusal import Refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
T = TypeVar("T")

CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-max-age", b"86400"),
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
        Refused: ERR_TOO_LARGE, while reading.
    """
    message = await receive()
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
            raise Refused("ERR_BAD_REQUEST", "The request ended before its body.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > most:
        raise Refused("ERR_TOO_LARGE", f"At most {most} bytes are taken.")
    return b"".join(parts)


def parse(body: bytes, kind: type[T]) -> T:
    """A JSON body of a known shape.

    Raises:
        Refused: ERR_BAD_REQUEST, saying where.
    """
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise Refused("ERR_BAD_REQUEST", {"body": str(e)}) from e


class Query:
    """The query of a request."""

    def __init__(self, query: bytes) -> None:
        self._values: dict[str, str] = {}
        if query:
            try:
                self._values = dict(parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=100))
            except (UnicodeDecodeError, ValueError) as e:
                raise Refused("ERR_BAD_REQUEST", {"query": "The query cannot be read."}) from e

    def text(self, name: str) -> str:
        """A text; "" when it is not there."""
        return self._values.get(name, "")

    def flag(self, name: str) -> bool:
        """A flag: `1` and `true` are true."""
        return self._values.get(name, "").lower() in ("1", "true")

    def words(self, name: str) -> tuple[str, ...]:
        """A list, comma-joined."""
        value = self._values.get(name, "")
        return tuple(w for w in value.split(",") if w)[:100]

    def number(self, *names: str, least: int, most: int, default: int | None = None) -> int | None:
        """A whole number within bounds, under the first of the names that is there.

        Raises:
            Refused: ERR_BAD_REQUEST, naming it.
        """
        for name in names:
            value = self._values.get(name, "")
            if value:
                if not value.lstrip("-").isdecimal() or len(value) > 20 or not least <= int(value) <= most:
                    raise Refused("ERR_BAD_REQUEST", {name: f"Use a whole number from {least} to {most}."})
                return int(value)
        return default


class Call:
    """One request on its way to a handler.

    Args:
        params: what stands in the path, by name.
        caller: who calls, checked; `sends=True` counts it as a send.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        params: Mapping[str, str],
        caller: Callable[[Scope, bool], Awaitable[Caller]],
        most_body: int,
    ) -> None:
        self.scope = scope
        self.params = params
        self._receive = receive
        self._caller = caller
        self._most_body = most_body

    async def caller(self, *, sends: bool = False) -> Caller:
        """Who calls.

        Raises:
            Refused: when the app id or the auth token is no good, or too much was asked.
        """
        return await self._caller(self.scope, sends)

    async def body(self) -> bytes:
        """The body."""
        return await read_body(self._receive, self._most_body)

    def header(self, name: bytes) -> str:
        """A header; "" when it is not there."""
        return text(headers_of(self.scope).get(name))

    @property
    def query(self) -> Query:
        """The query."""
        return Query(self.scope["query_string"])

    def page(self) -> tuple[int, int]:
        """Size and number of the page that is asked for."""
        q = self.query
        limit = q.number("per_page", "perPage", "limit", least=1, most=1000, default=30) or 30
        return limit, q.number("page", least=1, most=10_000_000, default=1) or 1


Handler = Callable[[Call], Awaitable[bytes]]
Routes = list[tuple[str, str, Handler]]


async def answer(send: Send, status: int, body: bytes, more: list[tuple[bytes, bytes]] | None = None) -> None:
    """Send an answer."""
    headers = [(b"content-length", b"%d" % len(body)), *JSON]
    if more:
        headers = [*more, *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def data(value: Any) -> bytes:
    """A value in the envelope of success."""
    return b'{"data":%b}' % (value if isinstance(value, bytes) else encode(value))


def problem(refused: Refused) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """A refusal as an answer: status, body, headers."""
    error = {"code": refused.code, "message": refused.entry.message, "details": refused.details}
    more = []
    if refused.retry_after is not None:
        more.append((b"retry-after", b"%d" % max(1, math.ceil(refused.retry_after))))
    return refused.status, encode({"error": error}), more
