"""The part of `GET /settings` that is the same for all requests: features, limits, the reasons for reports."""

from __future__ import annotations

from typing import Any

from tailwire.server.config import Settings
from tailwire.server.rules.reasons import listed_reasons


def public_settings(settings: Settings) -> dict[str, Any]:
    """Return the fields of `GET /settings` with the features, the limits and the reasons for reports."""
    return {
        "parameters": {
            "features.ux.messages.pinned.enabled": True,
            "features.ux.messages.pinned.limit": settings.max_pinned_messages,
            "features.ux.messages.saved.enabled": True,
            "features.ux.messages.saved.limit": settings.max_saved_messages,
            "features.ux.conversations.pinned.enabled": True,
            "features.ux.conversations.pinned.limit": settings.max_pinned_conversations,
            "core.conversations.updateOnGroupActions": True,
            "core.conversations.updateOnCustomMessage": True,
            "core.conversations.updateOnReplies": False,
            "core.conversations.updateOnCallActivity": False,
            "file.size.max": settings.max_file // (1024 * 1024),
            "file.count.max": settings.max_files,
        },
        "flagReasons": listed_reasons(),
        "file.size.max": settings.max_file // (1024 * 1024),
        "file.count.max": settings.max_files,
    }
