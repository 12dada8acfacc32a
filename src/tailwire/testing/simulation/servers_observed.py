"""Record what simulated servers do, for the judge. What must never happen is added to the failures at once."""

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
    """Simulated servers have broken a promise; the message says which."""


class Outcome(Enum):
    """The outcome of sending to a webhook, as far as the sender knows it: unknown until the receiver has answered."""

    UNKNOWN = "unknown"
    SENT = "sent"
    REFUSED = "refused"


@dataclass(slots=True)
class Post:
    """A delivery, which reports a message to a webhook, as one server has sent it.

    Attributes:
        delivery: the id of the delivery.
        process: the id of the server's process in the database.
        at: when sending began, on the clock of the event loop.
        failures: the times at which statements of the server failed (`Gate.failures`); it grows during the run.
        message: the id of the message that it reports.
        outcome: what the server knows about it.
    """

    delivery: int
    process: int
    at: float
    failures: list[float] = field(repr=False)
    message: int
    outcome: Outcome = Outcome.UNKNOWN


@dataclass(slots=True)
class PushPost:
    """A push notification about a message, as one server has sent it to the push service.

    Attributes:
        notification: the id of the notification.
        process, at, failures, message: as in `Post`.
        answered: whether the push service has answered the server that it accepts the notification.
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
        acknowledged: by the tag of a send, the number in the body of its message, the id of the stored message.
        posts: the deliveries that were sent to the webhook, in order.
        push_posts: the push notifications that were sent, in order.
        failures: exceptions of tasks and broken promises; any of them fails the run.
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
        """Return a tag for a send: a number that was not returned before."""
        return next(self._tags)

    def acknowledge(self, tag: int, number: int) -> None:
        """Record that a send was acknowledged: its tag, and the id of the stored message."""
        if tag in self.acknowledged:
            self.failures.append(BrokenPromise(f"send {tag} was acknowledged twice"))
        self.acknowledged[tag] = number

    def record_post(self, gate: Gate, process: int, row: DeliveryRow) -> Post:
        """Record that a server begins to send a delivery to a webhook; the run fails unless it holds the lease.

        Args:
            gate: the server's connections to the database.
            process: the id of its process there.
            row: the delivery.

        Returns:
            The record, whose `outcome` the caller sets.
        """
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
        """Record that a server begins to send a push notification; the run fails unless it holds the provider's lease.

        Args:
            gate: the server's connections to the database.
            process: the id of its process there.
            notification: the id of the notification.
            message: the id of the message that it is about.

        Returns:
            The record, whose `answered` the caller sets.
        """
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
