"""Records what simulated servers do, for the judge. What must never happen is reported at once."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from tailwire.server.app.pushing import PUSH_LEASE
from tailwire.server.app.several import WEBHOOK_LEASE
from tailwire.server.ports.webhook_records import DeliveryRow
from tailwire.testing.simulation.servers_connection import Gate


class BrokenPromise(AssertionError):
    """A promise was broken."""


class Outcome(Enum):
    """The outcome of a delivery, as far as its sender knows it."""

    UNKNOWN = "unknown"
    SENT = "sent"
    REFUSED = "refused"


@dataclass(slots=True)
class Post:
    """A delivery on its way to its receiver.

    Attributes:
        delivery: the id of the delivery.
        process: the identity of the server that sends it.
        at: when sending began, on the clock of the event loop.
        failures: the times at which statements of the server failed.
        message: the id of the message that it reports.
    """

    delivery: int
    process: int
    at: float
    failures: list[float] = field(repr=False)
    message: int
    outcome: Outcome = Outcome.UNKNOWN


@dataclass(slots=True)
class PushPost:
    """A push notification on its way to its device; see `Post`.

    Attributes:
        answered: whether its sender knows that the service has taken it.
    """

    notification: int
    process: int
    at: float
    failures: list[float] = field(repr=False)
    message: int
    answered: bool = False


class Observations:
    """The record of a run, for the judge.

    Attributes:
        acknowledged: the id with which each send was acknowledged, by the tag in its body.
        posts: what was sent to the webhook, in order.
        push_posts: the push notifications that were sent, in order.
        failures: the exceptions of the servers' tasks.
        refuses_until: the time of the event loop until which the receiver of the webhook refuses deliveries.
    """

    def __init__(self) -> None:
        self._tags = itertools.count(1)
        self.acknowledged: dict[int, int] = {}
        self.posts: list[Post] = []
        self.push_posts: list[PushPost] = []
        self.failures: list[BaseException] = []
        self.refuses_until = 0.0

    def next_tag(self) -> int:
        """Return a number for a send that no other send has."""
        return next(self._tags)

    def acknowledge(self, tag: int, number: int) -> None:
        """Record that a send was acknowledged with an id."""
        if tag in self.acknowledged:
            self.failures.append(BrokenPromise(f"send {tag} was acknowledged twice"))
        self.acknowledged[tag] = number

    def record_post(self, gate: Gate, process: int, row: DeliveryRow) -> Post:
        """Record that a server sends a delivery to a webhook; the server must hold the lease now."""
        holder = gate.database.leases.get(WEBHOOK_LEASE + row.webhook)
        if holder != process:
            self.failures.append(
                BrokenPromise(
                    f"process {process} sends delivery {row.id} of a webhook whose lease process {holder} has"
                )
            )
        message = int(msgspec.json.decode(row.body)["message"]["id"])
        self.posts.append(Post(row.id, process, asyncio.get_running_loop().time(), gate.failures, message))
        return self.posts[-1]

    def record_push(self, gate: Gate, process: int, notification: int, message: int) -> PushPost:
        """Record that a server sends a push notification; the server must hold the lease of the provider now."""
        holder = gate.database.leases.get(PUSH_LEASE + "web")
        if holder != process:
            self.failures.append(
                BrokenPromise(
                    f"process {process} sends notification {notification}, and process {holder} has the lease for it"
                )
            )
        post = PushPost(notification, process, asyncio.get_running_loop().time(), gate.failures, message)
        self.push_posts.append(post)
        return post
