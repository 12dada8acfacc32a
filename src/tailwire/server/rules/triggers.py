"""The events (triggers) for which a webhook can be registered."""

from __future__ import annotations

TRIGGERS = {
    "message_sent": "a message was sent (of any category but action)",
    "message_edited": "a message was edited",
    "message_deleted": "a message was deleted",
    "message_delivery_receipt": "a message was delivered to its receiver",
    "message_read_receipt": "a message was read by its receiver",
    "message_reaction_added": "a reaction was added to a message",
    "message_reaction_removed": "a reaction was removed from a message",
    "user_mentioned": "a message that mentions users was sent",
    "user_connection_status_changed": "a user came online or went offline",
    "user_blocked": "a user blocked others",
    "user_unblocked": "a user unblocked others",
    "group_created": "a group was created",
    "group_updated": "a group was changed",
    "group_deleted": "a group was deleted",
    "group_owner_transferred": "the owner of a group has changed",
    "group_member_joined": "a user joined a group",
    "group_member_left": "a user left a group",
    "group_member_added": "a user was added to a group",
    "group_member_kicked": "a user was removed from a group",
    "group_member_banned": "a user was banned from a group",
    "group_member_unbanned": "a ban was lifted",
    "group_member_scope_changed": "the scope of a member has changed",
}
"""For each trigger: what has happened when it is delivered."""
