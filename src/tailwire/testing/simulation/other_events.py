"""Record the events of a device besides new messages: edits, deletions, memberships, reactions, pins, saves, receipts.

What the user did with conversations on other devices, and the continuity of each connection, is reported only by event
streams, not by listeners.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from tailwire.sdk.connection.state import ConnectionStatus
from tailwire.sdk.continuity.state import ContinuityKind
from tailwire.sdk.listeners import events as e
from tailwire.sdk.listeners.interfaces import GroupListener, MessageListener
from tailwire.testing.simulation.contents import text_of
from tailwire.testing.virtual.world import virtual_loop
from tailwire.wire.entities import Action, BaseMessage, MessageReceipt, ReactionEvent

Note = Callable[[tuple[Any, ...], Any], None]
"""Records a change: what changed, such as `("pin", 7)`, and its new value."""


class OtherEvents(MessageListener, GroupListener):
    """Records what listeners receive besides new messages. Add it as a message listener and as a group listener.

    Args:
        note: called with what changed, and its new value.
    """

    def __init__(self, note: Note) -> None:
        self._note = note

    def on_message_edited(self, message: BaseMessage) -> None:
        self._note(("edited", message.id), text_of(message))

    def on_message_deleted(self, message: BaseMessage) -> None:
        self._note(("deleted", message.id), True)

    def on_message_reaction_added(self, event: ReactionEvent) -> None:
        self._note_reaction(event, added=True)

    def on_message_reaction_removed(self, event: ReactionEvent) -> None:
        self._note_reaction(event, added=False)

    def _note_reaction(self, event: ReactionEvent, *, added: bool) -> None:
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
        self._note_receipt("delivered", receipt)

    def on_messages_read(self, receipt: MessageReceipt) -> None:
        self._note_receipt("read", receipt)

    def on_messages_delivered_to_all(self, receipt: MessageReceipt) -> None:
        self._note(("delivered to all", receipt.message_id), True)

    def on_messages_read_by_all(self, receipt: MessageReceipt) -> None:
        self._note(("read by all", receipt.message_id), True)

    def _note_receipt(self, kind: str, receipt: MessageReceipt) -> None:
        self._note((kind, receipt.message_id, receipt.sender.uid), True)

    def on_group_member_joined(self, action: Action, *_: object) -> None:
        self._note_member(action)

    def on_group_member_left(self, action: Action, *_: object) -> None:
        self._note_member(action)

    def on_group_member_kicked(self, action: Action, *_: object) -> None:
        self._note_member(action)

    def on_group_member_banned(self, action: Action, *_: object) -> None:
        self._note_member(action)

    def on_group_member_unbanned(self, action: Action, *_: object) -> None:
        self._note_member(action)

    def on_group_member_scope_changed(self, action: Action, *_: object) -> None:
        self._note_member(action)

    def on_member_added_to_group(self, action: Action, *_: object) -> None:
        self._note_member(action)

    def _note_member(self, action: Action) -> None:
        self._note(("member", action.id), action.action)


class Stream:
    """Records what the event stream of one life of an app reports.

    Args:
        note: called with what changed in the list of conversations, and its new value.

    Attributes:
        task: the task of `follow`; None before it is started.
        sequence: all events that change something, in order: what changed, its new value, and the virtual time.
        wrong: descriptions of connections that report a gap in their continuity, although no gap was reported before.
        exact_after: the gaps (from, to] that were reported although the connection then reported an exact continuity;
            that is right only if the messages in them can no longer be read.
        unknown: whether a connection reported an unknown continuity.
    """

    def __init__(self, note: Note) -> None:
        self._note = note
        self.sequence: list[tuple[tuple[Any, ...], Any, float]] = []
        self._gaps: list[tuple[int, int]] = []  # those of this start
        self._gaps_before = 0  # how many were reported before the current connection
        self.task: asyncio.Task[None] | None = None
        self.wrong: list[str] = []
        self.exact_after: list[tuple[int, int]] = []
        self.unknown = False

    async def follow(self, events: AsyncIterator[e.Event]) -> None:
        """Record the events of a client's stream until the stream ends."""
        async for event in events:
            if (change := _key_and_value(event)) is not None:
                self._record(*change, of_lists=isinstance(event, e.ConversationPinned | e.ConversationListChanged))
            elif isinstance(event, e.HistoryGap):
                self._gaps.append((event.from_id, event.to_id))
            elif isinstance(event, e.ConnectionChanged):
                self._note_connection(event)

    def _record(self, key: tuple[Any, ...], value: Any, *, of_lists: bool) -> None:
        self.sequence.append((key, value, virtual_loop().time()))
        if of_lists:  # listeners note the others
            self._note(key, value)

    def _note_connection(self, event: e.ConnectionChanged) -> None:
        continuity = event.continuity
        if continuity is None:
            if event.status in (ConnectionStatus.CONNECTING, ConnectionStatus.DISCONNECTED):
                self._gaps_before = len(self._gaps)
            return
        if continuity.kind is ContinuityKind.UNKNOWN:
            self.unknown = True
        elif continuity.kind is ContinuityKind.EXACT:
            self.exact_after += self._gaps[self._gaps_before :]
        elif continuity.kind is ContinuityKind.GAP and not any(continuity.from_id <= begin for begin, _ in self._gaps):
            self.wrong.append(f"{continuity} without a gap: {self._gaps}")


def _key_and_value(event: e.Event) -> tuple[tuple[Any, ...], Any] | None:
    # Return what an event changes and its new value, as for `Note`; None if it changes no object.
    match event:
        case e.MessageReceived(message):
            return ("message", message.id), True
        case e.MessageEdited(message):
            return ("edited", message.id), text_of(message)
        case e.MessageDeleted(message):
            return ("deleted", message.id), True
        case e.ReactionChanged(changed, added):
            reaction = changed.reaction
            return ("reaction", reaction.message_id, reaction.reaction, reaction.uid), added
        case e.MessagePinned(message, pinned):
            return ("pin", message.id), pinned
        case e.MessageSaved(message, saved):
            return ("save", message.id), saved
        case e.GroupChanged(action):
            return ("member", action.id), action.action
        case e.ConversationPinned(conversation, pinned):
            return ("conversation pin", _id_of(conversation.conversation_with)), pinned
        case e.ConversationListChanged(change, _, other, group):
            return ("conversation", change, other), group.owner if group is not None else True
    return None


def _id_of(other: Any) -> str:
    return str(getattr(other, "uid", "") or getattr(other, "guid", ""))
