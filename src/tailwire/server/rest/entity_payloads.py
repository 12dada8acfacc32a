"""The JSON form of members, bans, blocked users, tokens, unread counts, reports and upload forms in responses."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.payloads import user_payload
from tailwire.server.actions.uploads import UploadForm
from tailwire.server.actions.views import BanView, MemberView, ReportView, TokenView, UnreadView, UserView


def member_payload(view: MemberView) -> dict[str, Any]:
    """Return the JSON form of a member of a group."""
    member = view.member
    return {**_user(view.user, member.uid), "scope": member.scope, "joinedAt": member.joined_at}


def ban_payload(view: BanView) -> dict[str, Any]:
    """Return the JSON form of a banned user."""
    ban = view.ban
    return {**_user(view.user, ban.uid), "scope": ban.scope, "bannedAt": ban.banned_at}


def _user(view: UserView | None, uid: str) -> dict[str, Any]:
    return user_payload(view) if view is not None else {"uid": uid, "name": uid}


def blocked_payload(view: UserView) -> dict[str, Any]:
    """Return the JSON form of a user in a list of blocked users.

    `blockedAt` is when the user blocked the reader; if they did not, when the reader blocked them.
    """
    mine, theirs = view.blocks
    return {**user_payload(view), "blockedAt": theirs or mine}


def token_payload(view: TokenView) -> dict[str, Any]:
    """Return the JSON form of a user with an auth token.

    If the view has a pass, which authenticates a WebSocket, it is added as `jwt`.
    """
    fields = {**user_payload(view.user), "authToken": view.token}
    if view.signed_pass is not None:
        fields |= {"wsChannel": {"identity": view.user.row.uid}, "jwt": view.signed_pass}
    return fields


def unread_payload(view: UnreadView) -> dict[str, Any]:
    """Return the JSON form of the number of unread messages in a conversation."""
    return {"entityType": view.kind, "entityId": view.partner, "count": view.count}


def report_payload(view: ReportView) -> dict[str, Any]:
    """Return the JSON form of a report of a message."""
    return {
        "message": msgspec.Raw(view.message) if view.message is not None else None,
        "messageId": str(view.message_id),
        "flaggedBy": view.by,
        "reasonId": view.reason,
        "remark": view.remark,
        "flaggedAt": view.at,
    }


def form_payload(form: UploadForm) -> dict[str, Any]:
    """Return the JSON form of a permission to upload a file.

    `request` is the HTTP request with which the client uploads it, `attachment` describes the file for a message.
    """
    return {
        "request": {"url": form.url, "method": "POST", "body": form.fields},
        "attachment": {
            "url": form.file_url,
            "name": form.name,
            "extension": form.extension,
            "mimeType": form.mime_type,
            "size": form.size,
        },
        "expiresAt": form.expires_at,
    }
