"""The features that can be denied to a role: for each of CometChat's keys the description and the path."""

from __future__ import annotations

FEATURES: dict[str, tuple[str, str]] = {
    "addMember": ("Add members to a group", "/v3/groups/{guid}/members"),
    "ban": ("Ban from a group", "/v3/groups/{guid}/bannedusers/{uid}"),
    "blockUser": ("Block users", "/v3/blockedusers"),
    "changeScope": ("Change the scope of a member", "/v3/groups/{guid}/members/{uid}"),
    "createGroup": ("Create a group", "/v3/groups"),
    "createMessage": ("Send messages", "/v3/messages"),
    "createMessageThread": ("Reply in a thread", "/v3/messages/{id}/thread"),
    "deleteConversationForUser": ("Delete a conversation", "/v3/users/{uid}/conversation"),
    "deleteGroup": ("Delete a group", "/v3/groups/{guid}"),
    "deleteMessage": ("Delete a message", "/v3/messages/{id}"),
    "getBlockedUsers": ("List blocked users", "/v3/blockedusers"),
    "getConversation": ("Get a conversation", "/v3/users/{uid}/conversation"),
    "getGroup": ("Get a group", "/v3/groups/{guid}"),
    "getGroupMessages": ("Read the messages of a group", "/v3/groups/{guid}/messages"),
    "getMessage": ("Get a message", "/v3/messages/{id}"),
    "getMyDetails": ("Get the logged-in user", "/v3/me"),
    "getUser": ("Get a user", "/v3/users/{uid}"),
    "getUserMessages": ("Read the messages with a user", "/v3/users/{uid}/messages"),
    "joinGroup": ("Join a group", "/v3/groups/{guid}/members"),
    "kickMember": ("Kick a member", "/v3/groups/{guid}/members/{uid}"),
    "leaveGroup": ("Leave a group", "/v3/groups/{guid}/members"),
    "listBannedUsers": ("List the users who are banned from a group", "/v3/groups/{guid}/bannedusers"),
    "listConversations": ("List conversations", "/v3/conversations"),
    "listGroupMembers": ("List the members of a group", "/v3/groups/{guid}/members"),
    "listGroups": ("List groups", "/v3/groups"),
    "listMessages": ("Read messages", "/v3/messages"),
    "listThreadedMessages": ("Read a thread", "/v3/messages/{id}/thread"),
    "listUsers": ("List users", "/v3/users"),
    "patchOwner": ("Transfer the ownership of a group", "/v3/groups/{guid}/owner"),
    "unban": ("Lift a ban", "/v3/groups/{guid}/bannedusers/{uid}"),
    "unblockUser": ("Unblock users", "/v3/blockedusers"),
    "updateGroup": ("Change a group", "/v3/groups/{guid}"),
    "updateMessage": ("Edit a message", "/v3/messages/{id}"),
}


def feature_key(feature: str) -> str:
    """Return the key of a feature in the form that responses contain: with the prefix `u.`."""
    return f"u.{feature}"
