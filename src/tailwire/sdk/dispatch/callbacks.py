"""Which callback of which listener stands for an event."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tailwire.sdk.connection.state import ConnectionStatus
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
class Registries:
    """All listeners and streams of a client."""

    streams: Streams = field(default_factory=Streams)
    connection: Listeners[ConnectionListener] = field(default_factory=lambda: Listeners(ConnectionListener))
    login: Listeners[LoginListener] = field(default_factory=lambda: Listeners(LoginListener))
    user: Listeners[UserListener] = field(default_factory=lambda: Listeners(UserListener))
    group: Listeners[GroupListener] = field(default_factory=lambda: Listeners(GroupListener))
    message: Listeners[MessageListener] = field(default_factory=lambda: Listeners(MessageListener))
    late: list[ConnectionListener] = field(default_factory=list)
    """Added, and not told the status of then yet: what was queued before is not for them."""


@dataclass(frozen=True, slots=True)
class StatusTold:
    """The listeners hear a status at once; the event of the streams follows when its continuity is known."""

    status: ConnectionStatus


@dataclass(frozen=True, slots=True)
class LateListener:
    """A connection listener was added: it alone is told the status of now."""

    listener_id: str
    listener: ConnectionListener
    status: ConnectionStatus


@dataclass(frozen=True, slots=True)
class LoginTold:
    """A login or logout came to its end."""

    name: str
    arguments: tuple[Any, ...] = ()


_STATUS = {
    ConnectionStatus.CONNECTED: "on_connected",
    ConnectionStatus.CONNECTING: "on_connecting",
    ConnectionStatus.DISCONNECTED: "on_disconnected",
    ConnectionStatus.FEATURE_THROTTLED: "on_feature_throttled",
}
_BY_TYPE: dict[type, str] = {
    TextMessage: "on_text_message_received",
    MediaMessage: "on_media_message_received",
    CustomMessage: "on_custom_message_received",
    InteractiveMessage: "on_interactive_message_received",
}
_RECEIPTS = {
    "delivered": "on_messages_delivered",
    "read": "on_messages_read",
    "deliveredToAll": "on_messages_delivered_to_all",
    "readByAll": "on_messages_read_by_all",
}
_PRESENCE = {"online": "on_user_online", "away": "on_user_away", "offline": "on_user_offline"}
_TYPING = {"started": "on_typing_started", "ended": "on_typing_ended"}

Call = tuple[Listeners[Any], str, tuple[Any, ...]]


class Callbacks:
    """Calls listeners and fills streams."""

    def __init__(self, registries: Registries) -> None:
        self._r = registries

    async def handle(self, entry: object) -> None:
        """Call everyone whom an entry of the queue concerns, one after the other."""
        if type(entry) is e.MessageReceived:
            name = _BY_TYPE.get(type(entry.message))
            if name is not None:
                for listener in self._r.message:
                    try:  # as `call_listener`, without a coroutine for each
                        result = getattr(listener, name)(entry.message)
                        if result is not None and inspect.isawaitable(result):
                            await result
                    except asyncio.CancelledError:
                        _look_at_cancellation(type(listener).__qualname__)
                    except Exception:
                        log.exception("listener %s raised", type(listener).__qualname__)
            if self._r.streams:
                await self._r.streams.put(entry)
            return
        if isinstance(entry, LateListener):
            self._r.late.remove(entry.listener)
            if any(known is entry.listener for known in self._r.connection):
                await call_listener(getattr(entry.listener, _STATUS[entry.status]), ())
            return
        for listeners, name, arguments in self._calls(entry):
            late = self._r.late if listeners is self._r.connection else ()
            for listener in listeners:
                if not any(listener is other for other in late):
                    await call_listener(getattr(listener, name), arguments)
        if self._r.streams and isinstance(entry, e.Event):
            await self._r.streams.put(entry)

    def _calls(self, entry: object) -> Iterator[Call]:
        r = self._r
        if isinstance(entry, StatusTold):
            yield r.connection, _STATUS[entry.status], ()
        elif isinstance(entry, e.ConnectionFailed):
            yield r.connection, "on_connection_error", (entry.error,)
        elif isinstance(entry, e.MessageEdited):
            yield r.message, "on_message_edited", (entry.message,)
        elif isinstance(entry, e.MessageDeleted):
            yield r.message, "on_message_deleted", (entry.message,)
        elif isinstance(entry, e.ReceiptReceived):
            if entry.receipt.receipt_type in _RECEIPTS:
                yield r.message, _RECEIPTS[entry.receipt.receipt_type], (entry.receipt,)
        elif isinstance(entry, e.TypingChanged):
            if entry.indicator.typing_status in _TYPING:
                yield r.message, _TYPING[entry.indicator.typing_status], (entry.indicator,)
        elif isinstance(entry, e.PresenceChanged):
            yield r.user, _PRESENCE.get(entry.user.status, "on_user_offline"), (entry.user,)
        elif isinstance(entry, e.HistoryGap):
            yield r.message, "on_history_gap", (entry,)
        elif isinstance(entry, e.GroupChanged):
            yield from self._group(entry.action)
        elif isinstance(entry, LoginTold):
            yield r.login, entry.name, entry.arguments
        else:
            yield from self._rare(entry)

    def _rare(self, entry: object) -> Iterator[Call]:
        message = self._r.message
        if isinstance(entry, e.TransientReceived):
            yield message, "on_transient_message_received", (entry.message,)
        elif isinstance(entry, e.DraftChanged):
            yield message, "on_draft_changed", (entry,)
        elif isinstance(entry, e.ReactionChanged):
            yield message, f"on_message_reaction_{'added' if entry.added else 'removed'}", (entry.event,)
        elif isinstance(entry, e.MessagePinned):
            yield message, "on_message_pinned" if entry.pinned else "on_message_unpinned", (entry.message,)
        elif isinstance(entry, e.MessageSaved):
            yield message, "on_message_saved" if entry.saved else "on_message_unsaved", (entry.message,)
        elif isinstance(entry, e.OutboxChanged):
            yield message, "on_queued_message_changed", (entry.entry,)

    def _group(self, a: Action) -> Iterator[Call]:
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
        if a.action in calls:
            yield self._r.group, *calls[a.action]


async def call_listener(callback: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Call a listener, which may be async. An exception in it is reported and harms nothing (K4)."""
    try:
        result = callback(*arguments)
        if result is not None and inspect.isawaitable(result):
            await result
    except asyncio.CancelledError:
        _look_at_cancellation(getattr(callback, "__qualname__", callback))
    except Exception:
        log.exception("listener %s raised", getattr(callback, "__qualname__", callback))


def _look_at_cancellation(who: object) -> None:
    # Called where it is caught. Passed on when this task is cancelled; else it is what the listener has raised.
    task = asyncio.current_task()
    if task is None or task.cancelling():
        raise
    log.exception("listener %s raised", who)


def event_of(message: BaseMessage) -> e.Event:
    """The event that a message of the server stands for."""
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
