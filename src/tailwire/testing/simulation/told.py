"""What a device receives beside new messages: edits, deletions, memberships, reactions, pins, saves and receipts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tailwire.sdk.listeners.interfaces import GroupListener, MessageListener
from tailwire.wire.entities import Action, BaseMessage, MessageReceipt, ReactionEvent

Note = Callable[[tuple[Any, ...], Any], None]
"""Records what changed, and how it is now."""


class OtherEvents(MessageListener, GroupListener):
    """Records events.

    Args:
        note: called with the key of what changed, and its new value.
    """

    def __init__(self, note: Note) -> None:
        self._note = note

    def on_message_edited(self, message: BaseMessage) -> None:
        self._note(("edited", message.id), getattr(message, "text", ""))

    def on_message_deleted(self, message: BaseMessage) -> None:
        self._note(("deleted", message.id), True)

    def on_message_reaction_added(self, event: ReactionEvent) -> None:
        self._reaction(event, added=True)

    def on_message_reaction_removed(self, event: ReactionEvent) -> None:
        self._reaction(event, added=False)

    def _reaction(self, event: ReactionEvent, *, added: bool) -> None:
        reaction = event.reaction
        self._note(("reaction", reaction.message_id, reaction.reaction, reaction.uid), added)

    def on_message_pinned(self, message: BaseMessage) -> None:
        self._note(("pin", message.id), True)

    def on_message_unpinned(self, message: BaseMessage) -> None:
        self._note(("pin", message.id), False)

    def on_message_saved(self, message: BaseMessage) -> None:
        self._note(("save", message.id), True)

    def on_message_unsaved(self, message: BaseMessage) -> None:
        self._note(("save", message.id), False)

    def on_messages_delivered(self, receipt: MessageReceipt) -> None:
        self._receipt("delivered", receipt)

    def on_messages_read(self, receipt: MessageReceipt) -> None:
        self._receipt("read", receipt)

    def on_messages_delivered_to_all(self, receipt: MessageReceipt) -> None:
        self._note(("delivered to all", receipt.message_id), True)

    def on_messages_read_by_all(self, receipt: MessageReceipt) -> None:
        self._note(("read by all", receipt.message_id), True)

    def _receipt(self, kind: str, receipt: MessageReceipt) -> None:
        self._note((kind, receipt.message_id, receipt.sender.uid), True)

    def on_group_member_joined(self, action: Action, *_: object) -> None:
        self._member(action)

    def on_group_member_left(self, action: Action, *_: object) -> None:
        self._member(action)

    def on_group_member_kicked(self, action: Action, *_: object) -> None:
        self._member(action)

    def on_group_member_banned(self, action: Action, *_: object) -> None:
        self._member(action)

    def on_group_member_unbanned(self, action: Action, *_: object) -> None:
        self._member(action)

    def on_group_member_scope_changed(self, action: Action, *_: object) -> None:
        self._member(action)

    def on_member_added_to_group(self, action: Action, *_: object) -> None:
        self._member(action)

    def _member(self, action: Action) -> None:
        self._note(("member", action.id), action.action)
