"""The versions of the vendor's JavaScript SDK that every scenario runs on, and what older ones lack."""

from __future__ import annotations

NEWEST = "4.2.0"
OLDEST = "pro 3.0.13"
# The version, and its page (see browser/bridge.mjs).
VERSIONS = {
    NEWEST: "sdk",
    "4.1.13": "sdk-4-1-13",
    "4.1.1": "sdk-4-1-1",
    "4.0.5": "sdk-4-0-5",
    OLDEST: "sdk-pro-3-0-13",
}
PACKAGES = {
    version: "@cometchat-pro/chat 3.0.13" if version == OLDEST else f"@cometchat/chat-sdk-javascript {version}"
    for version in VERSIONS
}
# What a scenario needs that not every version has: `test_features_missing_in_a_version_are_listed` checks each.
NEEDING = {
    "test_reactions_are_received_listed_and_removed": ("addReaction", "removeReaction", "ReactionsRequestBuilder"),
    "test_interactive_messages_are_answered": ("InteractiveMessage", "sendInteractiveMessage", "markAsInteracted"),
    "test_quotes_and_mentions_arrive_and_threads_are_followed": (
        "TextMessage.setQuotedMessageId", "subscribeToThread", "unsubscribeFromThread",
    ),
    "test_conversation_is_marked_as_read_and_unread": ("markConversationAsRead", "markMessageAsUnread"),
    "test_pinned_conversations_are_listed_first": ("pinConversation", "unpinConversation"),
    "test_messages_are_pinned_saved_and_flagged": (
        "pinMessage", "unpinMessage", "saveMessage", "unsaveMessage", "isPinMessageEnabled", "getFlagReasons",
        "flagMessage",
    ),
    "test_messages_with_links_are_found": ("MessagesRequestBuilder.hasLinks",),
    "test_upload_request_reports_to_its_listener": ("createUploadFileRequest", "UploadFileListener"),
}  # fmt: skip
_LATE = (
    "isPinMessageEnabled", "pinConversation", "pinMessage", "saveMessage", "subscribeToThread", "unpinConversation",
    "unpinMessage", "unsaveMessage", "unsubscribeFromThread",
)  # fmt: skip
_LATER = (
    "TextMessage.setQuotedMessageId", "UploadFileListener", "createUploadFileRequest", "flagMessage", "getFlagReasons",
    "markConversationAsRead", "markMessageAsUnread",
)  # fmt: skip
MISSING: dict[str, tuple[str, ...]] = {
    NEWEST: (),
    "4.1.13": _LATE,
    "4.1.1": (*_LATE, *_LATER),
    "4.0.5": (*_LATE, *_LATER, "MessagesRequestBuilder.hasLinks"),
    OLDEST: (
        *_LATE, *_LATER, "MessagesRequestBuilder.hasLinks", "InteractiveMessage", "ReactionsRequestBuilder",
        "addReaction", "markAsInteracted", "removeReaction", "sendInteractiveMessage",
    ),
}  # fmt: skip
# What a version has but does not do, as observed, by the scenario that is left out for it.
_NO_RECEIPTS_FOR_ALL = "it calls neither `onMessagesDeliveredToAll` nor `onMessagesReadByAll`"
UNABLE = {
    "4.0.5": {
        "test_group_receipts_arrive_when_all_have_read": _NO_RECEIPTS_FOR_ALL,
        "test_presence_is_limited_to_a_role": "with `subscribePresenceForRoles` it receives no presence",
    },
    OLDEST: {
        "test_group_receipts_arrive_when_all_have_read": _NO_RECEIPTS_FOR_ALL,
        "test_presence_is_limited_to_a_role": "`subscribePresenceForRoles`: it requests roles without naming any, and receives no presence",
    },
}
# Scenarios that wait for more than a minute run on the newest and the oldest version only.
LONG = {"test_page_that_only_listens_stays_connected"}


def versions_for(test: str) -> list[str]:
    """Return the versions that a scenario runs on."""
    chosen = [NEWEST, OLDEST] if test in LONG else [*VERSIONS]
    able = [v for v in chosen if not {*NEEDING.get(test, ())} & {*MISSING[v]}]
    return [v for v in able if test not in UNABLE.get(v, {})]
