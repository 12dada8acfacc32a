"""Declarative description of an API operation: route, authorization, request and response types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.limits.rates import RequestKind
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.asgi import Receive, Scope, header_text, headers_of, pairs_of
from tailwire.server.rules.decoding import decode

Q = TypeVar("Q")

MAX_LIST_ITEMS = 100
"""Items of a list in a query; further ones are ignored."""


class Access(StrEnum):
    """The credentials that an operation needs."""

    ANYONE = "anyone"
    USER = "user"  # an auth token, or a REST key (for a user or for the app itself)
    PASS = "pass"  # the pass for a WebSocket, in the authorization header
    KEY = "key"  # any API key
    ADMIN = "admin"  # a REST key


@dataclass(frozen=True, slots=True)
class Streamed:
    """A response that is sent in chunks; one without chunks has no body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    chunks: AsyncIterator[bytes] | None = None


@dataclass(slots=True)
class Call:
    """A validated request on its way to a handler.

    Attributes:
        params: the variable parts of the path, by name.
        caller: the authenticated caller; without uid for `Access.ANYONE` and `Access.KEY`.
        body, query: instances of the operation's types.
    """

    scope: Scope
    receive: Receive
    params: Mapping[str, str]
    caller: Caller
    body: Any = None
    query: Any = None

    def header(self, name: bytes) -> str:
        """Return a header of the request, or "" if it is absent."""
        return header_text(headers_of(self.scope).get(name))


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """An API operation.

    Attributes:
        handler: returns `data` of the response, encoded or to be encoded; the whole response if `enveloped`; or
            `Streamed`.
        body, query: the types of body and query; None if the operation has none.
        response: the type of `data`, for the documentation.
        alternative: a second type of `data`, if the query or the caller decides which of the two is returned.
        media: the content type of a success that is not JSON, for the documentation.
        form_handler: handles the request instead of `handler` if it is `multipart/form-data`.
        acts_for_user: whether a REST key must name a user in the header `onBehalfOf`.
        feature: the key in `rules.features` by which a role can be denied the operation.
        enveloped: whether the handler returns the whole response, with its envelope.
        rate: the rate limit against which it counts.
        cost: called with the body, returns as how many requests it counts; None for one.
        compressed: whether the response is compressed if the client accepts that. Never set it if the response contains
            a token, a key or any other secret of the server (see `compression`).
        statuses: the statuses besides 200 that do not refuse, with their descriptions, for the documentation.
    """

    method: str
    path: str
    summary: str
    handler: Handler
    access: Access = Access.USER
    body: Any = None
    query: Any = None
    response: Any = None
    alternative: Any = None
    media: str = ""
    form_handler: Handler | None = None
    acts_for_user: bool = False
    feature: str = ""
    enveloped: bool = False
    rate: RequestKind = RequestKind.OTHER
    cost: Callable[[Any], int] | None = None
    compressed: bool = False
    statuses: Mapping[int, str] = field(default_factory=dict)


def read_query(query: bytes, kind: type[Q]) -> Q:
    """Return a query string as an instance of a type: numbers and flags from text, lists from comma-separated text.

    Raises:
        Refused: ERR_BAD_REQUEST, the query is invalid; details name the field, and what is wrong.
    """
    found: dict[str, Any] = dict(pairs_of(query))
    for name in lists_of(kind):
        if name in found:
            found[name] = [word for word in found[name].split(",") if word][:MAX_LIST_ITEMS]
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as e:
        what, _, where = str(e).partition(" - at `$.")
        raise Refused("ERR_BAD_REQUEST", {where.rstrip("`") or "query": f"{what}."}) from e


_LISTS: dict[type, tuple[str, ...]] = {}


def lists_of(kind: type) -> tuple[str, ...]:
    """Return the names, as in a query, of the fields of a query type that are lists."""
    known = _LISTS.get(kind)
    if known is None:
        fields = msgspec.structs.fields(kind)
        known = _LISTS[kind] = tuple(f.encode_name for f in fields if str(f.type).startswith(("list", "tuple")))
    return known


def parse(body: bytes, kind: type[Q]) -> Q:
    """Return a JSON body as an instance of a type. An empty body is `{}`.

    Raises:
        Refused: ERR_BAD_REQUEST, the body is invalid; details name the field, and what is wrong.
    """
    return decode(body or b"{}", kind)
