"""The broker carries publications to all processes with a socket of a receiver. It may lose some; the store does not.

A process that may have missed publications closes the affected sockets with a code that makes clients reconnect, and
the clients catch up from the store. This rule makes a lossy broker safe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Publication:
    """What crosses the broker.

    Attributes:
        payload: the frame's JSON, the same bytes for every receiver; empty if only the membership changes.
        not_to: the device that caused it, which does not receive it.
        droppable: whether it may be shed for a slow socket: typing and presence.
        role: of a presence: the role of its user.
        friends: of a presence: the friends of its user, who may have subscribed to friends only.
        hidden_from: of a presence: the users who do not receive it.
        guid: the group of `joined`.
        joined: the user of this subject became (True) or ceased to be (False) a member of `guid`.
        gone: the hash of a revoked token, whose sockets are closed.
        before: the id of the previous message of the conversation (feature `chain`); 0 if there is none.
        feature: only sockets that were granted this feature receive it.
    """

    payload: bytes = b""
    not_to: str = ""
    droppable: bool = False
    role: str = ""
    friends: frozenset[str] = NOBODY
    hidden_from: frozenset[str] = NOBODY
    guid: str = ""
    joined: bool | None = None
    gone: str = ""
    before: int = 0
    feature: str = ""


PRESENCE = "presence"


def user_subject(uid: str) -> str:
    """Return the subject of a user."""
    return f"user.{uid}"


def group_subject(guid: str) -> str:
    """Return the subject of a group."""
    return f"group.{guid}"


Listener = Callable[[str, Publication], None]


class Broker(Protocol):
    """The broker's interface."""

    def listen(self, listener: Listener) -> None:
        """Set the listener, which receives the publications of all subscribed subjects."""

    def subscribe(self, subject: str) -> None:
        """Receive the publications of a subject."""

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""

    def publish(self, subject: str, publication: Publication) -> None:
        """Send a publication to all subscribers without waiting. Publications of one process keep their order."""
