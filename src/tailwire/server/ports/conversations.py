"""What conversations are called: an id that clients see, and a key under which all that belongs to one is stored.

The id is documented: `a_user_b`, `group_g`. It is also ambiguous: uids and guids may contain `_user_` and `group_`, so
that a group, or another pair of users, has the id of somebody's conversation. Nothing is looked up by an id alone.
"""

from __future__ import annotations

from typing import NewType

ConversationKey = NewType("ConversationKey", str)

MAX_ID = 210  # characters of an id
SEPARATOR = "/"  # none of the characters of uids and guids
USER_KEY, GROUP_KEY = f"u{SEPARATOR}", f"g{SEPARATOR}"


def conversation_of(sender: str, receiver: str, receiver_type: str) -> str:
    """Return the id of a conversation as clients see it."""
    if receiver_type == "group":
        return f"group_{receiver}"
    first, second = (sender, receiver) if sender <= receiver else (receiver, sender)
    return f"{first}_user_{second}"


def key_of(sender: str, receiver: str, receiver_type: str) -> ConversationKey:
    """Return the key under which a conversation is stored.

    Args:
        sender: a uid; of no meaning where the receiver is a group.
        receiver: a uid, or a guid.
        receiver_type: `user` or `group`.
    """
    if receiver_type == "group":
        return ConversationKey(GROUP_KEY + receiver)
    first, second = (sender, receiver) if sender <= receiver else (receiver, sender)
    return ConversationKey(f"{USER_KEY}{first}{SEPARATOR}{second}")


def group_in(key: ConversationKey) -> str:
    """Return the guid of a group's conversation; "" of one between two users."""
    return key[len(GROUP_KEY) :] if key.startswith(GROUP_KEY) else ""


def other_in(key: ConversationKey, uid: str) -> str:
    """Return the other user of a conversation between two; "" when the user takes no part in it."""
    first, _, second = key.removeprefix(USER_KEY).partition(SEPARATOR)
    return second if uid == first else first if uid == second else ""


def id_of(key: ConversationKey) -> str:
    """Return the id of a conversation as clients see it."""
    guid = group_in(key)
    return f"group_{guid}" if guid else key.removeprefix(USER_KEY).replace(SEPARATOR, "_user_")


def keys_with_id(conversation_id: str) -> list[ConversationKey]:
    """Return every key that has an id: those between two users first, then a group's.

    The order is not chance: anybody can make a group and add somebody to it, but nobody makes a user.
    """
    found: list[ConversationKey] = []
    if len(conversation_id) > MAX_ID:
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
