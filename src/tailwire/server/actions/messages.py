"""Sends, reads, edits and deletes messages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.content import Content, fields_of, read_content
from tailwire.server.actions.delivery import for_sender
from tailwire.server.actions.drafting import NO_REFERENCES, Envelope, Outgoing, References, draft
from tailwire.server.actions.payloads import as_entity, group_payload
from tailwire.server.actions.raw_json import decode_object, encode, with_field
from tailwire.server.actions.rendering import Renderer, with_quoted
from tailwire.server.actions.roles import Roles
from tailwire.server.actions.services import Services
from tailwire.server.actions.uploads import Files
from tailwire.server.actions.views import GroupView
from tailwire.server.ports.conversations import ConversationKey, id_of, key_of
from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import Draft, EditedContent, Event, ListedRow, MessageRow, Stored
from tailwire.server.ports.refusal import Refused
from tailwire.server.rules import messages as rules
from tailwire.server.rules.names import identifier
from tailwire.wire.bounds import parseable

MAX_RECEIVERS = 100
NO_MARK = "none"
SENT_EVENTS = (Event("message_sent"),)
EDITED_EVENTS, DELETED_EVENTS = (Event("message_edited"),), (Event("message_deleted"),)
MENTIONED_EVENT = Event("user_mentioned")


class Messages:
    """Actions on messages.

    Args:
        max_data: the largest size of a message's `data`, in bytes.
        count_stored: called after each new message was stored and published.
    """

    def __init__(
        self,
        services: Services,
        roles: Roles,
        renderer: Renderer,
        files: Files,
        max_data: int,
        count_stored: Callable[[], None],
    ) -> None:
        self._store = services.store
        self._directory = services.directory
        self._authorizer = services.authorizer
        self._roles = roles
        self._renderer = renderer
        self._files = files
        self._delivery = services.delivery
        self._world = services.world
        self._lengths = services.lengths
        self._max_data = max_data
        self._count_stored = count_stored

    async def send(self, caller: Caller, message: Outgoing) -> bytes:
        """Store a message and publish it to its receivers.

        Returns:
            The message, encoded. If the caller has sent one with the same muid before, nothing is stored and that one
            is returned, even if they may no longer send to the receiver.

        Raises:
            Refused: with the code of `wire.catalogue` for what is wrong.
        """
        rules.check_receiver(message.receiver, message.receiver_type)
        receiver, receiver_type = identifier(message.receiver or "", "receiver"), message.receiver_type or ""
        content = await read_content(message.category, message.type, message.data, self._directory, self._max_data)
        data = content.data
        await self._describe(data)
        if message.muid is not None and not 0 < len(message.muid) <= rules.MAX_MUID_CHARACTERS:
            raise Refused("ERR_BAD_REQUEST", {"muid": f"Use 1 to {rules.MAX_MUID_CHARACTERS} characters."})
        sender_entity = await self._directory.stored_entity(caller.uid)
        try:
            receiver_entity = await self._receiver(caller, receiver, receiver_type)
        except Refused:
            # A retry of a send whose response was lost succeeds even if the caller may no longer send.
            sent = await self.find_sent(caller, message.muid)
            if sent is None:
                raise
            return sent
        conversation = key_of(caller.uid, receiver, receiver_type)
        if receiver_type == "user":
            with_id = with_field(bytes(receiver_entity), b"conversationId", encode(id_of(conversation)))
            receiver_entity = msgspec.Raw(with_id)
        references = await self._references(caller, message, conversation)
        data["entities"] = {
            "sender": as_entity(sender_entity, "user"),
            "receiver": as_entity(receiver_entity, receiver_type),
        }
        data["resource"] = caller.device
        envelope = Envelope(caller.uid, receiver, receiver_type, conversation, message.category, message.type)
        new = self._draft(envelope, content, SENT_EVENTS, references)
        if files := named_files(message.data):
            await self._files.accept_upload(files)
            new = new._replace(files=files)
        by_member = receiver_type == "group" and not caller.system
        act = self._authorizer.group_act(caller, receiver, "write") if by_member else None
        stored = await self._store.messages.add(new, act)
        json = stored.message.json()
        if references.quoted is not None:
            json = with_quoted(json, references.quoted)
        if stored.new:
            # No await since the store returned, so that publications keep the order of the ids.
            self._delivery.publish_message(stored, json, caller.device)
            self._count_stored()
        return for_sender(caller, json, stored)

    async def _describe(self, data: dict[str, Any]) -> None:
        # Replaces attachments that are files of this server with their stored facts.
        if "attachments" not in data:
            return
        if len(data["attachments"]) > self._files.max_count:
            advice = {"data.attachments": f"Send at most {self._files.max_count}."}
            raise Refused("ERR_FILE_COUNT_EXCEEDED", advice, limit="max_files")
        data["attachments"] = [await self._files.describe(a) for a in data["attachments"]]
        data["url"] = data["attachments"][0].url

    async def find_sent(self, caller: Caller, muid: str | None) -> bytes | None:
        """Return the message that the caller has already sent with a muid, encoded; None if there is no such one."""
        if not muid or len(muid) > rules.MAX_MUID_CHARACTERS:
            return None
        row = await self._store.messages.by_muid(caller.uid, muid)
        return row.json() if row is not None else None

    async def send_to_many(
        self, caller: Caller, message: Outgoing, receivers: Sequence[tuple[str, str]]
    ) -> list[msgspec.Raw]:
        """Send a message to several receivers, one after the other. Return the messages, encoded, in the same order.

        Args:
            message: the message. Its receiver and its muid are ignored, so that a repeated call sends it again.
            receivers: a uid and `user`, or a guid and `group`, for each.

        Raises:
            Refused: ERR_EMPTY_RECEIVER: there are no receivers, or more than `MAX_RECEIVERS`; or as in `send` for one
                of them. Then only the receivers before this one have got the message.
        """
        if not 0 < len(receivers) <= MAX_RECEIVERS:
            raise Refused("ERR_EMPTY_RECEIVER", {"multipleReceivers": f"Name 1 to {MAX_RECEIVERS} uids and guids."})
        sent = []
        for receiver, kind in receivers:
            one = message._replace(receiver=receiver, receiver_type=kind, muid=None)
            sent.append(msgspec.Raw(await self.send(caller, one)))
        return sent

    async def _receiver(self, caller: Caller, receiver: str, receiver_type: str) -> Any:
        if receiver_type == "user":
            entity = await self._authorizer.existing_user(caller, receiver, "write")
            await self._roles.check_receiver(caller, receiver)
            return entity
        found, _ = await self._authorizer.group(caller, receiver, "write")
        return group_payload(GroupView(found))

    async def _references(self, caller: Caller, message: Outgoing, conversation: ConversationKey) -> References:
        if not (message.muid or message.tags or message.parent_id or message.quoted_message_id):
            return NO_REFERENCES
        fields: dict[str, Any] = {}
        parent = quoted = None
        if message.muid:
            fields["muid"] = message.muid
        if message.tags:
            fields["tags"] = self._lengths.check_tags(message.tags)
        if message.parent_id:
            await self._roles.check_feature(caller, "createMessageThread")
            parent = await self._authorizer.message(caller, message.parent_id, "reply")
            rules.check_parent(parent, conversation)
            fields["parentId"] = str(parent.id)
        if message.quoted_message_id:
            quoted = await self._authorizer.message(caller, message.quoted_message_id, "quote")
            rules.check_quoted(quoted, conversation)
            fields["quotedMessageId"] = str(quoted.id)
        return References(fields, parent, quoted)

    def _draft(
        self, envelope: Envelope, content: Content, events: tuple[Event, ...], references: References = NO_REFERENCES
    ) -> Draft:
        if content.mentions and self._store.webhooks.any_enabled:
            events = (*events, MENTIONED_EVENT)
        return draft(envelope, content, self._world.seconds(), events, references)

    async def check_receiver(self, caller: Caller, receiver: str | None, receiver_type: str | None) -> None:
        """Check that the caller may send to a receiver. It is called before the files of a message are stored.

        Raises:
            Refused: as in `send`, for what concerns the receiver.
        """
        rules.check_receiver(receiver, receiver_type)
        await self._receiver(caller, identifier(receiver or "", "receiver"), receiver_type or "")

    async def find(self, caller: Caller, message_id: str | int) -> MessageRow:
        """Return a message.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, also for a message that the caller may not read.
        """
        return await self._authorizer.message(caller, message_id, "read")

    async def get(self, caller: Caller, message_id: str | int, *, following: bool = False) -> bytes:
        """Return a message, encoded. The sender of the message, or a REST key, also gets its receipts.

        Receipts of users who were deleted or deactivated are left out.

        Args:
            following: add the field `threadSubscribed`: whether the caller follows its thread.

        Raises:
            Refused: ERR_MESSAGE_ID_NOT_FOUND, also for a message that the caller may not read.
        """
        row = await self._authorizer.message(caller, message_id, "read")
        rendered = await self._renderer.render(row, caller.reader, following=following)
        if row.sender != caller.uid and not caller.key:
            return rendered
        listed = []
        for uid, delivered, read in await self._store.read_state.receipts(row):
            times = {k: v for k, v in (("deliveredAt", delivered), ("readAt", read)) if v}
            if recipient := await self._directory.entity_if_there(uid, caller.reader):
                listed.append({"recipient": recipient, **times})
        return with_field(rendered, b"receipts", encode({"data": listed}))

    async def list_page(
        self, caller: Caller, criteria: MessageFilter, *, uid: str = "", guid: str = ""
    ) -> list[ListedRow]:
        """Return the messages that match a filter, at most its `limit`, always sorted oldest first.

        With a conversation in the filter, messages that its reader has deleted for themselves are left out.

        Args:
            criteria: the filter, which names the conversation, or selects from all conversations of its reader.
            uid: check that this user exists, or has a conversation with the caller; "" to check nothing.
            guid: check that the caller may read this group, whose conversation it is; "" to check nothing.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND: there is no such user or group; ERR_NOT_A_MEMBER;
                ERR_FEATURE_RESTRICTED: the filter selects replies, and the caller's role may not read threads.
        """
        if criteria.parent_id:
            await self._roles.check_feature(caller, "listThreadedMessages")
        if uid:
            await self._authorizer.conversation(caller, "user", uid)
        if guid:
            await self._authorizer.group(caller, guid, "read")
        if criteria.conversation_id is not None and criteria.reader:
            cleared = await self._store.read_state.cleared_until(criteria.conversation_id, criteria.reader)
            if cleared:
                criteria = replace(criteria, since=cleared)
        if criteria.cursor is not None and criteria.sent_cursor is not None:
            # Both cursors belong to one message, which may have been deleted since. Its id decides where the list
            # continues, even if the clock was set back.
            border = await self._store.messages.get(criteria.cursor)
            if border is None or border.sent_at == criteria.sent_cursor:
                criteria = replace(criteria, sent_cursor=None)
        rows = await self._store.messages.find(criteria)
        return rows if criteria.newer else rows[::-1]

    async def check_mark(self, mark: str, after: int | None) -> str:
        """Check that a client's position belongs to the history of this store, and return the store's current mark.

        The store gets another mark when a server starts, or when its database was restored from a copy, so that ids may
        belong to other messages than those that the client has received.

        Args:
            mark: the mark that the client received with its position; `none` to check nothing.
            after: the id after which the client reads on; None if it has no position yet.

        Raises:
            Refused: ERR_POSITION_UNKNOWN, with `known`: the last id that the client's history and this store share.
        """
        if after is not None and mark != NO_MARK:
            known = await self._store.known_until(mark, after)
            if known < after:
                raise Refused("ERR_POSITION_UNKNOWN", {"known": max(0, known)})
        return self._store.start

    async def pruned_until(self, caller: Caller, after: int | None) -> int:
        """Return the highest id of messages that the caller may have missed as they were removed for age; 0 if none.

        Args:
            after: the id after which the client reads on; None if it has no position yet, and so misses nothing.
        """
        if after is None or caller.system:
            return 0
        return await self._store.pruning.pruned_until(caller.uid, after)

    async def edit(self, caller: Caller, message_id: str, new: msgspec.Raw, new_tags: list[str] | None = None) -> bytes:
        """Change the content or the tags of a message. Return the action message that reports this, encoded.

        Args:
            new: the new `data`; `{}` or `null` keeps the content. Attachments are kept unless `new` names others.
            new_tags: the new tags, which replace the old ones; None keeps the tags.

        Raises:
            Refused: with the code of `wire.catalogue` for what is wrong.
        """
        act = self._authorizer.message_act(caller, message_id, "edit", rules.check_changeable)
        row = (await self._store.standings.message(act)).message
        data = decode_object(decode_object(parseable(row.body))["data"])
        content, edited = None, b""
        named: tuple[str, ...] = ()
        if bytes(new) not in (b"{}", b"null"):
            kept = {k: data[k] for k in ("entities", "resource") if k in data}
            if row.category == "message" and row.type != "text":
                # A new caption keeps the attachments.
                new = msgspec.Raw(
                    encode({**{k: data[k] for k in ("attachments", "url") if k in data}, **fields_of(new)})
                )
            content = await read_content(row.category, row.type, new, self._directory, self._max_data)
            await self._describe(content.data)
            edited, named = encode({**kept, **content.data}), named_files(new)
            await self._files.accept_upload(named)
        tags = msgspec.Raw(encode(self._lengths.check_tags(new_tags))) if new_tags is not None else None

        def changed(before: MessageRow) -> EditedContent:
            fields = decode_object(parseable(before.body))
            if tags is not None:
                fields["tags"] = tags
            if content is None:
                return EditedContent(encode(fields), before.traits)
            fields["data"] = msgspec.Raw(edited)
            return EditedContent(encode(fields), content.traits, content.mentions, named)

        drafter = await self._action_drafter(caller, row, "edited", EDITED_EVENTS)
        return self._publish(caller, await self._store.messages.edit(act, self._world.seconds(), changed, drafter))

    async def delete(self, caller: Caller, message_id: str, *, permanent: bool = False) -> bytes:
        """Delete the content of a message, which remains listed without it. Return the action message that reports it.

        Args:
            permanent: remove the message itself as well, also if its content was deleted before. This is ignored unless
                the caller is a REST key.

        Raises:
            Refused: with the code of `wire.catalogue` for what is wrong.
        """
        permanent = permanent and caller.key
        check = rules.check_removable if permanent else rules.check_changeable
        act = self._authorizer.message_act(caller, message_id, "delete", check)
        row = (await self._store.standings.message(act)).message
        drafter = await self._action_drafter(caller, row, "deleted", DELETED_EVENTS)
        stored = await self._store.messages.delete(act, self._world.seconds(), _without_content, drafter)
        json = self._publish(caller, stored)
        if permanent:
            await self._store.removal.remove_message(row)
        return json

    async def _action_drafter(
        self, caller: Caller, row: MessageRow, verb: str, events: tuple[Event, ...]
    ) -> Callable[[MessageRow], Draft]:
        by = await self._directory.stored_entity(caller.uid)
        receiver_entity: Any = msgspec.Raw(b"{}")
        if row.receiver_type == "user":
            receiver = row.receiver if row.sender == caller.uid or caller.system else row.sender
            receiver_entity = await self._directory.stored_entity_even_if_absent(receiver)
        else:
            receiver = row.receiver
            found = await self._store.groups.get(receiver)
            receiver_entity = group_payload(GroupView(found)) if found else receiver_entity

        def action(changed: MessageRow) -> Draft:
            data = {
                "action": verb,
                "entities": {
                    "by": as_entity(by, "user"),
                    "for": as_entity(receiver_entity, row.receiver_type),
                    "on": as_entity(msgspec.Raw(changed.json()), "message"),
                },
                "resource": caller.device,
            }
            envelope = Envelope(caller.uid, receiver, row.receiver_type, row.conversation_id, "action", "message")
            return self._draft(envelope, Content(data, 0, updates_conversation=False), events)

        return action

    def _publish(self, caller: Caller, stored: Stored) -> bytes:
        json = stored.message.json()
        self._delivery.publish_message(stored, json, caller.device)
        return for_sender(caller, json, stored)


def _without_content(row: MessageRow) -> bytes:
    fields = decode_object(parseable(row.body))
    data = decode_object(fields["data"])
    fields["data"] = msgspec.Raw(encode({k: data[k] for k in ("entities", "resource") if k in data}))
    return encode(fields)
