"""The broker: carries publications to every process that has a socket of a receiver. May lose them: the store does not.

A process that may have missed publications closes the sockets concerned with a come-back code; the clients catch up
from the store. That one rule makes a lossy broker safe.
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
        payload: the frame's JSON, the same bytes for every receiver; empty where only the membership changes.
        not_to: the device that caused it and does not hear of it.
        droppable: typing or presence: a slow socket can do without.
        role: presence: the role of the user whose it is.
        friends: presence: their friends, who may have subscribed to that alone.
        hidden_from: presence: those who do not hear of it.
        joined: a membership began (True) or ended (False) of the user whose subject this is, in `guid`.
        gone: a token was taken back: sockets that it opened are closed.
        before: the id of the message before this one in its conversation (feature `chain`); 0 where there is none.
        feature: only sockets that were granted it hear of this.
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
    """The subject of a user."""
    return f"user.{uid}"


def group_subject(guid: str) -> str:
    """The subject of a group."""
    return f"group.{guid}"


Listener = Callable[[str, Publication], None]


class Broker(Protocol):
    """The broker's interface."""

    def listen(self, listener: Listener) -> None:
        """Name the one who takes what comes."""

    def subscribe(self, subject: str) -> None:
        """Begin to take the publications of a subject."""

    def unsubscribe(self, subject: str) -> None:
        """Take them no longer."""

    def publish(self, subject: str, publication: Publication) -> None:
        """Give a publication to all who subscribed; never waits. Publications of one process keep their order."""
