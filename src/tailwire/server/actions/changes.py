"""Encodes entries of the change log (reactions, receipts, pins …) as the frames in which they were sent live."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.conversations import Conversations
from tailwire.server.actions.delivery import type_and_id
from tailwire.server.actions.payloads import conversation_payload, group_payload, reaction_payload
from tailwire.server.actions.raw_json import encode, with_field
from tailwire.server.actions.rendering import Renderer
from tailwire.server.actions.services import Services
from tailwire.server.actions.views import GroupView, ReactionView
from tailwire.server.ports.change_log import ChangeKind, ChangeRow, receivers_of
from tailwire.server.ports.conversations import ConversationKey
from tailwire.server.ports.records import MessageRow, ReactionRow
from tailwire.server.ports.refusal import Refused

_RECEIPTS = {
    ChangeKind.DELIVERED: "delivered", ChangeKind.READ: "read",
    ChangeKind.DELIVERED_TO_ALL: "deliveredToAll", ChangeKind.READ_BY_ALL: "readByAll",
}  # fmt: skip
_OF_ALL = (ChangeKind.DELIVERED_TO_ALL, ChangeKind.READ_BY_ALL)
_LISTS = {ChangeKind.LIST_CHANGED: "changed", ChangeKind.LIST_REMOVED: "removed", ChangeKind.BLOCKS: "blocks"}


class ChangeFrames:
    """Encodes entries as frames. There is no frame for an entry whose subject was deleted or is hidden from the reader.

    The subject is the message, conversation or user that the entry is about.
    """

    def __init__(self, services: Services, renderer: Renderer, conversations: Conversations) -> None:
        self._store = services.store
        self._directory = services.directory
        self._authorizer = services.authorizer
        self._frames = services.delivery.frames
        self._renderer = renderer
        self._conversations = conversations
        self._of_kind: Mapping[str, Callable[[Caller, ChangeRow], Awaitable[bytes | None]]] = {
            ChangeKind.REACTION_ADDED: self._reaction,
            ChangeKind.REACTION_REMOVED: self._reaction,
            ChangeKind.PINNED: self._pin,
            ChangeKind.UNPINNED: self._pin,
            ChangeKind.SAVED: self._save,
            ChangeKind.UNSAVED: self._save,
            ChangeKind.CONVERSATION_PINNED: self._conversation_pin,
            ChangeKind.CONVERSATION_UNPINNED: self._conversation_pin,
            ChangeKind.GROUP: self._group,
            ChangeKind.GROUP_REMOVED: self._group_removed,
            **dict.fromkeys(_RECEIPTS, self._receipt),
            **dict.fromkeys(_LISTS, self._list),
        }

    async def frames_for(self, caller: Caller, rows: Sequence[ChangeRow]) -> list[bytes]:
        """Return the frames of entries for one reader, in the same order. Entries that they may not see are left out.

        Each frame contains the entry's `number`, and in `after` the id of the message after which it happened.

        Raises:
            Refused: the store cannot be read now. Nothing is lost: the client asks again.
        """
        frames = []
        for row in rows:
            frame = await self._frame(caller, row)
            if frame is not None:
                frames.append(
                    with_field(with_field(frame, b"number", b"%d" % row.number), b"after", b"%d" % row.after_id)
                )
        return frames

    async def shared_frame(self, row: ChangeRow) -> bytes | None:
        """Return the one frame of an entry that all its receivers got live; None if its subject no longer exists.

        Raises:
            Refused: the store cannot be read now.
        """
        guid, uids = receivers_of(row)
        alone = not guid and len(uids) == 1 and not row.to_uid
        reader = Caller(uids[0] if alone else row.uid, row.device, "")
        return await self._frame(reader, row)

    async def _frame(self, caller: Caller, row: ChangeRow) -> bytes | None:
        try:
            return await self._of_kind[row.kind](caller, row)
        except Refused as e:
            if e.is_temporary:  # the entry is not lost: it is asked for again
                raise
            return None

    async def _message(self, row: ChangeRow) -> MessageRow | None:
        found = await self._store.messages.get(row.message_id)
        return found if found is not None and found.deleted_at is None else None

    async def _reaction(self, caller: Caller, row: ChangeRow) -> bytes | None:
        message = await self._message(row)
        if message is None:
            return None
        number, at, text = row.detail.split(" ", 2)
        user = await self._directory.entity_if_there(row.uid, "")
        view = ReactionView(ReactionRow(int(number), row.message_id, text, row.uid, int(at)), user)
        added = row.kind == ChangeKind.REACTION_ADDED
        action = "message_reaction_added" if added else "message_reaction_removed"
        return self._frames.reaction(_cause(row), message, {"action": action, **reaction_payload(view)})

    async def _pin(self, caller: Caller, row: ChangeRow) -> bytes | None:
        message = await self._message(row)
        if message is None:
            return None
        if row.until_id is not None and await self._store.change_log.last_edit(message.id) > row.until_id:
            return None  # a former member may not see the present content
        rendered = message.json() if row.until_id is not None else await self._renderer.render(message, "")
        action = "pinned" if row.kind == ChangeKind.PINNED else "unpinned"
        return self._frames.pin(_cause(row), message, action, rendered)

    async def _save(self, caller: Caller, row: ChangeRow) -> bytes | None:
        message = await self._authorizer.message(caller, row.message_id, "read")
        rendered = await self._renderer.render(message, caller.reader)
        return self._frames.save(_cause(row), "saved" if row.kind == ChangeKind.SAVED else "unsaved", rendered)

    async def _receipt(self, caller: Caller, row: ChangeRow) -> bytes | None:
        message = await self._store.messages.get(row.message_id)
        user = await self._directory.entity_if_there(row.uid, "")
        if user is None and row.kind in _OF_ALL:  # what all others have received or read holds without that user
            user = await self._directory.absent_entity(row.uid)
        if message is None or user is None:
            return None
        action = _RECEIPTS[ChangeKind(row.kind)]
        body = {"action": action, "messageId": str(row.message_id), "user": user, "timestamp": row.at}
        receiver = message.receiver if message.receiver_type == "group" else row.to_uid
        return self._frames.receipt(_cause(row), receiver, message.receiver_type, row.to_uid, body)

    async def _conversation_pin(self, caller: Caller, row: ChangeRow) -> bytes | None:
        conversation = await self._conversations.get(caller, *type_and_id(ConversationKey(row.detail), caller.uid))
        action = "pinned" if row.kind == ChangeKind.CONVERSATION_PINNED else "unpinned"
        return self._frames.conversation_pin(_cause(row), action, encode(conversation_payload(conversation)))

    async def _list(self, caller: Caller, row: ChangeRow) -> bytes | None:
        kind, other = type_and_id(ConversationKey(row.detail) if row.detail else None, caller.uid)
        return self._frames.list_change(_cause(row), _LISTS[ChangeKind(row.kind)], kind, other)

    async def _group(self, caller: Caller, row: ChangeRow) -> bytes | None:
        found = await self._store.groups.get(row.detail)
        if found is None or row.until_id is not None:  # a former member may not see how the group is now
            return None
        payload: Any = group_payload(GroupView(found))
        return self._frames.list_change(_cause(row), "group", "group", row.detail, group=payload)

    async def _group_removed(self, caller: Caller, row: ChangeRow) -> bytes | None:
        return self._frames.list_change(_cause(row), "groupRemoved", "group", row.detail, group=None)


def _cause(row: ChangeRow) -> Caller:
    return Caller(row.uid, row.device, "")
