"""Sends, reads, edits and deletes messages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.content import Body, Content, Edit, read_content, receivers
from tailwire.server.actions.delivery import Delivery, as_told
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.doors import Doors
from tailwire.server.actions.present import encode, entity, group
from tailwire.server.actions.roles import Roles
from tailwire.server.actions.uploads import Files
from tailwire.server.actions.views import Views, with_quoted
from tailwire.server.ports.conversations import ConversationKey, id_of, key_of
from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, Edited, Event, ListedRow, MessageRow, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.world import World
from tailwire.server.rules import messages as rules
from tailwire.server.rules.lengths import Lengths
from tailwire.server.rules.names import identifier
from tailwire.wire.bounds import harmless

SENT = (Event("message_sent"),)
NOTHING: dict[str, Any] = {}
NO_MARK = "none"
EDITED, DELETED = (Event("message_edited"),), (Event("message_deleted"),)


_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Messages:
    """What can be done with messages.

    Args:
        most_data: bytes of a message's `data`.
        stored: called for each new message (a counter).
    """

    def __init__(
        self,
        store: Store,
        directory: Directory,
        doors: Doors,
        roles: Roles,
        views: Views,
        files: Files,
        delivery: Delivery,
        world: World,
        lengths: Lengths,
        most_data: int,
        stored: Callable[[], None],
    ) -> None:
        self._store = store
        self._directory = directory
        self._doors = doors
        self._roles = roles
        self._views = views
        self._files = files
        self._delivery = delivery
        self._world = world
        self._lengths = lengths
        self._most_data = most_data
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
        content = await read_content(body.category, body.type, body.data, self._directory, self._most_data)
        data = content.data
        await self._describe(data)
        if body.muid is not None and not 0 < len(body.muid) <= rules.MAX_MUID:
            raise Refused("ERR_BAD_REQUEST", {"muid": f"Use 1 to {rules.MAX_MUID} characters."})
        sender_entity = await self._directory.stored_entity(caller.uid)
        try:
            receiver_entity = await self._receiver(caller, receiver, receiver_type)
        except Refused:
            # Sent before, when they still might, and the answer was lost: that is the answer.
            sent = await self.sent(caller, body.muid)
            if sent is None:
                raise
            return sent
        conversation = key_of(caller.uid, receiver, receiver_type)
        if receiver_type == "user":
            of = b',"conversationId":%b}' % encode(id_of(conversation))
            receiver_entity = msgspec.Raw(bytes(receiver_entity)[:-1] + of)
        more, parent, quoted = await self._more(caller, body, conversation)
        data["entities"] = {
            "sender": entity(sender_entity, "user"),
            "receiver": entity(receiver_entity, receiver_type),
        }
        data["resource"] = caller.device
        place = (caller.uid, receiver, receiver_type, conversation, body.category, body.type)
        draft = self._draft(*place, content, SENT, more, parent, quoted)
        if files := named_files(body.data):
            draft = replace(draft, files=files)
        by_member = receiver_type == "group" and not caller.system
        act = self._doors.group_act(caller, receiver, "write") if by_member else None
        stored = await self._store.messages.add(draft, act)
        json = stored.message.json()
        if quoted is not None:
            json = with_quoted(json, quoted)
        if stored.new:
            # In the turn in which the store answered, without an await between: publications keep the ids' order.
            self._delivery.message(stored.message, json, caller.device, before=stored.before)
            self._stored()
        return as_told(caller, json, stored.before)

    async def _describe(self, data: dict[str, Any]) -> None:
        # What is known of attachments that are files of ours.
        if "attachments" not in data:
            return
        if len(data["attachments"]) > self._files.most_count:
            raise Refused("ERR_FILE_COUNT_EXCEEDED", {"data.attachments": f"Send at most {self._files.most_count}."})
        data["attachments"] = [await self._files.describe(a) for a in data["attachments"]]
        data["url"] = data["attachments"][0].url

    async def sent(self, caller: Caller, muid: str | None) -> bytes | None:
        """What the caller has sent under a muid before, as JSON, or None."""
        row = await self._store.messages.by_muid(caller.uid, muid) if muid and len(muid) <= rules.MAX_MUID else None
        return row.json() if row is not None else None

    async def send_to_many(self, caller: Caller, body: Body) -> list[msgspec.Raw]:
        """Store a message for each of several receivers, and publish it. Who is named twice gets one.

        Raises:
            Refused: as `send`, for the first receiver with whom something is wrong.
        """
        places = receivers(body)
        if not 0 < len(places) <= 100:
            raise Refused("ERR_EMPTY_RECEIVER", {"multipleReceivers": "Name 1 to 100 uids and guids."})
        sent = []
        for receiver, kind in places:
            one = msgspec.structs.replace(body, receiver=receiver, receiver_type=kind, muid=None)
            sent.append(msgspec.Raw(await self.send(caller, one)))
        return sent

    async def _receiver(self, caller: Caller, receiver: str, receiver_type: str) -> Any:
        if receiver_type == "user":
            await self._doors.user(caller, receiver, "write")
            await self._roles.check_receiver(caller, receiver)
            return await self._directory.stored_entity(receiver)
        found, _ = await self._doors.group(caller, receiver, "write")
        return group(found, None)

    async def _more(
        self, caller: Caller, body: Body, conversation: ConversationKey
    ) -> tuple[dict[str, Any], MessageRow | None, MessageRow | None]:
        # What not every message has: a muid, tags, a message that it answers, one that it quotes.
        more: dict[str, Any] = {}
        parent = quoted = None
        if body.muid:
            more["muid"] = body.muid
        if body.tags:
            more["tags"] = self._lengths.check_tags(body.tags)
        wanted = body.parent_id or body.parent_message_id
        if wanted:
            parent = await self._doors.message(caller, wanted, "reply")
            rules.check_parent(parent, conversation)
            more["parentId"] = str(parent.id)
        if body.quoted_message_id:
            quoted = await self._doors.message(caller, body.quoted_message_id, "quote")
            if quoted.conversation_id != conversation:
                raise Refused("ERR_MESSAGE_ID_NOT_FOUND", {"quotedMessageId": "There is no such message here."})
            more["quotedMessageId"] = str(quoted.id)
        return more, parent, quoted

    def _draft(
        self,
        sender: str,
        receiver: str,
        receiver_type: str,
        conversation: ConversationKey,
        category: str,
        kind: str,
        content: Content,
        events: tuple[Event, ...],
        more: dict[str, Any] = NOTHING,
        parent: MessageRow | None = None,
        quoted: MessageRow | None = None,
    ) -> Draft:
        now = self._world.seconds()
        fields = {
            "conversationId": id_of(conversation),
            "sender": sender,
            "receiverType": receiver_type,
            "receiver": receiver,
            "category": category,
            "type": kind,
            "data": content.data,
            "sentAt": now,
            **more,
        }
        if content.mentions and self._store.webhooks.enabled:
            events = (*events, Event("user_mentioned"))
        return Draft(
            conversation, sender, receiver, receiver_type, category, kind, encode(fields), now, more.get("muid"),
            parent.id if parent else None, quoted.id if quoted else None, content.traits, content.mentions,
            content.updates_conversation, events,
        )  # fmt: skip

    async def check(self, caller: Caller, body: Body) -> None:
        """Whether the caller may send a message to its receiver, before its files are kept.

        Raises:
            Refused: as `send`.
        """
        rules.check_receiver(body.receiver, body.receiver_type)
        await self._receiver(caller, identifier(body.receiver or "", "receiver"), body.receiver_type or "")

    async def find(self, caller: Caller, wanted: str | int) -> MessageRow:
        """A message that the caller may read.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND.
        """
        return await self._doors.message(caller, wanted, "read")

    async def get(self, caller: Caller, wanted: str | int, *, following: bool = False) -> bytes:
        """A message that the caller may read; with who has received it, for its sender.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, also for one that they may not read: whether it exists is not told.
        """
        row = await self._doors.message(caller, wanted, "read")
        shown = await self._views.one(row, caller.reader, following=following)
        if row.sender != caller.uid and not caller.key:
            return shown
        listed = []
        for uid, delivered, read in await self._store.read_state.receipts(row):
            times = {k: v for k, v in (("deliveredAt", delivered), ("readAt", read)) if v}
            listed.append({"recipient": await self._directory.entity_for(uid, caller.reader), **times})
        return b'%b,"receipts":%b}' % (shown[:-1], encode({"data": listed}))

    async def listed(self, caller: Caller, wanted: MessageFilter, *, uid: str = "", guid: str = "") -> list[ListedRow]:
        """Messages of a conversation, or of all that the caller may read; oldest first.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER.
        """
        if uid:
            await self._directory.user_entity(identifier(uid, "uid"))
        if guid:
            await self._doors.group(caller, guid, "read")
        if wanted.conversation_id is not None and wanted.reader:
            cleared = await self._store.read_state.cleared_until(wanted.conversation_id, wanted.reader)
            if cleared:
                wanted = replace(wanted, since=cleared)
        if wanted.cursor is not None and wanted.sent_cursor is not None:
            # As pages hand them out, both are one message's (which may be gone since): its id says where the list goes
            # on, also where the clock was set back.
            border = await self._store.messages.get(wanted.cursor)
            if border is None or border.sent_at == wanted.sent_cursor:
                wanted = replace(wanted, sent_cursor=None)
        rows = await self._store.messages.find(wanted)
        return rows if wanted.newer else rows[::-1]

    def mark(self, said: str, after: int | None) -> str:
        """Check a position from which a client reads on, and return the mark of this start for the next one.

        Args:
            said: the mark that the client was given with its position; `none` where it has none.
            after: the id after which it reads on, if it does.

        Raises:
            Refused: ERR_POSITION_UNKNOWN, with the last id that the client's history and this store have in common.
        """
        if after is not None and said != NO_MARK:
            known = self._store.known_until(said, after)
            if known < after:
                raise Refused("ERR_POSITION_UNKNOWN", {"known": max(0, known)})
        return self._store.start

    async def edit(self, caller: Caller, wanted: str, edit: Edit) -> bytes:
        """Change a message. The answer is the action message that says so.

        Raises:
            Refused: with the documented code of what is wrong.
        """
        act = self._doors.message_act(caller, wanted, "edit", rules.check_changeable)
        row = (await self._store.standings.message(act)).message
        data = _decode_object(_decode_object(harmless(row.body))["data"])
        content, edited = None, b""
        named: tuple[str, ...] = ()
        if bytes(edit.data) not in (b"{}", b"null"):
            kept = {k: data[k] for k in ("entities", "resource") if k in data}
            sent = edit.data
            if row.category == "message" and row.type != "text":
                # A new caption keeps the attachments.
                sent = msgspec.Raw(
                    encode({**{k: data[k] for k in ("attachments", "url") if k in data}, **_object(sent)})
                )
            content = await read_content(row.category, row.type, sent, self._directory, self._most_data)
            await self._describe(content.data)
            edited, named = encode({**kept, **content.data}), named_files(sent)
        tags = msgspec.Raw(encode(self._lengths.check_tags(edit.tags))) if edit.tags is not None else None

        def changed(before: MessageRow) -> Edited:
            fields = _decode_object(harmless(before.body))
            if tags is not None:
                fields["tags"] = tags
            if content is None:
                return Edited(encode(fields), before.traits)
            fields["data"] = msgspec.Raw(edited)
            return Edited(encode(fields), content.traits, content.mentions, named)

        told = await self._told(caller, row, "edited", EDITED)
        return self._publish(caller, await self._store.messages.edit(act, self._world.seconds(), changed, told))

    async def delete(self, caller: Caller, wanted: str, *, permanent: bool = False) -> bytes:
        """Delete a message: its content goes, its place stays. The answer is the action message that says so.

        Args:
            permanent: (REST keys) its place goes too, once everybody has been told.

        Raises:
            Refused: with the documented code of what is wrong.
        """
        act = self._doors.message_act(caller, wanted, "delete", rules.check_changeable)
        row = (await self._store.standings.message(act)).message
        told = await self._told(caller, row, "deleted", DELETED)
        json = self._publish(
            caller, await self._store.messages.delete(act, self._world.seconds(), _without_content, told)
        )
        if permanent and caller.key:
            await self._store.removal.remove_message(row)
        return json

    async def _told(
        self, caller: Caller, row: MessageRow, action: str, events: tuple[Event, ...]
    ) -> Callable[[MessageRow], Draft]:
        by = await self._directory.stored_entity(caller.uid)
        receiver_entity: Any = msgspec.Raw(b"{}")
        if row.receiver_type == "user":
            receiver = row.receiver if row.sender == caller.uid or caller.system else row.sender
            receiver_entity = await self._directory.stored_entity(receiver)
        else:
            receiver = row.receiver
            found = await self._store.groups.get(receiver)
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
            place = (caller.uid, receiver, row.receiver_type, row.conversation_id, "action", "message")
            return replace(self._draft(*place, Content(data, 0), events), shown=False)

        return told

    def _publish(self, caller: Caller, stored: Stored) -> bytes:
        json = stored.message.json()
        self._delivery.message(stored.message, json, caller.device, before=stored.before)
        return as_told(caller, json, stored.before)


def _without_content(row: MessageRow) -> bytes:
    fields = _decode_object(harmless(row.body))
    data = _decode_object(fields["data"])
    fields["data"] = msgspec.Raw(encode({k: data[k] for k in ("entities", "resource") if k in data}))
    return encode(fields)


def _object(raw: msgspec.Raw) -> dict[str, msgspec.Raw]:
    try:
        return _decode_object(raw)
    except msgspec.ValidationError as e:
        raise Refused("ERR_INVALID_MESSAGE_DATA", {"data": str(e)}) from e
