"""Drafts of messages: everything about a message that is known before it is stored."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from tailwire.server.actions.content import Content
from tailwire.server.actions.raw_json import encode
from tailwire.server.ports.conversations import ConversationKey, id_of
from tailwire.server.ports.records import Draft, Event, MessageRow

NO_FIELDS: dict[str, Any] = {}


class Outgoing(NamedTuple):
    """A message to send (a tuple, because one is built for each send).

    Attributes:
        receiver: a uid or guid; None or "" is refused.
        receiver_type: `user` or `group`; anything else is refused.
        data: the content, an encoded JSON object.
        muid: the id that the client gave the message, or None. If a user sends several messages with the same one, only
            the first is stored, so that a send can be repeated.
        parent_id: the id of the message to which it replies in a thread, or None.
        quoted_message_id: the id of the message that it quotes, or None.
    """

    receiver: str | None
    receiver_type: str | None
    category: str
    type: str
    data: msgspec.Raw
    muid: str | None = None
    tags: list[str] | None = None
    parent_id: str | int | None = None
    quoted_message_id: str | int | None = None


class Envelope(NamedTuple):
    """The sender, receiver, conversation, category and type of a message."""

    sender: str
    receiver: str
    receiver_type: str
    conversation: ConversationKey
    category: str
    type: str


class References(NamedTuple):
    """The optional parts of a message.

    Attributes:
        fields: further fields of the message's JSON form, such as `muid` and `tags`.
        parent: the message to which it replies in a thread, or None.
        quoted: the message that it quotes, or None.
    """

    fields: dict[str, Any] = NO_FIELDS
    parent: MessageRow | None = None
    quoted: MessageRow | None = None


NO_REFERENCES = References()


def draft(
    envelope: Envelope,
    content: Content,
    now: int,
    events: tuple[Event, ...],
    references: References = NO_REFERENCES,
) -> Draft:
    """Return a message to be stored.

    Args:
        envelope: its sender, receiver, conversation, category and type.
        content: its content.
        now: seconds since 1970.
        events: the webhook events that report the message.
        references: its optional parts; none by default.
    """
    sender, receiver, receiver_type, conversation, category, kind = envelope
    more, parent, quoted = references
    fields = {
        "conversationId": id_of(conversation),
        "sender": sender,
        "receiverType": receiver_type,
        "receiver": receiver,
        "category": category,
        "type": kind,
        "data": content.data,
        "sentAt": now,
        **more,
    }
    return Draft(
        conversation, sender, receiver, receiver_type, category, kind, encode(fields), now, more.get("muid"),
        parent.id if parent else None, quoted.id if quoted else None, content.traits, content.mentions,
        content.updates_conversation, events,
    )  # fmt: skip
