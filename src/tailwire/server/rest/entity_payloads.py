"""The JSON form of what only responses contain: members, bans, blocked users, tokens, counts, reports, upload forms."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.payloads import user_payload
from tailwire.server.actions.uploads import UploadForm
from tailwire.server.actions.views import BanView, MemberView, ReportView, TokenView, UnreadView, UserView


def member_payload(shown: MemberView) -> dict[str, Any]:
    """Return the JSON form of a member of a group."""
    member = shown.member
    return {**_user(shown.user, member.uid), "scope": member.scope, "joinedAt": member.joined_at}


def ban_payload(shown: BanView) -> dict[str, Any]:
    """Return the JSON form of a banned user."""
    ban = shown.ban
    return {**_user(shown.user, ban.uid), "scope": ban.scope, "bannedAt": ban.banned_at}


def _user(shown: UserView | None, uid: str) -> dict[str, Any]:
    return user_payload(shown) if shown is not None else {"uid": uid, "name": uid}


def blocked_payload(shown: UserView) -> dict[str, Any]:
    """Return a user in a list of blocked users. `blockedAt` is when they blocked the reader, or were blocked."""
    mine, theirs = shown.blocks
    return {**user_payload(shown), "blockedAt": theirs or mine}


def token_payload(shown: TokenView) -> dict[str, Any]:
    """Return a user with an auth token, and with a pass for a WebSocket if there is one."""
    fields = {**user_payload(shown.user), "authToken": shown.token}
    if shown.signed_pass is not None:
        fields |= {"wsChannel": {"identity": shown.user.row.uid}, "jwt": shown.signed_pass}
    return fields


def unread_payload(shown: UnreadView) -> dict[str, Any]:
    """Return the number of unread messages in a conversation."""
    return {"entityType": shown.kind, "entityId": shown.partner, "count": shown.count}


def report_payload(shown: ReportView) -> dict[str, Any]:
    """Return the JSON form of a report of a message."""
    return {
        "message": msgspec.Raw(shown.message) if shown.message is not None else None,
        "messageId": str(shown.message_id),
        "flaggedBy": shown.by,
        "reasonId": shown.reason,
        "remark": shown.remark,
        "flaggedAt": shown.at,
    }


def form_payload(form: UploadForm) -> dict[str, Any]:
    """Return a form for an upload: the request, and the attachment that the file will be."""
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
