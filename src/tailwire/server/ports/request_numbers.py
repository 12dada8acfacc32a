"""The numbers that clients give to their requests: a request that a proxy repeats or delivers late changes nothing."""

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
        key: stands for the client and for what the request changes.
        number: higher than that of any earlier request of this client about the same thing.
        taken: whether a write is about to store it, or has stored it.
    """

    key: str
    number: int
    taken: bool = False


current_number: ContextVar[RequestNumber | None] = ContextVar("current_number", default=None)
"""The number of the request that is being served; None if it has none. The first write of the request is refused with
ERR_REQUEST_OUTDATED unless the number is higher than the one that is stored, and stores it in its transaction."""


class RequestNumberStore(Protocol):
    """The highest number for each key."""

    async def store_number(self, number: RequestNumber) -> None:
        """Store the number of a request that was refused or changed nothing, so that it changes nothing later.

        A higher number that is stored already remains.
        """
