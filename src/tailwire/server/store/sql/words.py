"""Splits messages and searches into words for the full-text index.

Each message is indexed under one more word, which stands for its conversation, so that a search can be limited to some
conversations.
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import blake2b
from unicodedata import category, normalize

import msgspec

from tailwire.server.ports.conversations import ConversationKey, id_of
from tailwire.wire.bounds import parseable

MAX_WORD_LENGTH = 500
MAX_WORD_BYTES = 500_000
_WORD = re.compile(r"\S+")
_FIRST_ACCENT = 0x300
_ACCENTS = 0x000361F8_08029FDF  # those that `unicode61` removes, from the first on


class _Data(msgspec.Struct):
    text: str = ""


class _Body(msgspec.Struct):
    data: _Data = msgspec.field(default_factory=_Data)


_decode = msgspec.json.Decoder(_Body).decode


def text_of(body: bytes) -> str:
    """Return the searchable text of a stored message; "" if it has none, or strict parsers refuse the message."""
    try:
        return _decode(parseable(body)).data.text
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def conversation_word(conversation: ConversationKey) -> str:
    """Return the word under which the messages of a conversation are indexed.

    It is derived from the id that clients see, which two conversations may share. So the index only narrows a search
    down, and the query for the messages compares the key.
    """
    return "c" + blake2b(id_of(conversation).encode(), digest_size=8).hexdigest()


def words_of(text: str) -> list[str]:
    """Return the words of a text, each once, as SQLite's tokenizer `unicode61` makes them: lower case, without accents.

    A word is cut off after `MAX_WORD_LENGTH` characters. Words beyond about `MAX_WORD_BYTES` in all are left out.
    """
    found: dict[str, None] = {}
    room = MAX_WORD_BYTES
    for word in _WORD.findall("".join(map(_folded, text.lower() if text.isascii() else text))):
        short = word[:MAX_WORD_LENGTH]
        if short not in found:
            room -= 4 * len(short)
            if room < 0:
                break
            found[short] = None
    return list(found)


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    # Return the character as words contain it: in lower case and without an accent; "" if it is only an accent; a space
    # if it separates words.
    if _is_accent(character):
        return ""
    kind = category(character)
    if kind[0] not in "LN" and kind != "Co":
        return " "
    low = character.casefold()
    if len(low) > 1:
        low = character.lower()
    parts = normalize("NFD", low)
    return parts[0] if len(parts) == 2 and parts[0].isascii() and _is_accent(parts[1]) else low


def _is_accent(character: str) -> bool:
    number = ord(character) - _FIRST_ACCENT
    return 0 <= number < 64 and bool(_ACCENTS >> number & 1)
