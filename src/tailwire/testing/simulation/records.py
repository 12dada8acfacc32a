"""What a run records: messages that devices sent, and what their listeners received."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tailwire.testing.simulation.contents import NO_CONTENT, Content


@dataclass(slots=True)
class Send:
    """A message that a device tried to send.

    Attributes:
        by, life: the name of the sending device, or `backend`; and the life of its app (see `Device`).
        place: the receiver, and whether the message went through the outbox. Messages that one life of an app sends to
            the same place are stored in the order in which they were sent.
        muid: the id that the client gave it, under which the server stores it once.
        texts: the texts that it may have: each edit adds one, a deletion adds "".
        outcome: `pending`, `acknowledged`, `refused`, or `in doubt` if it may or may not be stored. The oracle sets
            `taken away` if a restored backup does not contain the message, or `removed` if the backend removed it.
        id: its id; 0 unless it is acknowledged.
        kept: whether it is in the outbox, and so must be stored in the end.
        parent: the id of the message in whose thread it is a reply; 0 for none.
        tags: the lists of tags that it may have: each edit with tags adds one.
        files: the content of each of its files, by the name under which the server stores it.
    """

    by: str
    life: int
    place: str
    muid: str
    texts: set[str]
    outcome: str = "pending"
    id: int = 0
    kept: bool = False
    parent: int = 0
    tags: set[tuple[str, ...]] = field(default_factory=lambda: {()})
    files: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class ReceivedMessage:
    """A message that a listener received.

    Attributes:
        at: the virtual time.
        life: the life of the app (see `Device`).
        id: the id of the message.
        text: its text or caption.
        conversation: the id of the conversation, as clients see it.
        parent: the id of the message in whose thread it is a reply; 0 for none.
        content: its tags, mentions and files.
    """

    at: float
    life: int
    id: int
    text: str
    conversation: str
    parent: int = 0
    content: Content = NO_CONTENT


class ReceivedChange(NamedTuple):
    """A change that a listener received.

    Attributes:
        key: what changed, such as `("pin", 7)`.
        value: the new value.
        at: the virtual time.
        life: the life of the app (see `Device`).
    """

    key: tuple[Any, ...]
    value: Any
    at: float
    life: int


@dataclass(slots=True)
class Expected:
    """The messages and changes that a device must receive because of a login, except those in reported gaps.

    Attributes:
        after: the id of the newest message at the login; later ones must be received.
        until: the id up to which they must be received; None without an end, as long as the login lasts.
        changes: the number of the newest change at the login; later ones must be received. None if they need not be.
        since: the virtual time at which the login was complete.
    """

    after: int
    until: int | None = None
    changes: int | None = None
    since: float = 0.0
