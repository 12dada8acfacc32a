"""Messages that the server itself loses on their way, and which of them nobody could notice (feature `chain`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tailwire.server.ports.broker import Publication
from tailwire.testing.simulation.device import Device

LOSS_PROBABILITY = 0.5


@dataclass(frozen=True, slots=True)
class Loss:
    """A message that did not reach some resources.

    Attributes:
        at: when.
        message: its id.
        resources: the resources of those who would have received it then.
    """

    at: float
    message: int
    resources: frozenset[str]


@dataclass
class Losses:
    """Stands before the broker of a server.

    Attributes:
        left: how many messages are still to be lost.
        before: of each message the one before it in its conversation, as the server said; 0 where it said none.
    """

    now: Callable[[], float]
    chance: Callable[[], float]
    left: int = 0
    lost: list[Loss] = field(default_factory=list)
    before: dict[int, int] = field(default_factory=dict)

    def intercept(self, hub: Any) -> None:
        """A server has started."""
        broker = hub.broker
        honest = broker.publish

        def publish(subject: str, publication: Publication) -> None:
            number = _message_of(publication)
            if number:
                self.before[number] = publication.before
                if self.left and self.chance() < LOSS_PROBABILITY:
                    self.left -= 1
                    resources = frozenset(socket.device for socket in hub._by_subject.get(subject, ()))
                    self.lost.append(Loss(self.now(), number, resources))
                    return
            honest(subject, publication)

        broker.publish = publish

    def unnoticed(self, device: Device, message: int, conversation: str) -> bool:
        """Whether a message was lost for a device, and nothing told it: what is promised ends there.

        It was told when a later one of that conversation came over the same connection that leads back to it.
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
        return not any(self._leads_to(number, message) for number in later)

    def _leads_to(self, number: int, message: int) -> bool:
        while number > message:
            number = self.before.get(number, 0)
        return number == message


def _message_of(publication: Publication) -> int:
    if b'"type":"message","sender"' not in publication.payload:
        return 0
    return int(json.loads(publication.payload)["body"]["id"])
