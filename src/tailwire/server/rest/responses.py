"""The types of responses, for the documentation of the API. A test compares them with real responses.

Optional fields are omitted, not null. `response_descriptions` says what each field means.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from tailwire.server.rest.administration_responses import (
    ApiKey as ApiKey,
)
from tailwire.server.rest.administration_responses import (
    AuditEntry as AuditEntry,
)
from tailwire.server.rest.administration_responses import (
    AuthToken as AuthToken,
)
from tailwire.server.rest.administration_responses import (
    RestrictedFeature as RestrictedFeature,
)
from tailwire.server.rest.administration_responses import (
    Role as Role,
)
from tailwire.server.rest.administration_responses import (
    Webhook as Webhook,
)
from tailwire.server.rest.administration_responses import (
    WebhookDelivery as WebhookDelivery,
)
from tailwire.server.rest.administration_responses import (
    WebhookState as WebhookState,
)
from tailwire.server.rest.administration_responses import (
    WebhookTrigger as WebhookTrigger,
)
from tailwire.server.rest.observation_responses import (
    Connection as Connection,
)
from tailwire.server.rest.observation_responses import (
    ConnectionEnd as ConnectionEnd,
)
from tailwire.server.rest.observation_responses import (
    ConnectionEvent as ConnectionEvent,
)
from tailwire.server.rest.observation_responses import (
    ConsoleLink as ConsoleLink,
)
from tailwire.server.rest.observation_responses import (
    DiskUse as DiskUse,
)
from tailwire.server.rest.observation_responses import (
    ListedProcess as ListedProcess,
)
from tailwire.server.rest.observation_responses import (
    LoadSample as LoadSample,
)
from tailwire.server.rest.observation_responses import (
    Process as Process,
)
from tailwire.server.rest.observation_responses import (
    ProcessStats as ProcessStats,
)
from tailwire.server.rest.observation_responses import (
    Setting as Setting,
)
from tailwire.server.rest.response_base import Shape, Timestamp
from tailwire.server.rules.groups import SCOPES, TYPES

ReceiverType = Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["user", "group"]})]
GroupType = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(TYPES)})]
Scope = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(SCOPES)})]


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
    last_active_at: Timestamp = 0
    created_at: Timestamp = 0
    updated_at: Timestamp = 0
    deactivated_at: Timestamp = 0
    tags: list[str] = []
    auth_token: str = ""
    conversation_id: str = ""
    blocked_by_me: bool = False
    blocked_by_me_at: Timestamp = 0
    has_blocked_me: bool = False
    blocked_at: Timestamp = 0


class Me(User, kw_only=True):
    """The logged-in user, with the pass that authenticates a WebSocket."""

    jwt: str
    ws_channel: dict[str, Any]


class Member(User, kw_only=True):
    """A member of a group."""

    scope: Scope
    joined_at: Timestamp


class BannedUser(User, kw_only=True):
    """A user who is banned from a group."""

    scope: Scope
    banned_at: Timestamp


class Group(Shape, kw_only=True):
    """A group, as the reader sees it."""

    guid: str
    name: str
    type: GroupType
    icon: str = ""
    description: str = ""
    owner: str = ""
    metadata: dict[str, Any] = {}
    tags: list[str] = []
    members_count: int
    conversation_id: str
    has_joined: bool
    is_banned: bool = False
    scope: Scope = ""
    joined_at: Timestamp = 0
    created_at: Timestamp
    updated_at: Timestamp = 0
    updated_by: str = ""


class Message(Shape, kw_only=True):
    """A message of any category."""

    id: str
    conversation_id: str
    sender: str
    receiver: str
    receiver_type: ReceiverType
    category: str
    type: str
    data: dict[str, Any]
    sent_at: Timestamp
    updated_at: Timestamp
    muid: str = ""
    parent_id: str = ""
    tags: list[str] = []
    reply_count: int = 0
    delivered_at: Timestamp = 0
    read_at: Timestamp = 0
    edited_at: Timestamp = 0
    edited_by: str = ""
    deleted_at: Timestamp = 0
    deleted_by: str = ""
    pinned_at: Timestamp = 0
    pinned_by: str = ""
    saved_at: Timestamp = 0
    thread_subscribed: bool = False
    quoted_message_id: str = ""
    quoted_message: dict[str, Any] = {}
    before: int = 0
    ended: int = 0
    receipts: dict[str, Any] = {}


class Reaction(Shape, kw_only=True):
    """One user's reaction."""

    id: str
    message_id: str
    reaction: str
    uid: str
    reacted_at: Timestamp
    reacted_by: dict[str, Any]


class Conversation(Shape, kw_only=True):
    """A conversation, as the reader sees it."""

    conversation_id: str
    conversation_type: ReceiverType
    unread_message_count: str
    unread_mentions_count: int
    created_at: Timestamp
    updated_at: Timestamp
    conversation_with: dict[str, Any]
    last_message: dict[str, Any] = {}
    last_read_message_id: str = ""
    latest_message_id: str = ""
    tags: list[str] = []
    pinned_at: Timestamp = 0
    pinned_by: str = ""
    uid: str = ""


class UnreadCount(Shape, kw_only=True):
    """The number of unread messages in a conversation."""

    entity_type: str
    entity_id: str
    count: int


class Success(Shape, kw_only=True):
    """A success without further content."""

    success: bool


class Confirmation(Success, kw_only=True):
    """A success with a message. Some of CometChat's responses call the field `Message`."""

    message: str = ""
    big_message: str = msgspec.field(default="", name="Message")


class EndedApiKey(Confirmation, kw_only=True):
    """A success after an API key was deleted, or was given the time at which it stops being valid."""

    expires_at: Timestamp = 0


class MarkedAsUnread(Confirmation, kw_only=True):
    """A success after messages were marked as unread, with the conversation as it is then."""

    conversation: dict[str, Any] = {}


class Outcome(Success, kw_only=True):
    """The outcome for one of several items of a request: a message, or an error."""

    message: str = ""
    error: dict[str, Any] = {}


class MemberOutcome(Success, kw_only=True):
    """The outcome for a user who was to be added to a group or banned from it: the action message, or an error."""

    data: dict[str, Any] = {}
    error: dict[str, Any] = {}


class AddedMembers(Shape, kw_only=True):
    """The outcomes of adding and banning users, by the list in the request and the uid."""

    admins: dict[str, MemberOutcome]
    moderators: dict[str, MemberOutcome]
    participants: dict[str, MemberOutcome]
    users_to_ban: dict[str, MemberOutcome]


class CreatedGroup(Group, kw_only=True):
    """A group that was created, with the outcomes for its first members if the request named any."""

    members: AddedMembers | msgspec.UnsetType = msgspec.UNSET


class Membership(Shape, kw_only=True):
    """A membership after a REST key changed its scope."""

    guid: str
    uid: str
    scope: Scope
    joined_at: Timestamp


class AddedFriends(Shape, kw_only=True):
    """The outcomes for new friends, by uid."""

    accepted: dict[str, Outcome]


class DeactivatedUsers(Shape, kw_only=True):
    """The users who were deactivated."""

    deactivated_uids: list[str]


class ReactivatedUsers(Shape, kw_only=True):
    """The users who were reactivated."""

    non_deactivated_uids: list[str]


class OnlineCounts(Shape, kw_only=True):
    """How many users are online; if the request names groups, how many members of each are online, by guid."""

    online_users_count: int = 0
    groups: dict[str, int] = {}


class ReportReason(Shape, kw_only=True):
    """A reason for a report."""

    id: str
    name: str
    description: str


class MessageReport(Shape, kw_only=True):
    """A report of a message."""

    message_id: str
    message: dict[str, Any] | None
    flagged_by: str
    reason_id: str
    remark: str | None
    flagged_at: Timestamp


class UploadForm(Shape, kw_only=True):
    """The request with which a client uploads a file, and the attachment that describes the file in a message."""

    request: dict[str, Any]
    attachment: dict[str, Any]
    expires_at: Timestamp


class Health(Shape, kw_only=True):
    """The health of the server: the open WebSockets, and the seconds since its start."""

    status: str
    sockets: int
    uptime: float


class Liveness(Shape, kw_only=True):
    """The response of a process that serves requests."""

    status: str


class ServerSettings(Shape, kw_only=True):
    """The address, features and limits of the server. It has further keys, which the official clients read."""

    app_id: str
    chat_host: str = msgspec.field(name="CHAT_HOST")
    chat_ws_port: int = msgspec.field(name="CHAT_WS_PORT")
    chat_wss_port: int = msgspec.field(name="CHAT_WSS_PORT")
    parameters: dict[str, Any]
    flag_reasons: list[ReportReason]


class Problem(Shape, kw_only=True):
    """The reason for a refusal, and what to do about it."""

    code: str
    message: str
    details: Any = ""


class Refusal(Shape, kw_only=True):
    """The response to a request that was refused."""

    error: Problem


class Pagination(Shape, kw_only=True):
    """The position of a page in a list. Lists of messages have no total."""

    total: int = 0
    count: int
    per_page: int = msgspec.field(name="per_page")
    current_page: int = msgspec.field(name="current_page")
    total_pages: int = msgspec.field(name="total_pages", default=0)


class Meta(Shape, kw_only=True):
    """Where a page is in its list, and how to request the next one."""

    pagination: Pagination | msgspec.UnsetType = msgspec.UNSET
    current: dict[str, int] = {}
    next: dict[str, Any] = {}
    cursor: dict[str, Any] = {}
    mark: str = ""
    pruned: str = ""
    changes: dict[str, Any] = {}
