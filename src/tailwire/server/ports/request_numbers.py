"""The numbers that clients give to requests that change something.

By its number the server recognises a request that a proxy repeats or delivers late, and refuses it.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

KEPT_SECONDS = 24 * 3600
"""How long a number is kept. Proxies do not hold a request for longer."""


@dataclass(slots=True)
class RequestNumber:
    """The number of a request that is being served.

    Attributes:
        key: identifies the client and what the request changes. Only numbers with the same key are compared.
        number: higher than that of any earlier request with this key.
        taken: whether a write is about to store it, or has stored it. Other writes then do not store it again.
    """

    key: str
    number: int
    taken: bool = False


current_number: ContextVar[RequestNumber | None] = ContextVar("current_number", default=None)
"""The number of the request that is being served; None if it has none.

The first write of the request raises `Refused` with ERR_REQUEST_OUTDATED if this number or a higher one is stored for
its key. Otherwise it stores the number in its transaction."""


class RequestNumberStore(Protocol):
    """Stores the highest number for each key."""

    async def store_number(self, number: RequestNumber) -> None:
        """Store a number, unless a higher one is stored for its key.

        Call it for a request that was refused or wrote nothing, so that it is refused if it arrives again.

        Raises:
            Refused: ERR_UNAVAILABLE: the store cannot write.
        """
