"""What a run records: messages that devices sent, and what their listeners received."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tailwire.testing.simulation.contents import NO_CONTENT, Content


@dataclass(slots=True)
class Send:
    """A message that a device tried to send.

    Attributes:
        outcome: `pending`, `acknowledged`, `refused`, or `in doubt` if it may or may not be stored.
        by, life: the sending device, and the number of its app's start.
        place: the receiver, and whether it went through the outbox; order is kept within a place.
        kept: whether it is in the outbox, and so must be stored in the end.
        texts: the texts it may have: edits add to them; "" once it was deleted.
        parent: id of the message in whose thread it is a reply; 0 for none.
        tags: the tags that it may have: edits add to them.
        files: the content of each of its files, by the name under which the server has it.
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
        life: the number of the app's start.
        conversation: the id of the conversation, as clients see it.
        parent: the id of the message in whose thread it is a reply; 0 for none.
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
        life: the number of the app's start.
    """

    key: tuple[Any, ...]
    value: Any
    at: float
    life: int


@dataclass(slots=True)
class Expected:
    """The ids a device must receive after a login: above `after`, up to `until`, except for reported gaps.

    Attributes:
        changes: the number of the newest change at the login; None if it is not known.
        since: the virtual time at which the login was complete.
    """

    after: int
    until: int | None = None
    changes: int | None = None
    since: float = 0.0
