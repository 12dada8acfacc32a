"""Words of messages for the full-text index, and of a search. One word stands for the conversation."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from tailwire.server.ports.conversations import ConversationKey, id_of
from tailwire.wire.bounds import harmless


class _Data(msgspec.Struct):
    text: str = ""


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_decode = msgspec.json.Decoder(_Body).decode


def text_of(body: bytes) -> str:
    """Return the searchable text of a stored message."""
    try:
        return _decode(harmless(body)).data.text
    except msgspec.ValidationError:
        return ""


def place(conversation: ConversationKey) -> str:
    """Return the word that stands for a conversation in the full-text index.

    It is derived from the id that clients see, which two conversations may share: the index only narrows the search,
    and matches are looked up by the key.
    """
    return "c" + blake2b(id_of(conversation).encode(), digest_size=8).hexdigest()
