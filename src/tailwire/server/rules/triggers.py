"""What a webhook can be told of. PURE."""

from __future__ import annotations

TRIGGERS = (
    "message_sent",
    "message_edited",
    "message_deleted",
    "message_delivery_receipt",
    "message_read_receipt",
    "message_reaction_added",
    "message_reaction_removed",
    "user_mentioned",
    "user_connection_status_changed",
    "user_blocked",
    "user_unblocked",
    "group_created",
    "group_updated",
    "group_deleted",
    "group_owner_transferred",
    "group_member_joined",
    "group_member_left",
    "group_member_added",
    "group_member_kicked",
    "group_member_banned",
    "group_member_unbanned",
    "group_member_scope_changed",
)
