"""Encodes publications and records for other processes, which may run another version of the server.

A publication is what an action announces after its commit. A record lists the ids that a commit has taken.

The first byte is the version of the format; the rest is MessagePack. New fields are only added at the end of a struct,
so that older processes ignore them. `decode` raises `UnknownNews` for a kind that it does not know, and brokers count
and ignore these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tailwire.server.ports.broker import (
    DeliveriesQueued,
    FramePublication,
    PresenceAudience,
    PresenceDelta,
    Publication,
    Record,
    TokenRevoked,
)
from tailwire.server.ports.changes import Change

VERSION = b"\x01"
MAX_BYTES = 512 * 1024
"""The largest encoded publication that is sent to other processes. A message is always smaller. A presence frame is
larger if its user has tens of thousands of blocks.
"""


class _Frame(msgspec.Struct, array_like=True, tag="frame"):
    subject: str
    payload: bytes
    not_to: str
    droppable: bool
    predecessor_id: int
    feature: str
    id: int
    audience: tuple[str, frozenset[str], frozenset[str], str] | None = None
    number: int = 0
    ended: int = 0
    caused_by: str = ""


class _Token(msgspec.Struct, array_like=True, tag="token"):
    subject: str
    token: str


class _Presence(msgspec.Struct, array_like=True, tag="presence"):
    subject: str
    process: int
    version: int
    users: tuple[tuple[str, bool, bool], ...]


class _Deliveries(msgspec.Struct, array_like=True, tag="deliveries"):
    subject: str
    webhooks: tuple[str, ...]


class _Record(msgspec.Struct, array_like=True, tag="record"):
    first: int
    last: int
    changes: tuple[Change, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Frame | _Token | _Presence | _Deliveries | _Record).decode


class UnknownNews(ValueError):
    """The bytes have an unknown version, are of an unknown kind, or are damaged."""


def _frame_struct(subject: str, p: FramePublication) -> _Frame:
    a = p.audience
    audience = (a.role, a.friends, a.hidden_from, a.feature) if a is not None else None
    return _Frame(
        subject,
        p.payload,
        p.not_to,
        p.droppable,
        p.predecessor_id,
        p.feature,
        p.id,
        audience,
        p.number,
        p.membership_end,
        p.caused_by,
    )


_STRUCTS: dict[type[Publication], Callable[[str, Any], msgspec.Struct]] = {
    FramePublication: _frame_struct,
    TokenRevoked: lambda subject, p: _Token(subject, p.token),
    DeliveriesQueued: lambda subject, p: _Deliveries(subject, p.webhooks),
    PresenceDelta: lambda subject, p: _Presence(subject, p.process, p.version, p.users),
}
"""For each type of publication that is sent to other processes, the function that makes its struct.

`MembershipChange` is not sent, because other processes read changes of memberships from the store.
"""


def encode_publication(subject: str, publication: Publication) -> bytes:
    """Return an encoded publication; b"" if its type is not sent to other processes, or it exceeds `MAX_BYTES`.

    Args:
        subject: the subject that it is published to, such as that of a user or group.
        publication: what is published.
    """
    make = _STRUCTS.get(type(publication))
    if make is None:
        return b""
    data = VERSION + _encode(make(subject, publication))
    return data if len(data) <= MAX_BYTES else b""


def encode_record(record: Record) -> bytes:
    """Return an encoded record."""
    return VERSION + _encode(_Record(*record))


def decode(data: bytes) -> Record | tuple[str, Publication]:
    """Return what another process has encoded: a record, or a tuple of a subject and a publication.

    Raises:
        UnknownNews: the bytes have another version or an unknown kind, or are damaged.
    """
    if data[:1] != VERSION:
        raise UnknownNews(f"version {data[:1].hex()}")
    try:
        read = _decode(memoryview(data)[1:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise UnknownNews(str(e)) from e
    if isinstance(read, _Record):
        return Record(read.first, read.last, read.changes)
    if isinstance(read, _Token):
        return read.subject, TokenRevoked(read.token)
    if isinstance(read, _Presence):
        return read.subject, PresenceDelta(read.process, read.version, read.users)
    if isinstance(read, _Deliveries):
        return read.subject, DeliveriesQueued(read.webhooks)
    audience = PresenceAudience(*read.audience) if read.audience is not None else None
    return read.subject, FramePublication(
        read.payload, read.not_to, read.droppable, read.predecessor_id, audience, read.feature, read.id, read.number,
        read.ended, read.caused_by,
    )  # fmt: skip
