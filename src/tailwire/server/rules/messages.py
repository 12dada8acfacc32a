"""What a message must be, and who may do what to it."""

from __future__ import annotations

from tailwire.server.ports.records import MessageRow
from tailwire.server.ports.refusal import Refused

MEDIA = frozenset({"image", "video", "audio", "file"})
MOST_MUID = 200
MOST_TYPE = 100


def check_receiver(receiver: str | None, receiver_type: str | None) -> None:
    """A message needs a receiver.

    Raises:
        Refused: ERR_EMPTY_RECEIVER, ERR_INVALID_RECEIVER_TYPE.
    """
    if not receiver:
        raise Refused("ERR_EMPTY_RECEIVER")
    if receiver_type not in ("user", "group"):
        raise Refused("ERR_INVALID_RECEIVER_TYPE")


def check_content(category: str, kind: str, text: object, attachments: int, custom: bool, size: int, most: int) -> None:
    """The content must fit the category and type.

    Args:
        text: `data.text` as it was sent.
        attachments: how many attachments have a URL.
        custom: whether `data.customData` is an object.
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
        if kind == "text":
            if not isinstance(text, str) or not text.strip():
                raise Refused("ERR_EMPTY_MESSAGE_TEXT")
        elif kind not in MEDIA:
            raise Refused("ERR_INVALID_MESSAGE_TYPE")
        elif not attachments:
            raise Refused("ERR_EMPTY_MESSAGE_FILE")
    elif category == "custom":
        if not custom:
            raise Refused("ERR_EMPTY_CUSTOM_DATA")
        if not kind or len(kind) > MOST_TYPE:
            raise Refused("ERR_INVALID_MESSAGE_TYPE", f"Use a type of 1 to {MOST_TYPE} characters.")
    else:
        raise Refused("ERR_INVALID_MESSAGE_CATEGORY")


def may_read(message: MessageRow, reader: str, joined_after_id: int | None) -> bool:
    """Whether a user may see a message.

    Args:
        joined_after_id: of the reader's membership in the message's group; None when she is no member.
    """
    if message.receiver_type == "user":
        return reader in (message.sender, message.receiver)
    return joined_after_id is not None


def check_change(message: MessageRow, who: str, scope: str | None) -> None:
    """Editing and deleting: the sender; in a group also its admins and moderators.

    Args:
        scope: of the user in the message's group, or None.

    Raises:
        Refused: ERR_MESSAGE_ACTION_NOT_ALLOWED, ERR_MESSAGE_NOT_A_SENDER.
    """
    if message.category == "action" or message.deleted_at:
        raise Refused("ERR_MESSAGE_ACTION_NOT_ALLOWED")
    if who != message.sender and not (message.receiver_type == "group" and scope in ("admin", "moderator")):
        raise Refused("ERR_MESSAGE_NOT_A_SENDER")
