"""Validates messages. Permissions are in `permissions`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import MessageRow, Trait
from tailwire.server.ports.refusal import Refused

MEDIA = frozenset({"image", "video", "audio", "file"})
MAX_MUID_CHARACTERS = 200
MAX_TYPE_CHARACTERS = 100
MAX_REACTION_CHARACTERS = 100
MAX_MENTIONS = 100
CHANGEABLE = frozenset({"message", "custom", "interactive"})
_SEARCHABLE, _LINKED, _MENTIONS, _ATTACHED = map(int, (Trait.SEARCHABLE, Trait.LINK, Trait.MENTION, Trait.ATTACHMENT))
_MENTION = re.compile(r"<@uid:([A-Za-z0-9_-]{1,100})>")
_LINK = re.compile(r"https?://[^\s<>]", re.IGNORECASE)


def check_receiver(receiver: str | None, receiver_type: str | None) -> None:
    """Check the receiver of a message.

    Raises:
        Refused: ERR_EMPTY_RECEIVER: it is missing; ERR_INVALID_RECEIVER_TYPE: its type is neither `user` nor `group`.
    """
    if not receiver:
        raise Refused("ERR_EMPTY_RECEIVER")
    if receiver_type not in ("user", "group"):
        raise Refused("ERR_INVALID_RECEIVER_TYPE")


def check_content(
    category: str, kind: str, text: object, attachments: int, custom: bool, interactive: bool, size: int, max_bytes: int
) -> None:
    """Check that the content of a message is complete and valid for the category and type of the message.

    Args:
        category: the message's `category`.
        kind: the message's `type`.
        text: `data.text` as it was sent; None without one.
        attachments: the number of attachments with a URL.
        custom: whether `data.customData` is an object.
        interactive: whether `data.interactiveData` is an object.
        size: the size of `data` in bytes.
        max_bytes: the limit for `size`.

    Raises:
        Refused: with the code of `wire.catalogue` for what is missing or wrong.
    """
    if size > max_bytes:
        raise Refused("ERR_INVALID_MESSAGE_DATA", f"data has {size} bytes. Send at most {max_bytes}.")
    if text is not None and not isinstance(text, str):
        raise Refused("ERR_INVALID_MESSAGE_TEXT")
    if category == "message":
        if not kind:
            raise Refused("ERR_EMPTY_MESSAGE_TYPE")
        if kind == "text":
            if not isinstance(text, str) or not text.strip():
                raise Refused("ERR_EMPTY_MESSAGE_TEXT")
        elif kind not in MEDIA:
            raise Refused("ERR_INVALID_MESSAGE_TYPE")
        elif not attachments:
            raise Refused("ERR_EMPTY_MESSAGE_FILE")
    elif category in ("custom", "interactive"):
        if category == "custom" and not custom:
            raise Refused("ERR_EMPTY_CUSTOM_DATA")
        if category == "interactive" and not interactive:
            raise Refused("ERR_INVALID_MESSAGE_DATA", {"data.interactiveData": "Send an object."})
        if not kind or len(kind) > MAX_TYPE_CHARACTERS:
            raise Refused("ERR_INVALID_MESSAGE_TYPE", f"Use a type of 1 to {MAX_TYPE_CHARACTERS} characters.")
    elif not category:
        raise Refused("ERR_EMPTY_MESSAGE_CATEGORY")
    else:
        raise Refused("ERR_INVALID_MESSAGE_CATEGORY")


def check_changeable(message: MessageRow) -> None:
    """Check that a message may be changed: it is neither an action message nor deleted.

    Raises:
        Refused: ERR_MESSAGE_ACTION_NOT_ALLOWED.
    """
    if message.category not in CHANGEABLE or message.deleted_at:
        raise Refused("ERR_MESSAGE_ACTION_NOT_ALLOWED")


def check_removable(message: MessageRow) -> None:
    """Check that a message may be removed completely: it is not an action message. Its content may be deleted already.

    Raises:
        Refused: ERR_MESSAGE_ACTION_NOT_ALLOWED.
    """
    if message.category not in CHANGEABLE:
        raise Refused("ERR_MESSAGE_ACTION_NOT_ALLOWED")


def check_parent(parent: MessageRow, conversation: ConversationKey) -> None:
    """Check that a message in a conversation may be a reply to another message, its parent.

    Args:
        parent: the parent.
        conversation: the key of the conversation of the reply.

    Raises:
        Refused: ERR_WRONG_MESSAGE_THREAD: the parent is in another conversation; ERR_MESSAGE_THREAD_NESTING: the parent
            is itself a reply; ERR_WRONG_MESSAGE_THREAD_CATEGORY: the parent is an action message.
    """
    if parent.conversation_id != conversation:
        raise Refused("ERR_WRONG_MESSAGE_THREAD")
    if parent.parent_id is not None:
        raise Refused("ERR_MESSAGE_THREAD_NESTING")
    if parent.category not in CHANGEABLE:
        raise Refused("ERR_WRONG_MESSAGE_THREAD_CATEGORY")


def check_quoted(quoted: MessageRow, conversation: ConversationKey) -> None:
    """Check that a message in a conversation may quote another message.

    Raises:
        Refused: ERR_MESSAGE_ID_NOT_FOUND: the quoted message is in another conversation.
    """
    if quoted.conversation_id != conversation:
        raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"quotedMessageId": "This message is not in this conversation."})


def check_reaction(reaction: str) -> str:
    """Return a reaction (an emoji or a short word) unchanged, after checking that it is valid.

    Raises:
        Refused: ERR_BAD_REQUEST: it is empty or too long, or has only spaces.
    """
    if not 0 < len(reaction) <= MAX_REACTION_CHARACTERS or reaction.isspace():
        raise Refused(
            "ERR_BAD_REQUEST", {"reaction": f"Use an emoji, or a word of up to {MAX_REACTION_CHARACTERS} characters."}
        )
    return reaction


def mentioned_in(text: str) -> list[str]:
    """Return the uids that a text mentions as `<@uid:UID>`, each once, in their order, at most `MAX_MENTIONS`."""
    if "<@uid:" not in text:
        return []
    return list(dict.fromkeys(uid.lower() for uid in _MENTION.findall(text)))[:MAX_MENTIONS]


def traits_of(text: str | None, mentions: Sequence[str], attachments: int) -> int:
    """Return what the content of a message contains (searchable text, a link …) as bits of `records.Trait`.

    Args:
        text: its text, or None.
        mentions: the uids that the text mentions.
        attachments: how many attachments it has.
    """
    # With plain numbers, because flags of an enum are slow to combine.
    traits = _SEARCHABLE if text else 0
    if text and "://" in text and _LINK.search(text):
        traits |= _LINKED
    if mentions:
        traits |= _MENTIONS
    if attachments:
        traits |= _ATTACHED
    return traits
