"""Map each event to the listener callback that it leads to, and call it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.dispatch.calling import call_listener, log_cancellation
from tailwire.sdk.listeners import events as e
from tailwire.sdk.listeners.interfaces import (
    ConnectionListener,
    GroupListener,
    LoginListener,
    MessageListener,
    UserListener,
)
from tailwire.sdk.listeners.registry import Listeners, Streams
from tailwire.wire.constants import Category
from tailwire.wire.entities import (
    Action,
    BaseMessage,
    CustomMessage,
    Group,
    InteractiveMessage,
    MediaMessage,
    TextMessage,
    User,
)

log = logging.getLogger("tailwire")


@dataclass(slots=True)
class ListenerRegistries:
    """All listeners and streams of a client."""

    streams: Streams = field(default_factory=Streams)
    connection: Listeners[ConnectionListener] = field(default_factory=lambda: Listeners(ConnectionListener))
    login: Listeners[LoginListener] = field(default_factory=lambda: Listeners(LoginListener))
    user: Listeners[UserListener] = field(default_factory=lambda: Listeners(UserListener))
    group: Listeners[GroupListener] = field(default_factory=lambda: Listeners(GroupListener))
    message: Listeners[MessageListener] = field(default_factory=lambda: Listeners(MessageListener))
    late: list[ConnectionListener] = field(default_factory=list)
    """Connection listeners whose `LateListener` entry is still queued; they do not receive entries queued before it."""


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A queue entry: the connection has another status, for connection listeners.

    Streams get a `ConnectionChanged` directly after it. After a new socket was opened, they get the one with the status
    `connected` later, once it is known what was missed (its continuity).
    """

    status: ConnectionStatus


@dataclass(frozen=True, slots=True)
class LateListener:
    """A queue entry: a connection listener was added, which alone gets the status at that time."""

    listener_id: str
    listener: ConnectionListener
    status: ConnectionStatus


@dataclass(frozen=True, slots=True)
class LoginNotice:
    """A queue entry: the result of a login or logout, as the name of a `LoginListener` callback and its arguments."""

    name: str
    arguments: tuple[Any, ...] = ()


_STATUS_CALLBACKS = {
    ConnectionStatus.CONNECTED: "on_connected",
    ConnectionStatus.CONNECTING: "on_connecting",
    ConnectionStatus.DISCONNECTED: "on_disconnected",
    ConnectionStatus.FEATURE_THROTTLED: "on_feature_throttled",
}
_MESSAGE_CALLBACKS: dict[type, str] = {
    TextMessage: "on_text_message_received",
    MediaMessage: "on_media_message_received",
    CustomMessage: "on_custom_message_received",
    InteractiveMessage: "on_interactive_message_received",
}
_RECEIPT_CALLBACKS = {
    "delivered": "on_messages_delivered",
    "read": "on_messages_read",
    "deliveredToAll": "on_messages_delivered_to_all",
    "readByAll": "on_messages_read_by_all",
}
_PRESENCE_CALLBACKS = {"online": "on_user_online", "away": "on_user_away", "offline": "on_user_offline"}
_TYPING_CALLBACKS = {"started": "on_typing_started", "ended": "on_typing_ended"}

Call = tuple[Listeners[Any], str, tuple[Any, ...]]
"""A call to make: the listeners, the name of the callback, and its arguments."""


class Callbacks:
    """Calls the listeners, and puts events into the streams."""

    def __init__(self, registries: ListenerRegistries) -> None:
        self._r = registries

    async def handle(self, entry: object) -> None:
        """Call the listeners that an entry of the queue concerns, one after the other; put an event into the streams.

        Waits while a stream is full. An exception of a listener is logged and not raised. If the session ends
        meanwhile, an event of its user reaches no further listener and no stream.
        """
        session = self._r.streams.session
        if type(entry) is not e.MessageReceived:
            await self._handle_other(entry, session)
            return
        name = _MESSAGE_CALLBACKS.get(type(entry.message))
        if name is not None:
            for listener in self._r.message:
                if session != self._r.streams.session:
                    return
                try:  # as in `call_listener`, but without creating a coroutine for each listener
                    result = getattr(listener, name)(entry.message)
                    if result is not None and inspect.isawaitable(result):
                        await result
                except asyncio.CancelledError:
                    log_cancellation("listener", type(listener).__qualname__)
                except Exception:
                    log.exception("listener %s raised", type(listener).__qualname__)
        if self._r.streams.references:
            await self._r.streams.put(entry, session)

    def put_last(self, event: e.Event) -> None:
        """Put an event into all streams, and close them."""
        self._r.streams.put_last(event)

    async def _handle_other(self, entry: object, session: int) -> None:
        if isinstance(entry, LateListener):
            self._r.late.remove(entry.listener)
            if entry.listener in self._r.connection:
                await call_listener(getattr(entry.listener, _STATUS_CALLBACKS[entry.status]), ())
            return
        call = CALLS[type(entry)](self._r, entry)
        if call is not None:
            await self._call(*call, session)
        if self._r.streams.references and isinstance(entry, e.Event):
            await self._r.streams.put(entry, session)

    async def _call(self, listeners: Listeners[Any], name: str, arguments: tuple[Any, ...], session: int) -> None:
        late = self._r.late if listeners is self._r.connection else ()
        for_anyone = listeners is self._r.connection or listeners is self._r.login
        for listener in listeners:
            if session != self._r.streams.session and not for_anyone:
                return
            if not any(listener is other for other in late):
                await call_listener(getattr(listener, name), arguments)


def _call_for_receipt(r: ListenerRegistries, event: e.ReceiptReceived) -> Call | None:
    name = _RECEIPT_CALLBACKS.get(event.receipt.receipt_type)
    return (r.message, name, (event.receipt,)) if name else None


def _call_for_typing(r: ListenerRegistries, event: e.TypingChanged) -> Call | None:
    name = _TYPING_CALLBACKS.get(event.indicator.typing_status)
    return (r.message, name, (event.indicator,)) if name else None


def _call_for_presence(r: ListenerRegistries, event: e.PresenceChanged) -> Call:
    return r.user, _PRESENCE_CALLBACKS.get(event.user.status, "on_user_offline"), (event.user,)


def _call_for_group(r: ListenerRegistries, event: e.GroupChanged) -> Call | None:
    a = event.action
    by, on = a.action_by or User(""), a.action_on if isinstance(a.action_on, User) else a.action_by or User("")
    group = a.action_for if isinstance(a.action_for, Group) else Group(a.receiver)
    scopes = (a.raw.get("data") or {}).get("extras", {}).get("scope", {}) if a.action == "scopeChanged" else {}
    calls: dict[str, tuple[str, tuple[Any, ...]]] = {
        "joined": ("on_group_member_joined", (a, by, group)),
        "left": ("on_group_member_left", (a, by, group)),
        "kicked": ("on_group_member_kicked", (a, on, by, group)),
        "banned": ("on_group_member_banned", (a, on, by, group)),
        "unbanned": ("on_group_member_unbanned", (a, on, by, group)),
        "added": ("on_member_added_to_group", (a, by, on, group)),
        "scopeChanged": (
            "on_group_member_scope_changed",
            (a, by, on, scopes.get("new", ""), scopes.get("old", ""), group),
        ),
    }
    return (r.group, *calls[a.action]) if a.action in calls else None


def _call_nobody(r: ListenerRegistries, event: object) -> None:
    """Return None, because no listener has a callback for this event, or it was called for the `StatusChanged`."""


CALLS: dict[type, Callable[[ListenerRegistries, Any], Call | None]] = {
    StatusChanged: lambda r, entry: (r.connection, _STATUS_CALLBACKS[entry.status], ()),
    LoginNotice: lambda r, entry: (r.login, entry.name, entry.arguments),
    e.ConnectionChanged: _call_nobody,  # listeners were called for the `StatusChanged`
    e.ConnectionFailed: lambda r, event: (r.connection, "on_connection_error", (event.error,)),
    e.MessageEdited: lambda r, event: (r.message, "on_message_edited", (event.message,)),
    e.MessageDeleted: lambda r, event: (r.message, "on_message_deleted", (event.message,)),
    e.GroupChanged: _call_for_group,
    e.ReceiptReceived: _call_for_receipt,
    e.TypingChanged: _call_for_typing,
    e.PresenceChanged: _call_for_presence,
    e.TransientReceived: lambda r, event: (r.message, "on_transient_message_received", (event.message,)),
    e.DraftChanged: lambda r, event: (r.message, "on_draft_changed", (event,)),
    e.ReactionChanged: lambda r, event: (
        r.message, f"on_message_reaction_{'added' if event.added else 'removed'}", (event.event,),
    ),
    e.MessagePinned: lambda r, event: (
        r.message, f"on_message_{'pinned' if event.pinned else 'unpinned'}", (event.message,),
    ),
    e.MessageSaved: lambda r, event: (
        r.message, f"on_message_{'saved' if event.saved else 'unsaved'}", (event.message,),
    ),
    e.ConversationPinned: _call_nobody,
    e.ConversationListChanged: _call_nobody,
    e.HistoryGap: lambda r, event: (r.message, "on_history_gap", (event,)),
    e.OutboxChanged: lambda r, event: (r.message, "on_queued_message_changed", (event.entry,)),
}  # fmt: skip
"""For each type of queue entry, a function that returns the call to make, or None for no call.

`MessageReceived` and `LateListener` are handled without this table.
"""


def event_of(message: BaseMessage) -> e.Event:
    """Return the event for a message from the server, such as `MessageEdited` for the action message of an edit."""
    if type(message) is TextMessage:
        return e.MessageReceived(message)
    if isinstance(message, Action) and message.category == Category.ACTION:
        on = message.action_on
        if message.action == "edited" and isinstance(on, BaseMessage):
            return e.MessageEdited(on, message)
        if message.action == "deleted" and isinstance(on, BaseMessage):
            return e.MessageDeleted(on, message)
        if message.type == "groupMember":
            return e.GroupChanged(message)
    return e.MessageReceived(message)
