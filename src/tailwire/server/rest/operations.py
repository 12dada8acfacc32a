"""What an operation of the API is: how, by whom and with what it is asked, and what it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.limits.rates import Kind
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.asgi import Receive, Scope, headers_of, pairs_of, text
from tailwire.server.rules.decoding import decode

Q = TypeVar("Q")


class Access(StrEnum):
    """Who may ask."""

    ANYONE = "anyone"
    USER = "user"  # an auth token, or a REST key (on behalf of a user or of the app)
    PASS = "pass"  # a user, by the pass for a WebSocket in the authorization header
    KEY = "key"  # any API key
    ADMIN = "admin"  # a REST key


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer in pieces."""

    status: int
    headers: list[tuple[bytes, bytes]]
    pieces: AsyncIterator[bytes] | None = None


@dataclass(slots=True)
class Call:
    """One request on its way to a handler, checked.

    Attributes:
        params: what stands in the path, by name.
        caller: who asks; for `Access.ANYONE` and `Access.KEY` nobody in particular.
        body, query: as the operation's types say.
    """

    scope: Scope
    receive: Receive
    params: Mapping[str, str]
    caller: Caller
    body: Any = None
    query: Any = None

    def header(self, name: bytes) -> str:
        """A header; "" when it is not there."""
        return text(headers_of(self.scope).get(name))


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        handler: gives the `data` of the answer, encoded or to be encoded; with `whole` all of it; or `Streamed`.
        body, query: types of what is sent; none by default.
        form: takes the request instead, where it is `multipart/form-data`.
        response: the type of `data`, for the documentation.
        behalf: with a REST key it is done for a user, whom the header `onBehalfOf` names.
        feature: the documented key by which a role can be kept from it.
        whole: the handler gives the whole answer, envelope included.
        counts: with what it counts towards the limits of rates.
        worth: as how many it counts, by its body; one by default.
        compressed: its answer is compressed for clients that can read it so. Never where a token, a key or any other
            secret of the server stands in it (see `compression`).
    """

    method: str
    path: str
    summary: str
    handler: Handler
    access: Access = Access.USER
    body: Any = None
    query: Any = None
    response: Any = None
    form_handler: Handler | None = None
    acts_for_user: bool = False
    feature: str = ""
    enveloped: bool = False
    rate: Kind = Kind.OTHER
    cost: Callable[[Any], int] | None = None
    compressed: bool = False


def read_query(query: bytes, kind: type[Q]) -> Q:
    """A query of a known shape: numbers and flags from their text, lists from comma-joined ones.

    Raises:
        Refused: ERR_BAD_REQUEST, by field.
    """
    found: dict[str, Any] = dict(pairs_of(query))
    for name in lists_of(kind):
        if name in found:
            found[name] = [word for word in found[name].split(",") if word][:100]
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as e:
        what, _, where = str(e).partition(" - at `$.")
        raise Refused("ERR_BAD_REQUEST", {where.rstrip("`") or "query": f"{what}."}) from e


_LISTS: dict[type, tuple[str, ...]] = {}


def lists_of(kind: type) -> tuple[str, ...]:
    """The fields of a query that are lists."""
    known = _LISTS.get(kind)
    if known is None:
        fields = msgspec.structs.fields(kind)
        known = _LISTS[kind] = tuple(f.encode_name for f in fields if str(f.type).startswith(("list", "tuple")))
    return known


def parse(body: bytes, kind: type[Q]) -> Q:
    """A JSON body of a known shape.

    Raises:
        Refused: ERR_BAD_REQUEST, by field.
    """
    return decode(body or b"{}", kind)
