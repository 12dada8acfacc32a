"""The broker: carries publications to every process that has a socket of a receiver.

A publication is sent under a subject, such as that of a user or a group. A process subscribes to the subjects of its
sockets.

A broker may lose publications, because what matters is stored. A process that may have missed messages reads them from
the store (see `fanout.log`), and so does one that may have missed a change, such as a reaction, a receipt or a pin (see
`fanout.change_healing`). What is not stored (typing, presence, transient messages) may be lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from tailwire.server.ports.changes import Change
from tailwire.server.ports.conversations import ConversationKey, group_in, participants_of

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
        not_to: the device that caused the frame, whose sockets do not receive it; "" if all do. Clients choose the
            names of their devices, so another user may have a device of the same name: see `caused_by`.
        droppable: True for typing and presence, which a slow socket can do without.
        predecessor_id: the id of the preceding message in the conversation, which sockets with the feature `chain`
            receive; 0 if there is none.
        audience: which subscribers receive a presence frame; None for other frames.
        feature: the feature (an extension of the protocol) that a socket needs to receive the frame; "" for none.
        id: the id of the stored message that the frame carries; 0 for other frames.
        number: the number, in the change log, of the change that the frame reports, which sockets with the feature
            `chain` receive; 0 if it reports none.
        membership_end: for a message that announces that a user joined: the id of the message with which their
            previous membership of the group ended. That user's sockets with the feature `chain` receive it as the
            predecessor. 0 if there is none.
        caused_by: the uid of the user whose device `not_to` is. "" in a publication of an older version of the server,
            for which the name of the device has to do.
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
    caused_by: str = ""


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """Published under the subject of a user who joined or left a group.

    Attributes:
        joined: whether the user joined the group `guid`, rather than left it.
        id: the id of the message that announces this; 0 if there is none.
    """

    guid: str
    joined: bool
    id: int = 0


@dataclass(frozen=True, slots=True)
class TokenRevoked:
    """Published under the subject of a user whose auth token was revoked, so that its sockets are closed.

    Attributes:
        token: the hash of the token.
    """

    token: str


@dataclass(frozen=True, slots=True)
class PresenceDelta:
    """A report of the users whose state at one process has changed.

    Attributes:
        process: the id of the process.
        version: increases by 1 with each report of a process, so that a missed one is noticed; 0 if the process has
            ended, so that no user is online there.
        users: for each of these users the uid, whether they are online at the process, and whether they are away
            there, that is, all their apps there are in the background.
    """

    process: int
    version: int
    users: tuple[tuple[str, bool, bool], ...]


@dataclass(frozen=True, slots=True)
class DeliveriesQueued:
    """Reports that deliveries were queued for webhooks, to the servers that send the deliveries of these webhooks.

    Attributes:
        webhooks: the ids of the webhooks.
    """

    webhooks: tuple[str, ...]


Publication = FramePublication | MembershipChange | TokenRevoked | PresenceDelta | DeliveriesQueued
"""The types that cross the broker. The hub has a handler for each of them."""

PRESENCE_SUBJECT = "presence"
"""The subject of all presence frames."""

PRESENCE_DELTAS_SUBJECT = "presence.deltas"
"""The subject of `PresenceDelta` publications."""

DELIVERIES_SUBJECT = "deliveries"
"""The subject of `DeliveriesQueued` publications."""


def user_subject(uid: str) -> str:
    """Return the subject under which publications for a user are sent."""
    return f"user.{uid}"


def group_subject(guid: str) -> str:
    """Return the subject under which publications for the members of a group are sent."""
    return f"group.{guid}"


def conversation_subjects(conversation: ConversationKey) -> tuple[str, ...]:
    """Return the subjects under which a message of a conversation is published: the group's, or each participant's.

    Sender and receiver of a message do not tell them: when the app edits or deletes a message between two users, the
    sender of the action message is not a participant.
    """
    guid = group_in(conversation)
    return (group_subject(guid),) if guid else tuple(map(user_subject, participants_of(conversation)))


Listener = Callable[[str, Publication], None]
"""Handles a publication, given its subject."""


class Broker(Protocol):
    """The broker, as actions and the hub see it."""

    @property
    def settled(self) -> int:
        """The number in the change log up to which every change was written to the sockets of this process that it
        concerns; 0 if that is not known."""

    def listen(self, listener: Listener) -> None:
        """Set the function that receives each publication of a subscribed subject."""

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""

    def publish(self, subject: str, publication: Publication) -> None:
        """Send a publication to all subscribers without waiting. Publications of one process keep their order."""

    async def wait_confirmed(self) -> None:
        """Wait until the subscriptions are in effect. What is published to them after the return is received."""

    @property
    def passed(self) -> Callable[[int], Awaitable[None]]:
        """An async function that takes the id of a committed message or change, and waits until this process has
        delivered all publications up to it to its listener. It raises `Refused` with ERR_UNAVAILABLE if that takes
        some seconds, because the store cannot be read."""


class Record(NamedTuple):
    """The notice to other processes that one process has committed a batch (writes in one transaction).

    Attributes:
        first, last: the lowest and the highest id that the batch has taken, for messages and for changes.
        changes: the changes, in the batch, of rows that processes keep in memory.
    """

    first: int
    last: int
    changes: tuple[Change, ...] = ()


class NewsReceiver(Protocol):
    """Receives news from other processes: their publications, and the records of their commits."""

    def received(self, subject: str, publication: Publication) -> None:
        """Handle a publication of another process."""

    def recorded(self, record: Record) -> None:
        """Handle the record of another process's batch. The publications of the batch were passed to `received` before.

        If the broker does not carry messages (`carries_messages`), those of stored messages were not.
        """

    def connection_changed(self) -> None:
        """Handle that the connection to the broker was lost or restored (see `RemoteBroker.connected`)."""


class RemoteBroker(Protocol):
    """The part of a broker that reaches other processes. It delivers nothing to its own process.

    Attributes:
        carries_messages: whether the broker sends publications of stored messages to other processes. If not, it
            sends only the record of a batch, and the other processes read its messages from the store.
    """

    carries_messages: bool

    @property
    def connected(self) -> bool:
        """Whether news from other processes arrives."""

    async def start(self, receiver: NewsReceiver) -> None:
        """Try once to connect, and from then on reconnect in the background whenever there is no connection.

        Args:
            receiver: receives the publications and records of other processes, in the thread of the event loop.
        """

    def record_look(self, *, alone: bool, began: float) -> None:
        """Record whether other processes use the store. While none does, a broker need not send anything.

        Args:
            alone: whether this process was the only one.
            began: when the look at the store began that found this, by the clock of the event loop.
        """

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""

    async def wait_confirmed(self) -> None:
        """Wait until the subscriptions that were made so far are in effect, or the connection is lost."""

    def publish(self, subject: str, publication: Publication) -> None:
        """Send a publication to other processes without waiting. It may be lost."""

    def record(self, record: Record, publications: Sequence[tuple[str, Publication]]) -> None:
        """Send the publications of a committed batch, and then its record, without waiting.

        Receivers take the batch for complete when the record arrives. So if a publication cannot be sent, the record
        is not sent either, and they read the batch from the store. Nothing is sent if the store announces batches.

        Args:
            record: the record of the batch.
            publications: each with its subject; empty if the broker does not carry messages.
        """

    async def close(self) -> None:
        """Send what is queued, if that is possible at once, and disconnect."""
