"""Splits what is sent to other processes into payloads of NOTIFY, which are texts of fewer than 8,000 bytes."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict

PIECE_BYTES = 5_400
"""The bytes of data in a payload: 7,200 characters in Base64, and fewer than 7,500 with what precedes them."""
MAX_INCOMPLETE_ITEMS = 64
"""How many items may be received in part at the same time. Beyond that the oldest is dropped."""
MAX_PIECES = 128


class BadPiece(ValueError):
    """A payload does not have the form that `payloads_of` produces."""


def payloads_of(sender: str, number: int, data: bytes) -> list[str]:
    """Return the payloads that carry one item, in the order in which they must be sent: `SENDER:NUMBER:N/COUNT:BASE64`.

    Args:
        sender: the name of the sending process; without a colon.
        number: a number that the process has not used for another item: without it, equal payloads in a transaction
            would be delivered only once.
        data: the item.
    """
    count = max(1, -(-len(data) // PIECE_BYTES))
    return [
        f"{sender}:{number}:{place}/{count}:"
        + base64.b64encode(data[place * PIECE_BYTES : (place + 1) * PIECE_BYTES]).decode()
        for place in range(count)
    ]


class Pieces:
    """Reassembles items that other processes have sent in pieces.

    Args:
        sender: the name of this process, whose own payloads are ignored.
    """

    def __init__(self, sender: str) -> None:
        self._sender = sender
        self._incomplete: OrderedDict[tuple[str, str], list[bytes]] = OrderedDict()

    def add(self, payload: str) -> bytes | None:
        """Process a received payload, and return the item that it completes.

        Returns:
            None if the item is still incomplete, an earlier piece of it is missing, or the payload is this process's
            own.

        Raises:
            BadPiece: the payload does not have the right form.
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
        """Drop all incomplete items, because their other pieces were lost with the connection."""
        self._incomplete.clear()
