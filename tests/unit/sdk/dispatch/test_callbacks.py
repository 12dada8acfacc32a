"""Every event has its entry in the table, and leads to the documented callback with the documented arguments."""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from typing import get_args

import pytest

from tailwire import (
    Action,
    CometChatException,
    ConnectionListener,
    ConnectionStatus,
    CustomMessage,
    GroupListener,
    InteractiveMessage,
    LoginListener,
    MediaMessage,
    MessageListener,
    MessageReceipt,
    Reaction,
    ReactionEvent,
    TextMessage,
    TransientMessage,
    TypingIndicator,
    User,
    UserListener,
)
from tailwire.sdk.dispatch import callbacks
from tailwire.sdk.dispatch.callbacks import Callbacks, ListenerRegistries, event_of
from tailwire.sdk.listeners import events
from tailwire.wire.codec import message_from_wire
from tailwire.wire.entities import Group

BY, ON, TO = User("by"), User("on"), Group("g")


class Recording(GroupListener):
    def __init__(self) -> None:
        self.calls: list[tuple] = []

    def __getattribute__(self, name):
        if name.startswith("on_"):
            return lambda *arguments: self.calls.append((name, *arguments))
        return super().__getattribute__(name)


def action(name: str) -> Action:
    def entity(kind, key, value):
        return {"entityType": kind, "entity": {key: value}}

    entities = {
        "by": entity("user", "uid", "by"),
        "on": entity("user", "uid", "on"),
        "for": entity("group", "guid", "g"),
    }
    data = {"action": name, "entities": entities, "extras": {"scope": {"new": "admin", "old": "participant"}}}
    wire = {
        "id": "1",
        "receiver": "g",
        "receiverType": "group",
        "category": "action",
        "type": "groupMember",
        "data": data,
    }
    read = message_from_wire(wire)
    assert isinstance(read, Action)
    return read


@pytest.mark.spec("S27")
@pytest.mark.parametrize(
    ("name", "callback", "arguments"),
    [
        ("joined", "on_group_member_joined", (BY, TO)),
        ("left", "on_group_member_left", (BY, TO)),
        ("kicked", "on_group_member_kicked", (ON, BY, TO)),
        ("banned", "on_group_member_banned", (ON, BY, TO)),
        ("unbanned", "on_group_member_unbanned", (ON, BY, TO)),
        ("added", "on_member_added_to_group", (BY, ON, TO)),
        ("scopeChanged", "on_group_member_scope_changed", (BY, ON, "admin", "participant", TO)),
    ],
)
async def test_group_actions_call_their_listener(name, callback, arguments):
    registries, listener, happened = ListenerRegistries(), Recording(), action(name)
    registries.group.add("it", listener)
    await Callbacks(registries).handle(event_of(happened))
    assert listener.calls == [(callback, happened, *arguments)]


def test_every_event_has_an_entry_in_the_table():
    dispatched = {*callbacks.CALLS, events.MessageReceived} - {callbacks.StatusChanged, callbacks.LoginNotice}
    assert dispatched == set(get_args(events.Event))


def text(number: int = 1) -> TextMessage:
    return TextMessage(receiver="bob", text="hi", id=number)


EDIT = Action(receiver="bob", type="message", action="edited")
RECEIPT = MessageReceipt(1, BY, "bob", "user", "read")
REACTION = events.ReactionChanged(ReactionEvent(Reaction(1, 1, "like", "by", 0), "bob", "user", "c"), True)
DRAFT = events.DraftChanged("d", BY, "bob", "user", "so far")
FAILED = CometChatException("ERR_UNAVAILABLE", "The server is overloaded.")
NOTICES = {name: callbacks.LoginNotice(name, arguments) for name, arguments in {
    "login_success": (BY,), "login_failure": (FAILED,), "logout_success": (), "logout_failure": (FAILED,),
}.items()}  # fmt: skip

# Each callback of the documented listeners, and a queue entry that leads to it.
LEADING_TO: dict[str, object] = {
    **{name: callbacks.StatusChanged(status) for name, status in {
        "on_connected": ConnectionStatus.CONNECTED,
        "on_connecting": ConnectionStatus.CONNECTING,
        "on_disconnected": ConnectionStatus.DISCONNECTED,
        "on_feature_throttled": ConnectionStatus.FEATURE_THROTTLED,
    }.items()},
    "on_connection_error": events.ConnectionFailed(FAILED),
    **NOTICES,
    "on_user_online": events.PresenceChanged(User("u", status="online")),
    "on_user_away": events.PresenceChanged(User("u", status="away")),
    "on_user_offline": events.PresenceChanged(User("u", status="offline")),
    "on_group_member_joined": events.GroupChanged(action("joined")),
    "on_group_member_left": events.GroupChanged(action("left")),
    "on_group_member_kicked": events.GroupChanged(action("kicked")),
    "on_group_member_banned": events.GroupChanged(action("banned")),
    "on_group_member_unbanned": events.GroupChanged(action("unbanned")),
    "on_group_member_scope_changed": events.GroupChanged(action("scopeChanged")),
    "on_member_added_to_group": events.GroupChanged(action("added")),
    "on_text_message_received": events.MessageReceived(text()),
    "on_media_message_received": events.MessageReceived(MediaMessage(receiver="bob")),
    "on_custom_message_received": events.MessageReceived(CustomMessage(receiver="bob")),
    "on_interactive_message_received": events.MessageReceived(InteractiveMessage(receiver="bob")),
    "on_message_edited": events.MessageEdited(text(), EDIT),
    "on_message_deleted": events.MessageDeleted(text(), EDIT),
    "on_typing_started": events.TypingChanged(TypingIndicator(BY, "bob", "user", "started")),
    "on_typing_ended": events.TypingChanged(TypingIndicator(BY, "bob", "user", "ended")),
    "on_messages_read": events.ReceiptReceived(RECEIPT),
    "on_messages_delivered": events.ReceiptReceived(replace(RECEIPT, receipt_type="delivered")),
    "on_messages_delivered_to_all": events.ReceiptReceived(replace(RECEIPT, receipt_type="deliveredToAll")),
    "on_messages_read_by_all": events.ReceiptReceived(replace(RECEIPT, receipt_type="readByAll")),
    "on_transient_message_received": events.TransientReceived(TransientMessage("bob", "user")),
    "on_draft_changed": DRAFT,
    "on_message_reaction_added": REACTION,
    "on_message_reaction_removed": replace(REACTION, added=False),
    "on_message_pinned": events.MessagePinned(text(), True),
    "on_message_unpinned": events.MessagePinned(text(), False),
    "on_message_saved": events.MessageSaved(text(), True),
    "on_message_unsaved": events.MessageSaved(text(), False),
    "on_history_gap": events.HistoryGap(1, 9),
    "on_queued_message_changed": events.OutboxChanged(None),
}  # fmt: skip
STREAMS_ONLY = {events.ConnectionChanged, events.ConversationPinned, events.ConversationListChanged}
LISTENERS = (ConnectionListener, LoginListener, UserListener, GroupListener, MessageListener)


def recorder(kind: type, calls: list[str]) -> object:
    """Return a listener whose callbacks are the documented ones, and record their names."""

    def recording(name: str):
        wanted = inspect.signature(getattr(kind, name))

        def callback(self, *arguments):
            wanted.bind(self, *arguments)
            calls.append(name)

        return functools.wraps(getattr(kind, name))(callback)

    return type(f"Recording{kind.__name__}", (kind,), {n: recording(n) for n in vars(kind) if n[0] != "_"})()


@pytest.mark.parametrize("name", list(LEADING_TO))
async def test_each_callback_is_called_with_its_documented_arguments(name):
    registries, calls = ListenerRegistries(), []
    for registry, kind in zip(("connection", "login", "user", "group", "message"), LISTENERS, strict=True):
        getattr(registries, registry).add("it", recorder(kind, calls))
    await Callbacks(registries).handle(LEADING_TO[name])
    assert calls == [name]


def test_table_of_tested_callbacks_has_every_callback_and_every_event():
    assert set(LEADING_TO) == {name for kind in LISTENERS for name in vars(kind) if not name.startswith("_")}
    led = {type(entry) for entry in LEADING_TO.values()} - {callbacks.StatusChanged, callbacks.LoginNotice}
    assert led | STREAMS_ONLY == set(get_args(events.Event))
