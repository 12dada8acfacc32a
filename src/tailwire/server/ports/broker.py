"""The broker: carries publications to every process that has a socket of a receiver.

A broker may lose publications, because the store does not: a process that may have missed stored messages reads them
(see `fanout.log`), and one that has not received a change, such as a reaction, a receipt or a pin, reads the change
(see `fanout.change_healing`). Events that are not stored (typing, presence, transient messages) may be lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tailwire.server.ports.changes import Change

NO_USERS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PresenceAudience:
    """The presence subscribers who receive a frame about a user.

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


class FramePublication(NamedTuple):
    """A frame for the sockets of a subject (a tuple, because one is made for each message).

    Attributes:
        payload: the JSON of the frame, the same bytes for every receiver.
        not_to: the device that caused the frame, whose sockets do not receive it; "" if all do.
        droppable: True for typing and presence, which a slow socket can do without.
        predecessor_id: the id of the preceding message in the conversation (feature `chain`); 0 if there is none.
        audience: which subscribers receive a presence frame; None for other frames.
        feature: the feature that a socket needs to receive the frame; "" for none.
        id: the id of the stored message that the frame carries; 0 for other frames.
        number: the number, in the change log, of the change that the frame reports (feature `chain`); 0 if none.
        membership_end: if it announces that a user joined, the id of the message with which their last membership of
            the group ended: the one that precedes it for this user (feature `chain`); 0 if there is none.
    """

    payload: bytes
    not_to: str = ""
    droppable: bool = False
    predecessor_id: int = 0
    audience: PresenceAudience | None = None
    feature: str = ""
    id: int = 0
    number: int = 0
    membership_end: int = 0


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """The user of the subject joined (`joined`) or left the group `guid`.

    Attributes:
        id: the id of the message that announces it; 0 if there is none.
    """

    guid: str
    joined: bool
    id: int = 0


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """An auth token of the user of the subject was revoked: sockets that authenticated with it are closed.

    Attributes:
        token: the fingerprint of the token.
    """

    token: str


@dataclass(frozen=True, slots=True)
class PresenceDelta:
    """A process's report of the users who came online, went offline, or are away there.

    Attributes:
        process: the id of the process.
        version: increases by 1 with each report; 0 if the process has ended, so that no user is online there.
        users: for each user the uid, whether they are online there, and whether they are away there.
    """

    process: int
    version: int
    users: tuple[tuple[str, bool, bool], ...]


@dataclass(frozen=True, slots=True)
class DeliveriesQueued:
    """Deliveries were queued for webhooks for which another server sends.

    Attributes:
        webhooks: the ids of the webhooks.
    """

    webhooks: tuple[str, ...]


Publication = FramePublication | MembershipChange | TokenRevoked | PresenceDelta | DeliveriesQueued
"""The types that cross the broker. The hub has a handler for each of them."""

PRESENCE_SUBJECT = "presence"
"""The subject of all presence frames."""

PRESENCE_DELTAS_SUBJECT = "presence.deltas"
"""The subject of the reports of processes on their users."""

DELIVERIES_SUBJECT = "deliveries"
"""The subject of queued deliveries to webhooks."""


def user_subject(uid: str) -> str:
    """Return the subject of a user."""
    return f"user.{uid}"


def group_subject(guid: str) -> str:
    """Return the subject of a group."""
    return f"group.{guid}"


def conversation_subjects(sender: str, receiver: str, receiver_type: str) -> tuple[str, ...]:
    """Return the subjects of a conversation's participants."""
    if receiver_type == "group":
        return (group_subject(receiver),)
    return (user_subject(receiver),) if sender == receiver else (user_subject(receiver), user_subject(sender))


Listener = Callable[[str, Publication], None]
"""Handles a publication, given its subject."""


class Broker(Protocol):
    """The broker, as actions and the hub see it."""

    @property
    def settled(self) -> int:
        """The number in the change log up to which all changes were written to their sockets; 0 if it is not known."""

    def listen(self, listener: Listener) -> None:
        """Set the function that receives each publication of a subscribed subject."""

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""

    def publish(self, subject: str, publication: Publication) -> None:
        """Send a publication to all subscribers without waiting. Publications of one process keep their order."""

    async def wait_confirmed(self) -> None:
        """Return when the subscriptions are in effect: what is published to them from then on is received."""

    @property
    def passed(self) -> Callable[[int], Awaitable[None]]:
        """An async function that takes a committed id, and returns when everything up to it has been delivered."""


class Record(NamedTuple):
    """The ids of a batch that one process has committed, and its changes.

    Attributes:
        first, last: the lowest and the highest id, including ids that no message has.
    """

    first: int
    last: int
    changes: tuple[Change, ...] = ()


class NewsReceiver(Protocol):
    """The receiver of news from other processes."""

    def received(self, subject: str, publication: Publication) -> None:
        """Handle a publication of another process."""

    def recorded(self, record: Record) -> None:
        """Handle the record of another process's batch, whose publications have been received before."""

    def connection_changed(self) -> None:
        """Record that the connection to the broker was lost or restored."""


class RemoteBroker(Protocol):
    """The part of a broker that reaches other processes. It delivers nothing to its own process.

    Attributes:
        carries_messages: whether publications of stored messages reach other processes. Otherwise these read each
            recorded message from the store.
    """

    carries_messages: bool

    @property
    def connected(self) -> bool:
        """Whether news from other processes arrives."""

    async def start(self, receiver: NewsReceiver) -> None:
        """Connect, and stay connected: reconnect whenever the connection is lost.

        Args:
            receiver: receives the news of other processes.
        """

    def record_look(self, *, alone: bool, began: float) -> None:
        """Record whether other processes share the store: a broker may send nothing while none does.

        Args:
            alone: whether this process was the only one.
            began: when that was looked up, by the clock of the event loop.
        """

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""

    async def wait_confirmed(self) -> None:
        """Return when the subscriptions that were made so far are in effect, or the connection is lost."""

    def publish(self, subject: str, publication: Publication) -> None:
        """Send a publication that may be lost."""

    def record(self, record: Record, publications: Sequence[tuple[str, Publication]]) -> None:
        """Send the publications of a batch, each with its subject, and then its record: over one connection, or not."""

    async def close(self) -> None:
        """Send what is queued, if that is possible at once, and disconnect."""
