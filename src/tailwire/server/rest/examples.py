"""Examples of responses, by the name of their type, for the OpenAPI document. A test compares them with the types."""

from __future__ import annotations

from typing import Any

NOW = 1_764_288_000

_ALICE: dict[str, Any] = {
    "uid": "alice",
    "name": "Alice",
    "avatar": "https://example.com/alice.png",
    "role": "default",
    "status": "available",
    "lastActiveAt": NOW,
    "createdAt": NOW,
}
_BOB: dict[str, Any] = {"uid": "bob", "name": "Bob", "role": "default", "status": "offline", "createdAt": NOW}
_GROUP: dict[str, Any] = {
    "guid": "team",
    "name": "The team",
    "type": "public",
    "owner": "alice",
    "membersCount": 2,
    "conversationId": "group_team",
    "hasJoined": True,
    "scope": "admin",
    "joinedAt": NOW,
    "createdAt": NOW,
}


def _as_entity(value: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"entity": value, "entityType": kind}


_END: dict[str, Any] = {"by": "server", "code": 4001, "cause": "the token is not valid", "at": NOW}
_PROCESS: dict[str, Any] = {"name": "chat-1 pid 412", "version": "1.0.0", "uptime": 3600.5, "servers": 1}
_SIZES: dict[str, Any] = {"database": 4096, "writeAheadLog": 512, "uploads": 1024, "free": 10_000_000}
_SAMPLE: dict[str, Any] = {
    "at": NOW,
    "connections": 240,
    "users": 200,
    "messages": 12.5,
    "deliveries": 180.0,
    "frames": 31.0,
    "requests": 20.0,
    "refusals": 0.5,
    "sendP50": 0.004,
    "sendP99": 0.021,
    "loopLag": 0.0004,
    "level": 0,
}


_MESSAGE: dict[str, Any] = {
    "id": "42",
    "conversationId": "alice_user_bob",
    "sender": "alice",
    "receiver": "bob",
    "receiverType": "user",
    "category": "message",
    "type": "text",
    "data": {"text": "Hello", "entities": {"sender": _as_entity(_ALICE, "user"), "receiver": _as_entity(_BOB, "user")}},
    "sentAt": NOW,
    "updatedAt": NOW,
}
_ACTION: dict[str, Any] = {
    "id": "43",
    "conversationId": "group_team",
    "sender": "alice",
    "receiver": "team",
    "receiverType": "group",
    "category": "action",
    "type": "groupMember",
    "data": {
        "action": "added",
        "entities": {
            "by": _as_entity(_ALICE, "user"),
            "on": _as_entity(_BOB, "user"),
            "for": _as_entity(_GROUP, "group"),
        },
    },
    "sentAt": NOW,
    "updatedAt": NOW,
}
_CONVERSATION: dict[str, Any] = {
    "conversationId": "alice_user_bob",
    "conversationType": "user",
    "unreadMessageCount": "1",
    "unreadMentionsCount": 0,
    "createdAt": NOW,
    "updatedAt": NOW,
    "conversationWith": _BOB,
    "lastMessage": _MESSAGE,
    "lastReadMessageId": "41",
    "latestMessageId": "42",
}
_PROBLEM = {
    "code": "ERR_UID_NOT_FOUND",
    "message": "The user does not exist.",
    "details": {"uid": "nobody"},
}
_CONFIRMATION = {"success": True, "message": "Group with guid team has been deleted successfully."}
_OUTCOME = {"success": True, "data": _ACTION}
_FAILED = {"success": False, "error": _PROBLEM}
_ADDED: dict[str, Any] = {
    "admins": {},
    "moderators": {},
    "participants": {"bob": _OUTCOME, "nobody": _FAILED},
    "usersToBan": {},
}
_REASON = {"id": "spam", "name": "Spam", "description": "Unwanted, repeated or commercial content."}
_STATE = {"waiting": 0, "failed": 1, "lastSuccessAt": NOW, "lastFailureAt": NOW, "lastFailure": "HTTP 503"}
_PAGES = {"total": 30, "count": 30, "per_page": 30, "current_page": 1, "total_pages": 1}

EXAMPLES: dict[str, Any] = {
    "User": _ALICE,
    "Me": {**_ALICE, "authToken": "alice_1764288000_…", "wsChannel": {"identity": "alice"}, "jwt": "eyJhbGciOi…"},
    "Member": {**_ALICE, "scope": "admin", "joinedAt": NOW},
    "BannedUser": {**_BOB, "scope": "participant", "bannedAt": NOW},
    "Group": _GROUP,
    "Message": _MESSAGE,
    "Reaction": {
        "id": "7",
        "messageId": "42",
        "reaction": "👍",
        "uid": "bob",
        "reactedAt": NOW,
        "reactedBy": _BOB,
    },
    "Conversation": _CONVERSATION,
    "UnreadCount": {"entityType": "user", "entityId": "bob", "count": 1},
    "Success": {"success": True},
    "Confirmation": _CONFIRMATION,
    "EndedApiKey": {"success": True, "message": "The API key ends.", "expiresAt": NOW},
    "MarkedAsUnread": {
        "success": True,
        "message": "The messages after the message id 42 from the user bob are marked as unread for the user alice.",
        "conversation": _CONVERSATION,
    },
    "Outcome": {
        "success": True,
        "message": "The user with UID alice has blocked user with UID bob successfully.",
    },
    "MemberOutcome": _OUTCOME,
    "AddedMembers": _ADDED,
    "CreatedGroup": {**_GROUP, "members": _ADDED},
    "Membership": {"guid": "team", "uid": "bob", "scope": "moderator", "joinedAt": NOW},
    "AddedFriends": {
        "accepted": {"bob": {"success": True, "message": "Created relationship with status accepted."}},
    },
    "DeactivatedUsers": {"deactivatedUids": ["bob"]},
    "ReactivatedUsers": {"nonDeactivatedUids": ["bob"]},
    "OnlineCounts": {"onlineUsersCount": 12},
    "ApiKey": {"id": "51c6a7e0d2b4", "apiKey": "…9f3c", "name": "Backend", "scope": "fullAccess", "createdAt": NOW},
    "Connection": {
        "id": "17",
        "uid": "alice",
        "device": "WEB-4_0_10-4be1",
        "platform": "python",
        "address": "203.0.113.7",
        "features": ["appState", "chain"],
        "appState": "foreground",
        "openedAt": NOW,
        "lastHeardAt": NOW,
        "life": 12.5,
        "buffered": 0,
        "slow": False,
        "end": _END,
    },
    "ConnectionEnd": _END,
    "ConnectionEvent": {"at": NOW + 0.25, "kind": "authenticated", "detail": "came back after silent"},
    "ConsoleLink": {"path": "/console/#5f0c9a3e17b2d846", "seconds": 60},
    "Process": _PROCESS,
    "DiskUse": _SIZES,
    "ListedProcess": {"id": "3", "name": "chat-1 pid 412", "serving": True, "until": NOW, "answers": True},
    "Setting": {
        "name": "port",
        "value": "8480",
        "default": "8480",
        "source": "TAILWIRE_PORT",
        "meaning": "the port to listen on; 0 picks a free one",
    },
    "LoadSample": _SAMPLE,
    "ProcessStats": {"process": _PROCESS, "sizes": _SIZES, "waitingDeliveries": 0, "samples": [_SAMPLE]},
    "AuditEntry": {
        "id": 412,
        "at": NOW,
        "kind": "change",
        "actor": "51c6a7e0d2b4",
        "keyName": "Backend",
        "action": "PUT /users/{uid}",
        "target": "alice",
        "details": "name, avatar",
        "address": "203.0.113.7",
        "requestId": "5f0c9a3e17b2d846",
    },
    "AuthToken": {"uid": "alice", "authToken": "…71ab", "createdAt": NOW, "platform": "python"},
    "Role": {"role": "guide", "name": "Guide", "createdAt": NOW},
    "RestrictedFeature": {
        "title": "createGroup",
        "description": "Create a group",
        "key": "u.createGroup",
        "path": "/v3/groups",
        "createdAt": NOW,
    },
    "WebhookState": _STATE,
    "Webhook": {
        "id": "orders",
        "name": "Orders",
        "webhookUrl": "https://example.com/hook",
        "triggers": ["message_sent"],
        "retryOnFailure": True,
        "enabled": True,
        "createdAt": NOW,
        "state": _STATE,
    },
    "WebhookTrigger": {"trigger": "message_sent", "description": "a message was sent (of any category but action)"},
    "WebhookDelivery": {
        "id": "d1",
        "trigger": "message_sent",
        "status": "failed",
        "attempts": 8,
        "queuedAt": NOW,
        "failedAt": NOW,
        "problem": "HTTP 503",
    },
    "ReportReason": _REASON,
    "MessageReport": {
        "messageId": "42",
        "message": _MESSAGE,
        "flaggedBy": "bob",
        "reasonId": "spam",
        "remark": None,
        "flaggedAt": NOW,
    },
    "UploadForm": {
        "request": {
            "url": "https://chat.example.com/files",
            "method": "POST",
            "body": {"key": "k3y.png", "name": "picture.png", "uid": "alice", "size": "2048", "signature": "…"},
        },
        "attachment": {
            "url": "https://chat.example.com/files/k3y.png",
            "name": "picture.png",
            "extension": "png",
            "mimeType": "image/png",
            "size": 2048,
        },
        "expiresAt": NOW + 900,
    },
    "Health": {"status": "ok", "sockets": 12, "uptime": 86400.5},
    "Liveness": {"status": "ok"},
    "ServerSettings": {
        "appId": "tailwire",
        "CHAT_HOST": "chat.example.com",
        "CHAT_WS_PORT": 443,
        "CHAT_WSS_PORT": 443,
        "parameters": {"file.size.max": 100, "file.count.max": 10},
        "flagReasons": [_REASON],
    },
    "Problem": _PROBLEM,
    "Refusal": {"error": _PROBLEM},
    "Pagination": _PAGES,
    "Meta": {"pagination": _PAGES},
}
