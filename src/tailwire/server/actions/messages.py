"""Sends, reads, edits and deletes messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.present import encode, entity, group
from tailwire.server.ports.records import Draft, MessageFilter, MessageRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import messages as rules
from tailwire.server.rules.groups import check_visible
from tailwire.server.rules.names import conversation_of, identifier, tags

ABSENT = msgspec.Raw(b"null")  # msgspec knows no "Raw or None"


class Attachment(msgspec.Struct, rename="camel"):
    """An attachment as a client sends it."""

    url: str = ""
    name: str = ""
    mime_type: str = ""
    extension: str = ""
    size: str | int = ""


class Data(msgspec.Struct, rename="camel"):
    """`data` of a message as a client sends it: the documented keys only, nothing else is kept."""

    text: Any = None
    metadata: msgspec.Raw = ABSENT
    custom_data: msgspec.Raw = ABSENT
    attachments: list[Attachment] | None = None
    url: str | None = None


class Body(msgspec.Struct, rename="camel"):
    """A message as a client sends it."""

    receiver: str | None = None
    receiver_type: str | None = None
    category: str = "message"
    type: str = "text"
    data: msgspec.Raw = msgspec.Raw(b"{}")
    muid: str | None = None
    tags: list[str] | None = None
    parent_id: str | int | None = None


class Edit(msgspec.Struct, rename="camel"):
    """A change of a message as a client sends it."""

    data: msgspec.Raw = msgspec.Raw(b"{}")
    tags: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """What of the settings concerns messages."""

    most_data: int


_decode_data = msgspec.json.Decoder(Data).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Messages:
    """What can be done with messages.

    Args:
        stored: called for each new message (a counter).
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        delivery: Delivery,
        world: World,
        limits: Limits,
        stored: Callable[[], None],
    ) -> None:
        self._store = store
        self._directory = directory
        self._delivery = delivery
        self._world = world
        self._limits = limits
        self._stored = stored

    async def send(self, caller: Caller, body: Body) -> bytes:
        """Store a message and publish it.

        Returns:
            The message as JSON. A muid that the sender has used gives the message of then.

        Raises:
            Refused: with the documented code of what is wrong.
        """
        rules.check_receiver(body.receiver, body.receiver_type)
        receiver, receiver_type = identifier(body.receiver or "", "receiver"), body.receiver_type or ""
        data = self._content(body.category, body.type, body.data)
        if body.muid is not None and not 0 < len(body.muid) <= rules.MOST_MUID:
            raise Refused("ERR_BAD_REQUEST", {"muid": f"Use 1 to {rules.MOST_MUID} characters."})
        sender_entity = await self._directory.user_entity(caller.uid)
        receiver_entity = await self._receiver(caller, receiver, receiver_type)
        conversation = conversation_of(caller.uid, receiver, receiver_type)
        parent = await self._parent(body.parent_id, conversation)
        data["entities"] = {
            "sender": entity(sender_entity, "user"),
            "receiver": entity(receiver_entity, receiver_type),
        }
        data["resource"] = caller.device
        draft = self._draft(caller.uid, receiver, receiver_type, conversation, body.category, body.type, data)
        if body.muid or body.tags or parent:
            draft = _complete(draft, body, parent)
        stored = await self._store.add_message(draft)
        json = stored.message.json()
        if stored.new:
            # In the turn in which the store answered, without an await between: publications keep the ids' order.
            self._delivery.message(stored.message, json, caller.device)
            self._stored()
        return json

    def _content(self, category: str, kind: str, raw: msgspec.Raw) -> dict[str, Any]:
        try:
            sent = _decode_data(raw)
        except msgspec.ValidationError as e:
            raise Refused("ERR_INVALID_MESSAGE_DATA", {"data": str(e)}) from e
        attachments = [a for a in sent.attachments or () if a.url]
        if sent.url and not attachments:
            attachments = [Attachment(url=sent.url)]
        custom = bytes(sent.custom_data).startswith(b"{")
        rules.check_content(
            category, kind, sent.text, len(attachments), custom, len(bytes(raw)), self._limits.most_data
        )
        data: dict[str, Any] = {}
        if sent.text is not None:
            data["text"] = sent.text
        if attachments and category == "message" and kind != "text":
            data["attachments"] = attachments
            data["url"] = attachments[0].url
        if custom and category == "custom":
            data["customData"] = sent.custom_data
        if bytes(sent.metadata) != b"null":
            if not bytes(sent.metadata).startswith(b"{"):
                raise Refused("ERR_INVALID_MESSAGE_DATA", {"data.metadata": "Send an object."})
            data["metadata"] = sent.metadata
        return data

    async def _receiver(self, caller: Caller, receiver: str, receiver_type: str) -> Any:
        if receiver_type == "user":
            return await self._directory.user_entity(receiver)
        member = await self._store.member(receiver, caller.uid)
        found = check_visible(await self._store.group(receiver), member)
        if member is None:
            raise Refused("ERR_NOT_A_MEMBER")
        return group(found, None)

    async def _parent(self, parent_id: str | int | None, conversation: str) -> int | None:
        if parent_id is None:
            return None
        parent = await self._store.message(message_id(parent_id))
        if parent is None or parent.conversation_id != conversation:
            raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"parentId": "There is no such message in this conversation."})
        return parent.id

    def _draft(
        self,
        sender: str,
        receiver: str,
        receiver_type: str,
        conversation: str,
        category: str,
        kind: str,
        data: dict[str, Any],
    ) -> Draft:
        now = self._world.seconds()
        fields = {
            "conversationId": conversation,
            "sender": sender,
            "receiverType": receiver_type,
            "receiver": receiver,
            "category": category,
            "type": kind,
            "data": data,
            "sentAt": now,
        }
        return Draft(conversation, sender, receiver, receiver_type, category, kind, encode(fields), now)

    async def get(self, caller: Caller, wanted: str | int) -> MessageRow:
        """A message that the caller may read.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, also for one that she may not read: whether it exists is not told.
        """
        row = await self._store.message(message_id(wanted))
        if row is not None:
            member = await self._store.member(row.receiver, caller.uid) if row.receiver_type == "group" else None
            if rules.may_read(row, caller.uid, member.joined_after_id if member else None):
                return row
        raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"id": str(wanted)})

    async def list(self, caller: Caller, wanted: MessageFilter, *, uid: str = "", guid: str = "") -> list[MessageRow]:
        """Messages of a conversation, or of all that the caller may read; oldest first.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER.
        """
        if uid:
            await self._directory.user_entity(identifier(uid, "uid"))
        if guid:
            member = await self._store.member(identifier(guid, "guid"), caller.uid)
            check_visible(await self._store.group(identifier(guid, "guid")), member)
            if member is None:
                raise Refused("ERR_NOT_A_MEMBER")
        rows = await self._store.messages(wanted)
        return rows if wanted.newer else rows[::-1]

    async def edit(self, caller: Caller, wanted: str, edit: Edit) -> bytes:
        """Change a message. The answer is the action message that says so.

        Raises:
            Refused: with the documented code of what is wrong.
        """
        row = await self._changeable(caller, wanted)
        fresh = self._content(row.category, row.type, edit.data)
        fields = _decode_object(row.body)
        data = _decode_object(fields["data"])
        kept = {k: data[k] for k in ("entities", "resource") if k in data}
        fields["data"] = msgspec.Raw(encode({**kept, **fresh}))
        if edit.tags is not None:
            fields["tags"] = msgspec.Raw(encode(tags(edit.tags)))
        return await self._change(caller, row, encode(fields), "edited")

    async def delete(self, caller: Caller, wanted: str) -> bytes:
        """Delete a message: its content goes, its place stays. The answer is the action message that says so.

        Raises:
            Refused: with the documented code of what is wrong.
        """
        row = await self._changeable(caller, wanted)
        fields = _decode_object(row.body)
        data = _decode_object(fields["data"])
        fields["data"] = msgspec.Raw(encode({k: data[k] for k in ("entities", "resource") if k in data}))
        return await self._change(caller, row, encode(fields), "deleted")

    async def _changeable(self, caller: Caller, wanted: str) -> MessageRow:
        row = await self.get(caller, wanted)
        member = await self._store.member(row.receiver, caller.uid) if row.receiver_type == "group" else None
        rules.check_change(row, caller.uid, member.scope if member else None)
        return row

    async def _change(self, caller: Caller, row: MessageRow, body: bytes, action: str) -> bytes:
        by = await self._directory.user_entity(caller.uid)
        receiver_entity: Any = msgspec.Raw(b"{}")
        if row.receiver_type == "user":
            other = row.receiver if row.sender == caller.uid else row.sender
            receiver, receiver_entity = other, await self._directory.user_entity(other)
        else:
            receiver = row.receiver
            found = await self._store.group(receiver)
            receiver_entity = group(found, None) if found else receiver_entity

        def told(changed: MessageRow) -> Draft:
            data = {
                "action": action,
                "entities": {
                    "by": entity(by, "user"),
                    "for": entity(receiver_entity, row.receiver_type),
                    "on": entity(msgspec.Raw(changed.json()), "message"),
                },
                "resource": caller.device,
            }
            return self._draft(caller.uid, receiver, row.receiver_type, row.conversation_id, "action", "message", data)

        change = self._store.edit_message if action == "edited" else self._store.delete_message
        stored = await change(row.id, body, caller.uid, self._world.seconds(), told)
        if stored is None:
            raise Refused("ERR_MESSAGE_ACTION_NOT_ALLOWED")
        json = stored.message.json()
        self._delivery.message(stored.message, json, caller.device)
        return json


def message_id(value: str | int) -> int:
    """A message id as clients send it.

    Raises:
        Refused: ERR_MESSAGE_ID_NOT_FOUND.
    """
    try:
        number = int(value)
    except (ValueError, TypeError) as e:
        raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"id": str(value)[:50]}) from e
    if not 0 < number < 2**63:
        raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"id": str(value)[:50]})
    return number


def _complete(draft: Draft, body: Body, parent: int | None) -> Draft:
    more: dict[str, Any] = {}
    if body.muid:
        more["muid"] = body.muid
    if body.tags:
        more["tags"] = tags(body.tags)
    if parent:
        more["parentId"] = str(parent)
    joined = draft.body[:-1] + b"," + encode(more)[1:]
    return Draft(
        draft.conversation_id, draft.sender, draft.receiver, draft.receiver_type, draft.category, draft.type, joined,
        draft.sent_at, body.muid, parent,
    )  # fmt: skip
