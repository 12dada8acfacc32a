"""Lose messages on the server, and find out which of these losses a client cannot detect.

With the feature `chain`, the server sends with each message the id of its predecessor in the conversation, so that a
client notices a missing one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tailwire.sdk.continuity import catch_up
from tailwire.server.ports.broker import FramePublication, Publication
from tailwire.testing.simulation.commits import StoredMessage
from tailwire.testing.simulation.device import Device

LOSS_PROBABILITY = 0.5


@dataclass(frozen=True, slots=True)
class Loss:
    """A message that the server has not delivered to the devices that were connected.

    Attributes:
        at: the virtual time.
        message: the id of the message.
        resources: the resources of the connected devices that should have received it.
    """

    at: float
    message: int
    resources: frozenset[str]


@dataclass
class Losses:
    """Intercepts a server's publications of messages and loses some of them.

    Attributes:
        now: returns the virtual time.
        chance: returns a random number in [0, 1).
        remaining: number of messages still to be lost; each message may be one of them.
        lost: the losses, in order.
        predecessors: by message id, the id of its predecessor in the conversation, as the server announced it; 0 for
            none.
        stored: all messages that were ever stored, by id.
        on_delivered: after the first loss, called for each message that is delivered: with its id, and the resources of
            the devices to which it was sent.
    """

    now: Callable[[], float]
    chance: Callable[[], float]
    remaining: int = 0
    lost: list[Loss] = field(default_factory=list)
    predecessors: dict[int, int] = field(default_factory=dict)
    stored: Mapping[int, StoredMessage] = field(default_factory=dict)
    on_delivered: Callable[[int, frozenset[str]], None] = lambda number, resources: None

    def intercept(self, hub: Any) -> None:
        """Intercept the publications of a server, given its hub. Call it after each start of the server."""
        broker = hub.broker
        honest = broker.publish

        def publish(subject: str, publication: Publication) -> None:
            if isinstance(publication, FramePublication) and (number := _message_of(publication)):
                self.predecessors[number] = publication.predecessor_id
                if self.remaining and self.chance() < LOSS_PROBABILITY:
                    self.remaining -= 1
                    resources = frozenset(socket.device for socket in hub._by_subject.get(subject, ()))
                    self.lost.append(Loss(self.now(), number, resources))
                    return
            honest(subject, publication)
            if self.lost and isinstance(publication, FramePublication) and (number := publication.id):
                sockets = hub._by_subject.get(subject, ())
                self.on_delivered(number, frozenset(s.device for s in sockets if s.device != publication.not_to))

        broker.publish = publish

    def is_unnoticed(self, device: Device, message: int, conversation: str) -> bool:
        """Return whether a device could not detect the loss of a message, and so need not receive the message.

        A loss is detected by a later message of the conversation on the same connection, if the predecessors of that
        lead back to the lost one, and the client has not forgotten what came before (`is_forgotten`).

        Args:
            device: the device.
            message: the id of the message; False is returned if it was not lost.
            conversation: the id of its conversation, as clients see it.
        """
        at = max(
            (loss.at for loss in self.lost if loss.message == message and device.resources & loss.resources),
            default=None,
        )
        if at is None:
            return False
        end = min((t for t in device.ends if t >= at), default=float("inf"))
        later = [
            h.id for h in device.received if h.conversation == conversation and h.id > message and at <= h.at < end
        ]
        return not any(self.leads_to(n, message) and not self.is_forgotten(device, message, n) for n in later)

    def is_forgotten(self, device: Device, message: int, later: int) -> bool:
        """Return whether a client no longer knows, when `later` arrives, whether it has received `message`.

        That is the case if at least as many messages came between the two as a client remembers. It then assumes that
        it has received the first one.

        Args:
            device: the device of the client.
            message: the id of a message.
            later: the id of a later message.
        """
        between = sum(message < one.id < later and device.uid in one.receivers for one in self.stored.values())
        return between >= catch_up.MAX_REMEMBERED_MESSAGES

    def leads_to(self, number: int, message: int) -> bool:
        """Return whether the chain of predecessors of the message `number` contains the earlier message `message`."""
        while number > message:
            number = self.predecessors.get(number, 0)
        return number == message


def _message_of(publication: FramePublication) -> int:
    if b'"type":"message","sender"' not in publication.payload:
        return 0
    return int(json.loads(publication.payload)["body"]["id"])
