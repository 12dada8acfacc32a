"""Payloads of NOTIFY: text of at most 8,000 bytes, so that larger news comes in pieces."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict

PIECE_BYTES = 5_400
"""Bytes of a piece: 7,200 characters in Base64, and fewer than 7,500 with the head."""
MAX_INCOMPLETE_ITEMS = 64
"""How many news items may be incomplete. Beyond that the oldest is given up."""
MAX_PIECES = 128


class BadPiece(ValueError):
    """A payload is not a piece."""


def payloads_of(sender: str, number: int, data: bytes) -> list[str]:
    """Return the payloads that carry a news item.

    Args:
        sender: the name of the process.
        number: the number of the news, unique in its process: PostgreSQL delivers equal payloads of a transaction once.
    """
    count = max(1, -(-len(data) // PIECE_BYTES))
    return [
        f"{sender}:{number}:{place}/{count}:"
        + base64.b64encode(data[place * PIECE_BYTES : (place + 1) * PIECE_BYTES]).decode()
        for place in range(count)
    ]


class Pieces:
    """Reassembles news from other processes.

    Args:
        sender: the name of this process, whose own news is ignored.
    """

    def __init__(self, sender: str) -> None:
        self._sender = sender
        self._incomplete: OrderedDict[tuple[str, str], list[bytes]] = OrderedDict()

    def add(self, payload: str) -> bytes | None:
        """Process a payload. Return the news that it completes; None if it completes none, or is this process's own.

        Raises:
            BadPiece: the payload is not a piece.
        """
        try:
            sender, number, position, text = payload.split(":", 3)
            place, count = map(int, position.split("/"))
            data = base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error) as e:
            raise BadPiece(str(e)) from e
        if sender == self._sender:
            return None
        if count == 1:
            return data
        if not 0 <= place < count <= MAX_PIECES:
            raise BadPiece(position)
        key = sender, number
        pieces = self._incomplete.setdefault(key, [])
        if len(pieces) != place:  # one before it was lost
            del self._incomplete[key]
            return None
        pieces.append(data)
        if len(pieces) == count:
            del self._incomplete[key]
            return b"".join(pieces)
        if len(self._incomplete) > MAX_INCOMPLETE_ITEMS:
            self._incomplete.popitem(last=False)
        return None

    def clear(self) -> None:
        """Give up what is incomplete, because the connection was lost."""
        self._incomplete.clear()
