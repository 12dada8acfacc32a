"""Notes what simulated servers do, for the judge; what must never happen at any moment is judged at once."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from tailwire.server.app.several import WEBHOOK_LEASE
from tailwire.server.ports.webhook_records import DeliveryRow
from tailwire.testing.simulation.servers_connection import Gate


class Wrong(AssertionError):
    """A promise was broken."""


class Outcome(Enum):
    """What its sender knows of a delivery."""

    UNKNOWN = "unknown"
    SENT = "sent"
    REFUSED = "refused"


@dataclass(slots=True)
class Post:
    """A delivery on its way to its receiver.

    Attributes:
        delivery: its id.
        process: the identity of the server that sends it.
        at: when it began.
        failures: when statements of the server failed.
        message: the id of the message that it reports.
    """

    delivery: int
    process: int
    at: float
    failures: list[float] = field(repr=False)
    message: int
    outcome: Outcome = Outcome.UNKNOWN


class Observations:
    """What happened.

    Attributes:
        acknowledged: the id with which each send was acknowledged, by the tag in its body.
        posts: what was sent to the webhook, in order.
        failures: what tasks of servers raised.
        refuses_until: until when the receiver of the webhook refuses deliveries.
    """

    def __init__(self) -> None:
        self._tags = itertools.count(1)
        self.acknowledged: dict[int, int] = {}
        self.posts: list[Post] = []
        self.failures: list[BaseException] = []
        self.refuses_until = 0.0

    def tag(self) -> int:
        """Return a number that no other send has."""
        return next(self._tags)

    def acknowledge(self, tag: int, number: int) -> None:
        """Note that a send was acknowledged with an id."""
        if tag in self.acknowledged:
            self.failures.append(Wrong(f"send {tag} was acknowledged twice"))
        self.acknowledged[tag] = number

    def posting(self, gate: Gate, process: int, row: DeliveryRow) -> Post:
        """Note that a server sends a delivery to a webhook; it must have the lease at this moment."""
        holder = gate.database.leases.get(WEBHOOK_LEASE + row.webhook)
        if holder != process:
            self.failures.append(
                Wrong(f"process {process} sends delivery {row.id} of a webhook whose lease process {holder} has")
            )
        message = int(msgspec.json.decode(row.body)["message"]["id"])
        self.posts.append(Post(row.id, process, asyncio.get_running_loop().time(), gate.failures, message))
        return self.posts[-1]
