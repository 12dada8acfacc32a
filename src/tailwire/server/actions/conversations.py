"""Conversations, as each participant sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.payloads import group_payload, without_none
from tailwire.server.actions.raw_json import decode_object, encode
from tailwire.server.actions.relations import block_flags
from tailwire.server.actions.rendering import Renderer
from tailwire.server.actions.services import Services
from tailwire.server.ports.conversations import ConversationKey, group_in, id_of, keys_with_id, other_in
from tailwire.server.ports.filters import ConversationFilter
from tailwire.server.ports.records import ConversationRow
from tailwire.server.ports.refusal import Refused


class Conversations:
    """Actions on conversations.

    Args:
        max_pins: conversations that a user may pin.
    """

    def __init__(self, services: Services, renderer: Renderer, max_pins: int) -> None:
        self._store = services.store
        self._directory = services.directory
        self._authorizer = services.authorizer
        self._renderer = renderer
        self._delivery = services.delivery
        self._world = services.world
        self._lengths = services.lengths
        self._max_pins = max_pins

    async def listed(
        self, caller: Caller, wanted: ConversationFilter, *, with_tags: bool, with_blocks: bool
    ) -> tuple[list[Any], int]:
        """Return a page of the caller's conversations, and how many there are.

        Pinned conversations come first, then the order is by the time of the last message. The app itself gets the
        conversations of all users, by uid.

        Args:
            with_tags: include the tags of each.
            with_blocks: include the blocks between the caller and each other user.
        """
        if caller.system:
            wanted = replace(wanted, uid="")
        rows, total = await self._store.conversations.find(wanted)
        shown = await self._render(caller, rows, with_tags=with_tags or bool(wanted.tags))
        if with_blocks:
            await self._add_blocks(shown, rows)
        return shown, total

    async def _add_blocks(self, shown: list[Any], rows: list[ConversationRow]) -> None:
        others: dict[str, list[str]] = {}
        for row in rows:
            others.setdefault(row.uid, []).append(other_in(row.conversation_id, row.uid))
        blocks = {uid: await self._store.blocks.with_users(uid, uids) for uid, uids in others.items()}
        for conversation, row in zip(shown, rows, strict=True):
            found = blocks[row.uid].get(other_in(row.conversation_id, row.uid))
            if found is not None:
                fields = decode_object(encode(conversation["conversationWith"]))
                conversation["conversationWith"] = {**fields, **block_flags(*found)}

    async def _render(self, caller: Caller, rows: list[ConversationRow], *, with_tags: bool = True) -> list[Any]:
        found = await self._store.messages.by_ids([row.shown_message_id for row in rows if row.shown_message_id])
        last = [found[row.shown_message_id] for row in rows if row.shown_message_id in found]
        last = [message for message in last if not message.deleted_at]
        shown = dict(zip([m.id for m in last], await self._renderer.render_all(last, caller.reader), strict=True))
        guids: dict[str, list[str]] = {}
        for row in rows:
            guid = group_in(row.conversation_id)
            if guid:
                guids.setdefault(row.uid, []).append(guid)
        memberships = {uid: await self._store.members.in_groups(names, uid) for uid, names in guids.items()}
        listed = [
            await self._one(row, shown.get(row.shown_message_id), memberships.get(row.uid, {}), with_tags)
            for row in rows
        ]
        if caller.system:
            listed = [{**one, "uid": row.uid} for one, row in zip(listed, rows, strict=True)]
        return listed

    async def _one(self, row: ConversationRow, last: bytes | None, memberships: Any, with_tags: bool) -> dict[str, Any]:
        other: Any
        guid = group_in(row.conversation_id)
        if guid:
            kind = "group"
            found = await self._store.groups.get(guid)
            other = group_payload(found, memberships.get(guid)) if found else {"guid": guid}
        else:
            kind, uid = "user", other_in(row.conversation_id, row.uid)
            try:
                other = await self._directory.entity_for(uid, row.uid)
            except Refused:
                other = {"uid": uid, "name": uid, "status": "offline"}
        return without_none(
            {
                "conversationId": id_of(row.conversation_id),
                "conversationType": kind,
                "unreadMessageCount": str(row.unread),
                "unreadMentionsCount": row.mentioned,
                "createdAt": row.created_at or row.updated_at,
                "updatedAt": row.updated_at,
                "lastMessage": msgspec.Raw(last) if last else None,
                "lastReadMessageId": str(row.read_id) if row.read_id else None,
                "latestMessageId": str(row.last_message_id) if row.last_message_id else None,
                "conversationWith": other,
                "tags": msgspec.Raw(row.tags.encode()) if row.tags and with_tags else None,
                "pinnedAt": row.pinned_at,
                "pinnedBy": row.uid if row.pinned_at else None,
            }
        )

    async def get(self, caller: Caller, kind: str, other: str) -> dict[str, Any]:
        """Return a conversation.

        Args:
            kind: `user` or `group`.
            other: the uid or guid.

        Raises:
            Refused: ERR_UID_NOT_FOUND, ERR_GUID_NOT_FOUND, ERR_NOT_A_MEMBER; ERR_CONVERSATION_NOT_ACCESSIBLE if it
                has no message yet.
        """
        conversation = await self._authorizer.conversation(caller, kind, other)
        row = await self._store.conversations.get(conversation, caller.uid, kind)
        if row is None:
            raise Refused("ERR_CONVERSATION_NOT_ACCESSIBLE")
        (shown,) = await self._render(caller, [row])
        return dict(shown)

    async def by_id(self, caller: Caller, conversation_id: str) -> tuple[str, str]:
        """Return the kind, and the uid or guid, of the conversation that an id names for the caller.

        Several conversations may have the same id. Only those in which the caller participates are considered, and a
        conversation between two users takes precedence over a group.

        Raises:
            Refused: ERR_CONVERSATION_NOT_FOUND.
        """
        for key in keys_with_id(conversation_id):
            guid, other = group_in(key), other_in(key, caller.uid)
            if guid and await self._store.members.get(guid, caller.uid) is not None:
                return "group", guid
            if other and await self._store.conversations.get(key, caller.uid, "user") is not None:
                return "user", other
        raise Refused("ERR_CONVERSATION_NOT_FOUND")

    async def key_for_app(self, conversation_id: str) -> ConversationKey:
        """Return the key of the only conversation with an id, for the app itself, which participates in all.

        Raises:
            Refused: ERR_CONVERSATION_NOT_FOUND; ERR_BAD_REQUEST when several conversations have the id.
        """
        known = [key for key in keys_with_id(conversation_id) if await self._store.conversations.last_message_id(key)]
        if len(known) > 1:
            advice = "Several conversations have this id. Use onBehalfOf with a participant, or name the group."
            raise Refused("ERR_BAD_REQUEST", {"conversationId": advice})
        if not known:
            raise Refused("ERR_CONVERSATION_NOT_FOUND")
        return known[0]

    async def tag(self, caller: Caller, kind: str, other: str, wanted: list[str]) -> dict[str, Any]:
        """Replace the caller's tags of a conversation, and return it.

        Raises:
            Refused: as `get`; ERR_BAD_REQUEST.
        """
        await self.get(caller, kind, other)
        kept = encode(self._lengths.check_tags(wanted)).decode() if wanted else None
        conversation = await self._authorizer.conversation(caller, kind, other)
        await self._store.read_state.tag(conversation, caller.uid, kept)
        self._delivery.own_list(caller, "changed", conversation)
        return await self.get(caller, kind, other)

    async def delete(self, caller: Caller, kind: str, other: str, *, permanently: bool) -> ConversationKey:
        """Delete a conversation for the caller, and return its key. It reappears with the next message.

        Args:
            permanently: delete its messages for all participants.

        Raises:
            Refused: as `get`.
        """
        await self.get(caller, kind, other)
        conversation = await self._authorizer.conversation(caller, kind, other)
        if permanently:
            await self._store.removal.remove_conversation(conversation)
            self._delivery.conversation_removed(caller, conversation)
        else:
            last = await self._store.conversations.last_message_id(conversation)
            await self._store.read_state.clear(conversation, caller.uid, last)
            self._delivery.own_list(caller, "removed", conversation)
        return conversation

    async def pin(self, caller: Caller, kind: str, other: str, *, pinned: bool) -> dict[str, Any]:
        """Pin a conversation to the head of the caller's list, or unpin it. Return the conversation.

        Raises:
            Refused: as `get`; ERR_PINNED_CONVERSATIONS_LIMIT_EXCEEDED.
        """
        before = await self.get(caller, kind, other)
        conversation = await self._authorizer.conversation(caller, kind, other)
        if pinned and "pinnedAt" not in before:
            count = await self._store.read_state.pinned_count(caller.uid)
            if count >= self._max_pins:
                raise Refused("ERR_PINNED_CONVERSATIONS_LIMIT_EXCEEDED", {"limit": self._max_pins})
        await self._store.read_state.pin(conversation, caller.uid, self._world.seconds() if pinned else None)
        shown = await self.get(caller, kind, other)
        self._delivery.conversation_pin(caller, "pinned" if pinned else "unpinned", encode(shown))
        return shown

    async def unread_counts(
        self, caller: Caller, *, kind: str = "", other: str = "", hide_blocked: bool = False
    ) -> list[dict[str, Any]]:
        """Return how many messages the caller has not read: in one conversation, in one kind of them, or in all.

        Args:
            kind: `user`, `group`, or "" for both.
            other: the uid or guid of one conversation, or "" for all.
            hide_blocked: omit conversations with blocked users.
        """
        wanted = await self._authorizer.conversation(caller, kind, other) if other else None
        listed = []
        for each in (kind,) if kind else ("user", "group"):
            found = await self._store.conversations.unread_counts(caller.uid, each, wanted, hide_blocked)
            for conversation, count in found:
                name = group_in(conversation) or other_in(conversation, caller.uid)
                listed.append({"entityType": each, "entityId": name, "count": count})
        return listed
