"""Between whom a message was sent."""

from __future__ import annotations

from tailwire.wire.entities import Action, BaseMessage


def message_between_participants(message: BaseMessage) -> BaseMessage:
    """Return the message whose sender and receiver are the participants of the conversation.

    This is the message itself, unless it is an action message that reports an edit or a deletion: the app may have
    changed the message, and is then the sender of the action message without being a participant. The result is the
    changed message then.
    """
    on = message.action_on if isinstance(message, Action) else None
    return on if isinstance(on, BaseMessage) else message
