"""The two names of a conversation: the id that clients see, and the unique key under which it is stored.

The ids `a_user_b` and `group_g`, which are those of CometChat, are ambiguous: uids and guids may contain `_user_` and
`group_`, so a group or another pair of users can share the id of a conversation. So the store looks conversations up
by their keys, `u/a/b` and `g/g`.
"""

from __future__ import annotations

from typing import NewType

ConversationKey = NewType("ConversationKey", str)

MAX_ID_LENGTH = 210
SEPARATOR = "/"  # not allowed in uids and guids
USER_KEY, GROUP_KEY = f"u{SEPARATOR}", f"g{SEPARATOR}"


def conversation_of(sender: str, receiver: str, receiver_type: str) -> str:
    """Return the id that clients see of the conversation to which a message belongs.

    Args:
        sender: a uid; ignored if the receiver is a group.
        receiver: a uid, or a guid.
        receiver_type: `user` or `group`.
    """
    if receiver_type == "group":
        return f"group_{receiver}"
    first, second = (sender, receiver) if sender <= receiver else (receiver, sender)
    return f"{first}_user_{second}"


def key_of(sender: str, receiver: str, receiver_type: str) -> ConversationKey:
    """Return the key of the conversation to which a message belongs.

    Args:
        sender: a uid; ignored if the receiver is a group.
        receiver: a uid, or a guid.
        receiver_type: `user` or `group`.
    """
    if receiver_type == "group":
        return ConversationKey(GROUP_KEY + receiver)
    first, second = (sender, receiver) if sender <= receiver else (receiver, sender)
    return ConversationKey(f"{USER_KEY}{first}{SEPARATOR}{second}")


def group_in(key: ConversationKey) -> str:
    """Return the guid of a group's conversation; "" for a conversation of two users."""
    return key[len(GROUP_KEY) :] if key.startswith(GROUP_KEY) else ""


def other_in(key: ConversationKey, uid: str) -> str:
    """Return the other participant of a conversation of two users; "" if `uid` is not a participant.

    In a conversation of a user with themselves that is the user.
    """
    first, _, second = key.removeprefix(USER_KEY).partition(SEPARATOR)
    return second if uid == first else first if uid == second else ""


def participants_of(key: ConversationKey) -> tuple[str, ...]:
    """Return the uids of a conversation of two users, sorted; only one if a user writes to themselves."""
    first, _, second = key.removeprefix(USER_KEY).partition(SEPARATOR)
    return (first,) if first == second else (first, second)


def id_of(key: ConversationKey) -> str:
    """Return the id of a conversation as clients see it."""
    guid = group_in(key)
    return f"group_{guid}" if guid else key.removeprefix(USER_KEY).replace(SEPARATOR, "_user_")


def keys_with_id(conversation_id: str) -> list[ConversationKey]:
    """Return the keys of all conversations that may have a given id, whether they exist or not.

    Those of two users come first, so that a caller who tries them in order prefers them. Otherwise any user could hide
    such a conversation by creating a group with a suitable guid.
    """
    found: list[ConversationKey] = []
    if len(conversation_id) > MAX_ID_LENGTH:
        return found
    at = conversation_id.find("_user_", 1)
    while at > 0:
        key = key_of(conversation_id[:at], conversation_id[at + 6 :], "user")
        if id_of(key) == conversation_id:
            found.append(key)
        at = conversation_id.find("_user_", at + 1)
    guid = conversation_id.removeprefix("group_")
    if guid and guid != conversation_id:
        found.append(key_of("", guid, "group"))
    return found
