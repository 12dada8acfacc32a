"""Conversations over HTTP."""

from __future__ import annotations

from typing import Any

import msgspec

from tailwire.server.actions.authorization import message_id
from tailwire.server.actions.conversations import Conversations
from tailwire.server.actions.receipts import Receipts
from tailwire.server.ports.filters import ConversationFilter
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest import responses
from tailwire.server.rest.operations import Call, Operation
from tailwire.server.rest.queries import ConversationQuery


class Tags(msgspec.Struct):
    """The tags of a conversation."""

    tags: list[str] = []


class UpTo(msgspec.Struct, rename="camel"):
    """Up to (or from) which message; all when none is named."""

    message_id: str | int | None = None


class Reset(msgspec.Struct, rename="camel"):
    """How a conversation is deleted."""

    conversation_with: str = ""
    delete_messages_permanently: bool = False


KINDS = {"users": ("user", "{uid}"), "groups": ("group", "{guid}")}


class ConversationRoutes:
    """The resource `conversations`."""

    def __init__(self, conversations: Conversations, receipts: Receipts) -> None:
        self._conversations = conversations
        self._receipts = receipts

    def operations(self) -> list[Operation]:
        """The operations."""
        listed = [
            Operation("GET", "/conversations", "List conversations", self._list, query=ConversationQuery,
                      response=list[responses.Conversation], feature="listConversations", enveloped=True,
                      compressed=True),
            Operation("GET", "/conversations/{id}", "See a conversation by its id", self._by_id, acts_for_user=True,
                      response=responses.Conversation, feature="getConversation"),
            Operation("DELETE", "/conversations/{id}", "Delete a conversation by its id", self._delete_by_id,
                      acts_for_user=True, response=responses.Done, feature="deleteConversationForUser"),
        ]  # fmt: skip
        for name, (_, parameter) in KINDS.items():
            listed += self._of(f"/{name}/{parameter}/conversation")
        return listed

    def _of(self, path: str) -> list[Operation]:
        c, one, done = self._conversations, responses.Conversation, responses.Done
        return [
            Operation("GET", path, "See a conversation", lambda k: c.get(k.caller, *_named(k)), response=one,
                      acts_for_user=True, feature="getConversation"),
            Operation("PUT", path, "Tag a conversation", lambda k: c.tag(k.caller, *_named(k), k.body.tags), body=Tags,
                      acts_for_user=True, response=one),
            Operation("DELETE", path, "Delete a conversation for oneself",
                      lambda k: c.delete(k.caller, *_named(k), permanently=k.body.delete_messages_permanently),
                      body=Reset, acts_for_user=True, response=done, feature="deleteConversationForUser"),
            Operation("POST", path + "/pin", "Pin a conversation", lambda k: c.pin(k.caller, *_named(k), pinned=True),
                      response=one),
            Operation("DELETE", path + "/pin", "Unpin a conversation",
                      lambda k: c.pin(k.caller, *_named(k), pinned=False), response=one),
            Operation("POST", path + "/read", "Mark a conversation as read", self._read, body=UpTo, acts_for_user=True,
                      response=done),
            Operation("POST", path + "/delivered", "Mark a conversation as received", self._delivered, body=UpTo,
                      acts_for_user=True, response=done),
            Operation("DELETE", path + "/read", "Mark a conversation as unread from a message on", self._unread,
                      body=UpTo, acts_for_user=True, response=responses.Unread),
        ]  # fmt: skip

    async def _list(self, call: Call) -> bytes:
        q: ConversationQuery = call.query
        if q.conversation_type not in ("", "user", "group", "both"):
            raise Refused("ERR_BAD_REQUEST", {"conversationType": "Use user or group."})
        wanted = ConversationFilter(
            uid=call.caller.uid,
            kind="" if q.conversation_type == "both" else q.conversation_type,
            search=q.search_key,
            tags=tuple(q.tags),
            user_tags=tuple(q.user_tags),
            group_tags=tuple(q.group_tags),
            unread=q.unread,
            hide_blocked=not q.include_blocked_users,
            pinned=q.pinned,
            limit=q.size,
            offset=q.offset,
        )
        return await self._conversations.listed(
            call.caller, wanted, number=q.page, with_tags=q.with_tags, with_blocks=q.with_blocked_info
        )

    async def _by_id(self, call: Call) -> Any:
        named = await self._conversations.by_id(call.caller, call.params["id"])
        return await self._conversations.get(call.caller, *named)

    async def _delete_by_id(self, call: Call) -> Any:
        named = await self._conversations.by_id(call.caller, call.params["id"])
        return await self._conversations.delete(call.caller, *named, permanently=call.caller.key)

    async def _mark(self, call: Call, *, read: bool) -> dict[str, Any]:
        up_to = call.body.message_id
        try:
            number = message_id(up_to) if up_to is not None else None
        except Refused as e:
            raise Refused("ERR_BAD_REQUEST", {"messageId": "Use a message id, or none."}) from e
        return await self._receipts.mark_conversation(call.caller, *_named(call), number, read=read)

    async def _read(self, call: Call) -> dict[str, Any]:
        return await self._mark(call, read=True)

    async def _delivered(self, call: Call) -> dict[str, Any]:
        return await self._mark(call, read=False)

    async def _unread(self, call: Call) -> dict[str, Any]:
        done = await self._receipts.mark_unread(call.caller, *_named(call), call.body.message_id or "")
        if call.caller.key:
            return done
        return {**done, "conversation": await self._conversations.get(call.caller, *_named(call))}


def _named(call: Call) -> tuple[str, str]:
    # The kind of the conversation and with whom it is.
    if "guid" in call.params:
        return "group", call.params["guid"]
    return "user", call.params["uid"]
