"""The broker: carries publications to every process that has a socket of a receiver.

A broker may lose publications, because the store does not: a process that may have missed some closes the sockets
concerned with a code that asks the client to reconnect, and the client catches up from the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

NO_USERS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PresenceAudience:
    """Which presence subscribers receive a frame about a user.

    Attributes:
        role: the user's role; sockets may subscribe to the presence of a role.
        friends: uids of the user's friends, for sockets that subscribed to friends only.
        hidden_from: uids of users with a block in either direction, who never receive the frame.
        feature: the feature that a socket needs to receive the frame; "" for none.
    """

    role: str
    friends: frozenset[str] = NO_USERS
    hidden_from: frozenset[str] = NO_USERS
    feature: str = ""


@dataclass(frozen=True, slots=True)
class FramePublication:
    """A frame for the sockets of a subject.

    Attributes:
        payload: the JSON of the frame, the same bytes for every receiver.
        not_to: the device that caused the frame; its sockets do not receive it.
        droppable: True for typing and presence, which a slow socket can do without.
        before: the id of the preceding message in the conversation (feature `chain`); 0 if there is none.
        audience: for presence only: which subscribers receive it.
        feature: the feature that a socket needs to receive the frame; "" for none.
        number: of the change that the frame reports, in the change log (feature `chain`); 0 if it is not there.
    """

    payload: bytes
    not_to: str = ""
    droppable: bool = False
    before: int = 0
    audience: PresenceAudience | None = None
    feature: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """The user of the subject joined (`joined`) or left the group `guid`."""

    guid: str
    joined: bool


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """An auth token of the user of the subject was revoked: sockets that authenticated with it are closed.

    Attributes:
        token: the fingerprint of the token.
    """

    token: str


Publication = FramePublication | MembershipChange | TokenRevoked
"""What crosses the broker. The hub has a handler for each of these types."""

PRESENCE = "presence"
"""The subject of all presence frames."""


def user_subject(uid: str) -> str:
    """Return the subject of a user."""
    return f"user.{uid}"


def group_subject(guid: str) -> str:
    """Return the subject of a group."""
    return f"group.{guid}"


Listener = Callable[[str, Publication], None]


class Broker(Protocol):
    """The interface of a broker."""

    def listen(self, listener: Listener) -> None:
        """Set the function that receives each publication of a subscribed subject."""

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""

    def publish(self, subject: str, publication: Publication) -> None:
        """Send a publication to all subscribers without waiting. Publications of one process keep their order."""
