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
"""The maximum number of items of a list in a query; further ones are ignored."""


class Access(StrEnum):
    """The credentials that an operation needs."""

    ANYONE = "anyone"
    USER = "user"  # an auth token, or a REST key (for a user or for the app itself)
    PASS = "pass"  # the pass for a WebSocket, in the authorization header
    KEY = "key"  # any API key
    ADMIN = "admin"  # a REST key


@dataclass(frozen=True, slots=True)
class Streamed:
    """A response whose body is sent in chunks; it has no body if `chunks` is None."""

    status: int
    headers: list[tuple[bytes, bytes]]
    chunks: AsyncIterator[bytes] | None = None


@dataclass(slots=True)
class Call:
    """A validated request on its way to a handler.

    Attributes:
        params: the values of the path's parameters, by name.
        caller: the authenticated caller; their uid is "" for `Access.ANYONE` and `Access.KEY`.
        body, query: the decoded body and query, instances of the types in the `Operation`; None if it has none.
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
        path: the path with its parameters in braces, such as `/users/{uid}`, without a base path.
        handler: returns the value of `data` in the response, as JSON bytes or an object that can be encoded; the whole
            response if `enveloped`; a `Streamed`; or None for status 204 without a body.
        body, query: the types of body and query; None if the operation has none.
        response: the type of `data`, for the OpenAPI document.
        alternative: a second type of `data`, for the OpenAPI document, if the query or the caller decides which of the
            two is returned.
        media: the content type of a successful response that is not JSON, for the OpenAPI document.
        form_handler: handles the request instead of `handler` if it is `multipart/form-data`.
        acts_for_user: whether a REST key must name a user in the header `onBehalfOf`.
        feature: the key in `rules.features` by which a role can be denied the operation.
        enveloped: whether the handler returns the whole body of the response, not only the value of `data`.
        rate: the rate limit that requests count against.
        cost: called with the decoded body, returns how many requests this one counts as; None for one.
        compressed: whether the response is compressed if the client accepts that. Never set it if the response contains
            a token, a key or any other secret of the server (see `compression`).
        statuses: the successful statuses besides 200, with their descriptions, for the OpenAPI document.
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
    """Decode a query string to an instance of a type. Lists are comma-separated.

    A field that the OpenAPI document describes by an enum takes its values in any case, and no others.

    Raises:
        Refused: ERR_BAD_REQUEST, the query is invalid; details name the field, and what is wrong.
    """
    found: dict[str, Any] = dict(pairs_of(query))
    for name, choices in choices_of(kind).items():
        if name in found:
            found[name] = _chosen(name, choices, found[name])
    for name in lists_of(kind):
        if name in found:
            found[name] = [word for word in found[name].split(",") if word][:MAX_LIST_ITEMS]
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as e:
        what, _, where = str(e).partition(" - at `$.")
        raise Refused("ERR_BAD_REQUEST", {where.rstrip("`") or "query": f"{what}."}) from e


def _chosen(name: str, choices: Mapping[str, str], value: str) -> str:
    # Returns a value as the enum spells it: the vendor's JavaScript SDK sends `createdAt` in lower case.
    found = choices.get(value.lower())
    if found is None:
        *others, last = choices.values()
        raise Refused("ERR_BAD_REQUEST", {name: f"Use {', '.join(others)} or {last}."})
    return found


_LISTS: dict[type, tuple[str, ...]] = {}
_CHOICES: dict[type, dict[str, dict[str, str]]] = {}


def lists_of(kind: type) -> tuple[str, ...]:
    """Return the names of the fields of a query type that are lists, as they are spelled in a query string."""
    known = _LISTS.get(kind)
    if known is None:
        fields = msgspec.structs.fields(kind)
        known = _LISTS[kind] = tuple(f.encode_name for f in fields if str(f.type).startswith(("list", "tuple")))
    return known


def choices_of(kind: type) -> Mapping[str, Mapping[str, str]]:
    """Return the fields of a query type that have an enum, as they are spelled in a query string.

    Returns:
        For each field, the values of its enum by their lower-case forms, in its order.
    """
    known = _CHOICES.get(kind)
    if known is None:
        known = _CHOICES[kind] = {}
        for field in msgspec.structs.fields(kind):
            for meta in getattr(field.type, "__metadata__", ()):
                if values := (meta.extra_json_schema or {}).get("enum"):
                    known[field.encode_name] = {value.lower(): value for value in values}
    return known


def parse(body: bytes, kind: type[Q]) -> Q:
    """Decode a JSON body to an instance of a type. An empty body counts as `{}`.

    Raises:
        Refused: ERR_BAD_REQUEST, the body is invalid; details name the field, and what is wrong.
    """
    return decode(body or b"{}", kind)
