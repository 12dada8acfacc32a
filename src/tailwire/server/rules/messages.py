"""What a message must be. Who may do what to it stands in `permissions`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import MessageRow, Trait
from tailwire.server.ports.refusal import Refused

MEDIA = frozenset({"image", "video", "audio", "file"})
MAX_MUID = 200
MAX_TYPE = 100
MAX_REACTION = 100
MAX_MENTIONS = 100
CHANGEABLE = frozenset({"message", "custom", "interactive"})
_MENTION = re.compile(r"<@uid:([A-Za-z0-9_-]{1,100})>")
_LINK = re.compile(r"https?://[^\s<>]", re.IGNORECASE)


def check_receiver(receiver: str | None, receiver_type: str | None) -> None:
    """A message needs a receiver.

    Raises:
        Refused: ERR_EMPTY_RECEIVER, ERR_INVALID_RECEIVER_TYPE.
    """
    if not receiver:
        raise Refused("ERR_EMPTY_RECEIVER")
    if receiver_type not in ("user", "group"):
        raise Refused("ERR_INVALID_RECEIVER_TYPE")


def check_content(
    category: str, kind: str, text: object, attachments: int, custom: bool, interactive: bool, size: int, most: int
) -> None:
    """The content must fit the category and type.

    Args:
        text: `data.text` as it was sent.
        attachments: how many attachments have a URL.
        custom: whether `data.customData` is an object.
        interactive: whether `data.interactiveData` is one.
        size: bytes of `data`.
        most: the most that is taken.

    Raises:
        Refused: with the documented code of what is missing or wrong.
    """
    if size > most:
        raise Refused("ERR_INVALID_MESSAGE_DATA", f"data has {size} bytes, at most {most} are taken.")
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
        if not kind or len(kind) > MAX_TYPE:
            raise Refused("ERR_INVALID_MESSAGE_TYPE", f"Use a type of 1 to {MAX_TYPE} characters.")
    elif not category:
        raise Refused("ERR_EMPTY_MESSAGE_CATEGORY")
    else:
        raise Refused("ERR_INVALID_MESSAGE_CATEGORY")


def check_changeable(message: MessageRow) -> None:
    """Action messages and deleted messages stay as they are.

    Raises:
        Refused: ERR_MESSAGE_ACTION_NOT_ALLOWED.
    """
    if message.category not in CHANGEABLE or message.deleted_at:
        raise Refused("ERR_MESSAGE_ACTION_NOT_ALLOWED")


def check_parent(parent: MessageRow, conversation: ConversationKey) -> None:
    """What a reply in a thread may answer.

    Raises:
        Refused: ERR_WRONG_MESSAGE_THREAD, ERR_MESSAGE_THREAD_NESTING, ERR_WRONG_MESSAGE_THREAD_CATEGORY.
    """
    if parent.conversation_id != conversation:
        raise Refused("ERR_WRONG_MESSAGE_THREAD")
    if parent.parent_id is not None:
        raise Refused("ERR_MESSAGE_THREAD_NESTING")
    if parent.category not in CHANGEABLE:
        raise Refused("ERR_WRONG_MESSAGE_THREAD_CATEGORY")


def check_reaction(reaction: str) -> str:
    """A reaction: an emoji, or a short word.

    Raises:
        Refused: ERR_BAD_REQUEST.
    """
    if not 0 < len(reaction) <= MAX_REACTION or reaction.isspace():
        raise Refused("ERR_BAD_REQUEST", {"reaction": f"Use an emoji, or a word of up to {MAX_REACTION} characters."})
    return reaction


def mentioned_in(text: str) -> list[str]:
    """The uids that a text mentions as `<@uid:UID>`, each once."""
    if "<@uid:" not in text:
        return []
    return list(dict.fromkeys(uid.lower() for uid in _MENTION.findall(text)))[:MAX_MENTIONS]


def traits_of(text: str | None, mentions: Sequence[str], attachments: int) -> int:
    """What a message has, as bits."""
    traits = Trait.SEARCHABLE if text else Trait(0)
    if text and "://" in text and _LINK.search(text):
        traits |= Trait.LINK
    if mentions:
        traits |= Trait.MENTION
    if attachments:
        traits |= Trait.ATTACHMENT
    return int(traits)
