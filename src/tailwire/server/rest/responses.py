"""What answers look like, for the documentation of the API. A test holds the running server to them.

Optional keys are left out, not null. Messages, users and groups may have more keys than are named here.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Shape(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """Of all of them."""


class User(Shape, kw_only=True):
    """A user, as the reader sees them."""

    uid: str
    name: str
    avatar: str = ""
    link: str = ""
    role: str = ""
    metadata: dict[str, Any] = {}
    status: str = ""
    status_message: str = ""
    last_active_at: int = 0
    created_at: int = 0
    updated_at: int = 0
    tags: list[str] = []
    auth_token: str = ""
    conversation_id: str = ""
    blocked_by_me: bool = False
    has_blocked_me: bool = False


class Me(User, kw_only=True):
    """The logged-in user, with the pass for a WebSocket."""

    jwt: str
    ws_channel: dict[str, Any]


class Member(User, kw_only=True):
    """A member of a group."""

    scope: str
    joined_at: int


class Group(Shape, kw_only=True):
    """A group, as the reader sees it."""

    guid: str
    name: str
    type: str
    icon: str = ""
    description: str = ""
    owner: str = ""
    metadata: dict[str, Any] = {}
    tags: list[str] = []
    members_count: int
    conversation_id: str
    has_joined: bool
    scope: str = ""
    joined_at: int = 0
    created_at: int
    updated_at: int = 0


class Message(Shape, kw_only=True):
    """A message of any category."""

    id: str
    conversation_id: str
    sender: str
    receiver: str
    receiver_type: str
    category: str
    type: str
    data: dict[str, Any]
    sent_at: int
    updated_at: int
    muid: str = ""
    parent_id: str = ""
    tags: list[str] = []
    reply_count: int = 0
    delivered_at: int = 0
    read_at: int = 0
    edited_at: int = 0
    edited_by: str = ""
    deleted_at: int = 0
    deleted_by: str = ""
    pinned_at: int = 0
    pinned_by: str = ""
    saved_at: int = 0
    thread_subscribed: bool = False
    quoted_message: dict[str, Any] = {}
    receipts: dict[str, Any] = {}


class Reaction(Shape, kw_only=True):
    """One user's reaction."""

    id: str
    message_id: str
    reaction: str
    uid: str
    reacted_at: int
    reacted_by: dict[str, Any]


class Conversation(Shape, kw_only=True):
    """A conversation, as the reader sees it."""

    conversation_id: str
    conversation_type: str
    unread_message_count: str
    unread_mentions_count: int
    created_at: int
    updated_at: int
    conversation_with: dict[str, Any]
    last_message: dict[str, Any] = {}
    last_read_message_id: str = ""
    latest_message_id: str = ""
    tags: list[str] = []
    pinned_at: int = 0
    pinned_by: str = ""
    uid: str = ""


class Success(Shape, kw_only=True):
    """It is done."""

    success: bool


class Done(Success, kw_only=True):
    """It is done, and what was done. `Message` is what some documented answers call it."""

    message: str = ""
    big_message: str = msgspec.field(default="", name="Message")


class Unread(Done, kw_only=True):
    """What was marked as unread, and the conversation since."""

    conversation: dict[str, Any] = {}


class Outcome(Success, kw_only=True):
    """What became of one of several."""

    message: str = ""
    error: dict[str, Any] = {}


class Accepted(Shape, kw_only=True):
    """What became of new friendships."""

    accepted: dict[str, Outcome]


class Deactivated(Shape, kw_only=True):
    """Who was deactivated."""

    deactivated_uids: list[str]


class Reactivated(Shape, kw_only=True):
    """Who came back."""

    non_deactivated_uids: list[str]


class Online(Shape, kw_only=True):
    """How many are online: users, or members by group."""

    online_users_count: int = 0
    groups: dict[str, int] = {}


class ApiKey(Shape, kw_only=True):
    """An API key; but for the answer to its making, only its last characters."""

    api_key: str
    name: str
    scope: str
    created_at: int


class AuthToken(Shape, kw_only=True):
    """An auth token; in lists only its last characters."""

    uid: str
    auth_token: str
    created_at: int
    platform: str = ""
    user_agent: str = ""
    app_info: dict[str, Any] = {}


class Role(Shape, kw_only=True):
    """A role of users."""

    role: str
    name: str
    description: str = ""
    metadata: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    created_at: int = 0
    updated_at: int = 0


class Feature(Shape, kw_only=True):
    """A feature that a role may not use."""

    title: str
    description: str
    key: str
    path: str
    created_at: int


class WebhookState(Shape, kw_only=True):
    """How a webhook's deliveries fare."""

    waiting: int
    waiting_since: int = 0
    failed: int
    failing_since: int = 0
    last_success_at: int = 0
    last_failure_at: int = 0
    last_failure: str = ""


class Webhook(Shape, kw_only=True):
    """Somebody who is told of events. The secret is only in the answer to its making."""

    id: str
    name: str
    webhook_url: str
    triggers: list[str]
    username: str = ""
    secret: str = ""
    retry_on_failure: bool
    enabled: bool
    created_at: int
    state: WebhookState


class Trigger(Shape, kw_only=True):
    """What a webhook can be told of."""

    trigger: str
    description: str


class Delivery(Shape, kw_only=True):
    """What a webhook could not be told yet, or was given up. `data` is not in lists."""

    id: str
    trigger: str
    status: str
    attempts: int
    queued_at: int
    last_try_at: int = 0
    next_try_at: int = 0
    failed_at: int = 0
    problem: str = ""
    data: dict[str, Any] = {}


class Reason(Shape, kw_only=True):
    """Why a message can be reported."""

    id: str
    name: str
    description: str


class Flagged(Shape, kw_only=True):
    """A report of a message."""

    message_id: str
    message: dict[str, Any] | None
    flagged_by: str
    reason_id: str
    remark: str | None
    flagged_at: int


class UploadForm(Shape, kw_only=True):
    """A form to upload a file with."""

    request: dict[str, Any]
    attachment: dict[str, Any]
    expires_at: int


class Problem(Shape, kw_only=True):
    """What went wrong, and what to do."""

    code: str
    message: str
    details: Any = ""


class Refusal(Shape, kw_only=True):
    """The answer to what could not be done."""

    error: Problem


class Pagination(Shape, kw_only=True):
    """Of a page. Messages are not counted for it: lists of them have no total."""

    total: int = 0
    count: int
    per_page: int = msgspec.field(name="per_page")
    current_page: int = msgspec.field(name="current_page")
    total_pages: int = msgspec.field(name="total_pages", default=0)


class Meta(Shape, kw_only=True):
    """Where a list goes on: by page, or by cursor."""

    pagination: Pagination | msgspec.UnsetType = msgspec.UNSET
    current: dict[str, int] = {}
    next: dict[str, Any] = {}
    cursor: dict[str, Any] = {}
