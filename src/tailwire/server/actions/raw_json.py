"""Encoded JSON: encoding, and adding fields to an object that is encoded already.

Messages are stored as encoded JSON. Decoding and encoding them again for each reader would dominate the cost of a page
of history, so fields are added before the closing brace instead. Only this module and `fanout.frames` do that.
"""

from __future__ import annotations

import msgspec

encode = msgspec.json.Encoder().encode
decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

ABSENT, _EMPTY = msgspec.Raw(b"null"), msgspec.Raw(b"{}")


# Defaults come from functions, because msgspec cannot describe a `Raw` default in a JSON schema.


def absent() -> msgspec.Raw:
    """Return encoded `null`: the default of an optional field of the type `Raw`, where msgspec does not allow None."""
    return ABSENT


def empty() -> msgspec.Raw:
    """Return an encoded empty object: the default of a field of the type `Raw` that has to be an object."""
    return _EMPTY


def with_field(json: bytes, name: bytes, value: bytes) -> bytes:
    """Return an encoded object with one more field at its end. It is not checked whether the field exists already.

    Args:
        json: an encoded object with at least one field.
        name: the field's name, without quotation marks.
        value: the field's encoded value.
    """
    return b'%b,"%b":%b}' % (json[:-1], name, value)


def enveloped(data: bytes, meta: bytes = b"") -> bytes:
    """Return the body of a response: an object with `data`, and with `meta` unless it is b"". Both are encoded JSON."""
    return b'{"data":%b,"meta":%b}' % (data, meta) if meta else b'{"data":%b}' % data
