"""Tailwire: a chat connection that holds. The SDK's public names; importing this module loads nothing else."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailwire.adapters.android import watch_android as watch_android
    from tailwire.adapters.browser import watch_browser as watch_browser
    from tailwire.adapters.find import watch as watch
    from tailwire.adapters.flet import watch_flet as watch_flet
    from tailwire.adapters.ios import watch_ios as watch_ios
    from tailwire.adapters.kivy import watch_kivy as watch_kivy
    from tailwire.adapters.loops import LoopWatch as LoopWatch
    from tailwire.adapters.main_loop import run as run
    from tailwire.adapters.network import watch_network as watch_network
    from tailwire.adapters.qt import watch_qt as watch_qt
    from tailwire.adapters.sleep import watch_sleep as watch_sleep
    from tailwire.adapters.terminal import watch_terminal as watch_terminal
    from tailwire.adapters.textual import watch_textual as watch_textual
    from tailwire.adapters.tk import watch_tk as watch_tk
    from tailwire.adapters.toga import watch_toga as watch_toga
    from tailwire.adapters.watching import Watch as Watch
    from tailwire.sdk.app_settings import AppSettings as AppSettings
    from tailwire.sdk.app_settings import AppSettingsBuilder as AppSettingsBuilder
    from tailwire.sdk.calls.connection import Connection as Connection
    from tailwire.sdk.calls.conversation_requests import ConversationsRequestBuilder as ConversationsRequestBuilder
    from tailwire.sdk.calls.list_requests import BannedGroupMembersRequestBuilder as BannedGroupMembersRequestBuilder
    from tailwire.sdk.calls.list_requests import BlockedUsersRequestBuilder as BlockedUsersRequestBuilder
    from tailwire.sdk.calls.list_requests import GroupMembersRequestBuilder as GroupMembersRequestBuilder
    from tailwire.sdk.calls.list_requests import GroupsRequestBuilder as GroupsRequestBuilder
    from tailwire.sdk.calls.list_requests import ListRequest as ListRequest
    from tailwire.sdk.calls.list_requests import UsersRequestBuilder as UsersRequestBuilder
    from tailwire.sdk.calls.message_requests import MessagesRequest as MessagesRequest
    from tailwire.sdk.calls.message_requests import MessagesRequestBuilder as MessagesRequestBuilder
    from tailwire.sdk.calls.outcome import OnError as OnError
    from tailwire.sdk.calls.outcome import OnProgress as OnProgress
    from tailwire.sdk.calls.outcome import OnSuccess as OnSuccess
    from tailwire.sdk.calls.reaction_requests import ReactionsRequest as ReactionsRequest
    from tailwire.sdk.calls.reaction_requests import ReactionsRequestBuilder as ReactionsRequestBuilder
    from tailwire.sdk.calls.receipts import Counts as Counts
    from tailwire.sdk.calls.upload_request import UploadAttachment as UploadAttachment
    from tailwire.sdk.calls.upload_request import UploadFileRequest as UploadFileRequest
    from tailwire.sdk.calls.uploads import UploadFile as UploadFile
    from tailwire.sdk.client import ChatClient as ChatClient
    from tailwire.sdk.cometchat import CometChat as CometChat
    from tailwire.sdk.cometchat import CometChatNotifications as CometChatNotifications
    from tailwire.sdk.connection.causes import Cause as Cause
    from tailwire.sdk.connection.causes import CauseKind as CauseKind
    from tailwire.sdk.connection.history import Transition as Transition
    from tailwire.sdk.connection.state import AppState as AppState
    from tailwire.sdk.connection.state import ConnectionStatus as ConnectionStatus
    from tailwire.sdk.connection.state import Network as _Network
    from tailwire.sdk.connection.state import Phase as _Phase
    from tailwire.sdk.connection.timings import Timings as Timings
    from tailwire.sdk.continuity.state import Continuity as Continuity
    from tailwire.sdk.continuity.state import ContinuityKind as ContinuityKind
    from tailwire.sdk.exceptions import CometChatException as CometChatException
    from tailwire.sdk.io.browser_store import LocalStorageSessionStore as LocalStorageSessionStore
    from tailwire.sdk.io.files import FileSessionStore as FileSessionStore
    from tailwire.sdk.listeners.events import ConnectionChanged as ConnectionChanged
    from tailwire.sdk.listeners.events import ConnectionFailed as ConnectionFailed
    from tailwire.sdk.listeners.events import ConversationListChanged as ConversationListChanged
    from tailwire.sdk.listeners.events import ConversationPinned as ConversationPinned
    from tailwire.sdk.listeners.events import DraftChanged as DraftChanged
    from tailwire.sdk.listeners.events import Event as Event
    from tailwire.sdk.listeners.events import GroupChanged as GroupChanged
    from tailwire.sdk.listeners.events import HistoryGap as HistoryGap
    from tailwire.sdk.listeners.events import MessageDeleted as MessageDeleted
    from tailwire.sdk.listeners.events import MessageEdited as MessageEdited
    from tailwire.sdk.listeners.events import MessagePinned as MessagePinned
    from tailwire.sdk.listeners.events import MessageReceived as MessageReceived
    from tailwire.sdk.listeners.events import MessageSaved as MessageSaved
    from tailwire.sdk.listeners.events import OutboxChanged as OutboxChanged
    from tailwire.sdk.listeners.events import PresenceChanged as PresenceChanged
    from tailwire.sdk.listeners.events import ReactionChanged as ReactionChanged
    from tailwire.sdk.listeners.events import ReceiptReceived as ReceiptReceived
    from tailwire.sdk.listeners.events import TransientReceived as TransientReceived
    from tailwire.sdk.listeners.events import TypingChanged as TypingChanged
    from tailwire.sdk.listeners.events import UploadResult as UploadResult
    from tailwire.sdk.listeners.interfaces import ConnectionListener as ConnectionListener
    from tailwire.sdk.listeners.interfaces import GroupListener as GroupListener
    from tailwire.sdk.listeners.interfaces import LoginListener as LoginListener
    from tailwire.sdk.listeners.interfaces import MessageListener as MessageListener
    from tailwire.sdk.listeners.interfaces import UploadFileListener as UploadFileListener
    from tailwire.sdk.listeners.interfaces import UserListener as UserListener
    from tailwire.sdk.listeners.registry import EventStream as EventStream
    from tailwire.sdk.live.changes import Change as Change
    from tailwire.sdk.live.changes import ChangeKind as ChangeKind
    from tailwire.sdk.live.conversation_list import LiveConversation as LiveConversation
    from tailwire.sdk.live.conversations import LiveConversations as LiveConversations
    from tailwire.sdk.live.live_list import LiveList as LiveList
    from tailwire.sdk.live.message_list import LiveMessage as LiveMessage
    from tailwire.sdk.live.message_list import MessageState as MessageState
    from tailwire.sdk.live.messages import LiveMessages as LiveMessages
    from tailwire.sdk.outbox import OutboxEntry as OutboxEntry
    from tailwire.sdk.outbox import OutboxStatus as OutboxStatus
    from tailwire.sdk.reaction_counts import CometChatHelper as CometChatHelper
    from tailwire.sdk.session import MemorySessionStore as MemorySessionStore
    from tailwire.sdk.session import SessionStore as SessionStore
    from tailwire.sdk.tokens import TokenProvider as TokenProvider
    from tailwire.wire.constants import ActionType as ActionType
    from tailwire.wire.constants import Category as Category
    from tailwire.wire.constants import ConversationType as ConversationType
    from tailwire.wire.constants import GroupType as GroupType
    from tailwire.wire.constants import InteractiveType as InteractiveType
    from tailwire.wire.constants import MemberScope as MemberScope
    from tailwire.wire.constants import MessageType as MessageType
    from tailwire.wire.constants import ModerationStatus as ModerationStatus
    from tailwire.wire.constants import PresenceSubscription as PresenceSubscription
    from tailwire.wire.constants import ReactionAction as ReactionAction
    from tailwire.wire.constants import ReceiptType as ReceiptType
    from tailwire.wire.constants import ReceiverType as ReceiverType
    from tailwire.wire.constants import ReceiverTypeName as ReceiverTypeName
    from tailwire.wire.constants import UserStatus as UserStatus
    from tailwire.wire.entities import Action as Action
    from tailwire.wire.entities import Attachment as Attachment
    from tailwire.wire.entities import BaseMessage as BaseMessage
    from tailwire.wire.entities import Conversation as Conversation
    from tailwire.wire.entities import CustomMessage as CustomMessage
    from tailwire.wire.entities import FlagDetail as FlagDetail
    from tailwire.wire.entities import FlagReason as FlagReason
    from tailwire.wire.entities import Group as Group
    from tailwire.wire.entities import GroupMember as GroupMember
    from tailwire.wire.entities import InteractiveMessage as InteractiveMessage
    from tailwire.wire.entities import MediaMessage as MediaMessage
    from tailwire.wire.entities import MessageReceipt as MessageReceipt
    from tailwire.wire.entities import Reaction as Reaction
    from tailwire.wire.entities import ReactionCount as ReactionCount
    from tailwire.wire.entities import ReactionEvent as ReactionEvent
    from tailwire.wire.entities import TextMessage as TextMessage
    from tailwire.wire.entities import TransientMessage as TransientMessage
    from tailwire.wire.entities import TypingIndicator as TypingIndicator
    from tailwire.wire.entities import User as User
    from tailwire.wire.notifications import DayOfWeek as DayOfWeek
    from tailwire.wire.notifications import DaySchedule as DaySchedule
    from tailwire.wire.notifications import DNDOptions as DNDOptions
    from tailwire.wire.notifications import GroupPreferences as GroupPreferences
    from tailwire.wire.notifications import MemberActionsOptions as MemberActionsOptions
    from tailwire.wire.notifications import MessagesOptions as MessagesOptions
    from tailwire.wire.notifications import MutedConversation as MutedConversation
    from tailwire.wire.notifications import MutedConversationType as MutedConversationType
    from tailwire.wire.notifications import MutePreferences as MutePreferences
    from tailwire.wire.notifications import NotificationPreferences as NotificationPreferences
    from tailwire.wire.notifications import OneOnOnePreferences as OneOnOnePreferences
    from tailwire.wire.notifications import PushPlatforms as PushPlatforms
    from tailwire.wire.notifications import ReactionsOptions as ReactionsOptions
    from tailwire.wire.notifications import RepliesOptions as RepliesOptions
    from tailwire.wire.notifications import UnmutedConversation as UnmutedConversation

    ConnectionPhase = _Phase
    NetworkState = _Network

__version__ = "0.1.0"

_HOMES: dict[str, tuple[str, ...]] = {
    "adapters.android": ("watch_android",),
    "adapters.browser": ("watch_browser",),
    "adapters.find": ("watch",),
    "adapters.flet": ("watch_flet",),
    "adapters.ios": ("watch_ios",),
    "adapters.kivy": ("watch_kivy",),
    "adapters.loops": ("LoopWatch",),
    "adapters.main_loop": ("run",),
    "adapters.network": ("watch_network",),
    "adapters.qt": ("watch_qt",),
    "adapters.sleep": ("watch_sleep",),
    "adapters.terminal": ("watch_terminal",),
    "adapters.textual": ("watch_textual",),
    "adapters.tk": ("watch_tk",),
    "adapters.toga": ("watch_toga",),
    "adapters.watching": ("Watch",),
    "sdk.app_settings": ("AppSettings", "AppSettingsBuilder"),
    "sdk.calls.outcome": ("OnError", "OnProgress", "OnSuccess"),
    "sdk.calls.connection": ("Connection",),
    "sdk.calls.receipts": ("Counts",),
    "sdk.tokens": ("TokenProvider",),
    "sdk.calls.message_requests": ("MessagesRequest", "MessagesRequestBuilder"),
    "sdk.calls.conversation_requests": ("ConversationsRequestBuilder",),
    "sdk.calls.list_requests": (
        "BannedGroupMembersRequestBuilder",
        "BlockedUsersRequestBuilder",
        "GroupMembersRequestBuilder",
        "GroupsRequestBuilder",
        "ListRequest",
        "UsersRequestBuilder",
    ),
    "sdk.calls.reaction_requests": ("ReactionsRequest", "ReactionsRequestBuilder"),
    "sdk.reaction_counts": ("CometChatHelper",),
    "sdk.calls.upload_request": ("UploadAttachment", "UploadFileRequest"),
    "sdk.calls.uploads": ("UploadFile",),
    "sdk.client": ("ChatClient",),
    "sdk.cometchat": ("CometChat", "CometChatNotifications"),
    "sdk.connection.causes": ("Cause", "CauseKind"),
    "sdk.connection.history": ("Transition",),
    "sdk.connection.state": (
        "AppState",
        "ConnectionPhase=Phase",
        "ConnectionStatus",
        "NetworkState=Network",
    ),
    "sdk.connection.timings": ("Timings",),
    "sdk.continuity.state": ("Continuity", "ContinuityKind"),
    "sdk.exceptions": ("CometChatException",),
    "sdk.io.browser_store": ("LocalStorageSessionStore",),
    "sdk.io.files": ("FileSessionStore",),
    "sdk.listeners.events": (
        "ConversationListChanged",
        "ConversationPinned",
        "MessagePinned",
        "MessageSaved",
        "ReactionChanged",
        "TransientReceived",
        "ConnectionChanged",
        "ConnectionFailed",
        "DraftChanged",
        "Event",
        "GroupChanged",
        "HistoryGap",
        "MessageDeleted",
        "MessageEdited",
        "MessageReceived",
        "PresenceChanged",
        "ReceiptReceived",
        "TypingChanged",
        "OutboxChanged",
        "UploadResult",
    ),
    "sdk.listeners.interfaces": (
        "ConnectionListener",
        "GroupListener",
        "LoginListener",
        "MessageListener",
        "UploadFileListener",
        "UserListener",
    ),
    "sdk.listeners.registry": ("EventStream",),
    "sdk.live.changes": ("Change", "ChangeKind"),
    "sdk.live.conversation_list": ("LiveConversation",),
    "sdk.live.conversations": ("LiveConversations",),
    "sdk.live.live_list": ("LiveList",),
    "sdk.live.message_list": ("LiveMessage", "MessageState"),
    "sdk.live.messages": ("LiveMessages",),
    "sdk.outbox": ("OutboxEntry", "OutboxStatus"),
    "sdk.session": ("MemorySessionStore", "SessionStore"),
    "wire.constants": (
        "ActionType",
        "Category",
        "ConversationType",
        "GroupType",
        "InteractiveType",
        "MemberScope",
        "MessageType",
        "ModerationStatus",
        "PresenceSubscription",
        "ReactionAction",
        "ReceiptType",
        "ReceiverType",
        "ReceiverTypeName",
        "UserStatus",
    ),
    "wire.entities": (
        "Conversation",
        "FlagDetail",
        "FlagReason",
        "GroupMember",
        "InteractiveMessage",
        "Reaction",
        "ReactionCount",
        "ReactionEvent",
        "TransientMessage",
        "Action",
        "Attachment",
        "BaseMessage",
        "CustomMessage",
        "Group",
        "MediaMessage",
        "MessageReceipt",
        "TextMessage",
        "TypingIndicator",
        "User",
    ),
    "wire.notifications": (
        "DNDOptions",
        "DayOfWeek",
        "DaySchedule",
        "GroupPreferences",
        "MemberActionsOptions",
        "MessagesOptions",
        "MutePreferences",
        "MutedConversation",
        "MutedConversationType",
        "NotificationPreferences",
        "OneOnOnePreferences",
        "PushPlatforms",
        "ReactionsOptions",
        "RepliesOptions",
        "UnmutedConversation",
    ),
}
_LAZY = {
    name.partition("=")[0]: (module, name.partition("=")[2] or name)
    for module, names in _HOMES.items()
    for name in names
}
__all__ = ["__version__", *sorted(_LAZY)]


def __getattr__(name: str) -> Any:
    home = _LAZY.get(name)
    if home is None:
        raise AttributeError(f"module 'tailwire' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"tailwire.{home[0]}"), home[1])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
