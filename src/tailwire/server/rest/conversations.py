"""REST operations on conversations."""

from __future__ import annotations

from typing import Any

from tailwire.server.actions.authorization import parsed_message_id
from tailwire.server.actions.conversations import Conversations
from tailwire.server.actions.payloads import conversation_payload
from tailwire.server.actions.receipts import Receipts
from tailwire.server.ports.conversations import id_of
from tailwire.server.ports.filters import ConversationFilter
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest import requests, responses
from tailwire.server.rest.operations import Call, Operation
from tailwire.server.rest.queries import ConversationQuery
from tailwire.server.rest.results import confirmation, page


class ConversationRoutes:
    """The REST operations on conversations."""

    def __init__(self, conversations: Conversations, receipts: Receipts) -> None:
        self._conversations = conversations
        self._receipts = receipts

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        one, by_id = responses.Conversation, "/conversations/{id}"
        return [
            Operation("GET", "/conversations", "List conversations", self._list, query=ConversationQuery,
                      response=list[responses.Conversation], feature="listConversations", enveloped=True,
                      compressed=True),
            Operation("GET", by_id, "Get a conversation by its id", self._get_by_id, acts_for_user=True, response=one,
                      feature="getConversation"),
            Operation("DELETE", by_id, "Delete a conversation by its id", self._delete_by_id, acts_for_user=True,
                      response=responses.Confirmation, feature="deleteConversationForUser"),
            *self._operations_at("/users/{uid}/conversation"),
            *self._operations_at("/groups/{guid}/conversation"),
        ]  # fmt: skip

    def _operations_at(self, path: str) -> list[Operation]:
        one, confirmed = responses.Conversation, responses.Confirmation
        return [
            Operation("GET", path, "Get a conversation", self._get, response=one, acts_for_user=True,
                      feature="getConversation"),
            Operation("PUT", path, "Tag a conversation", self._tag, body=requests.TagConversation, acts_for_user=True,
                      response=one),
            Operation("DELETE", path, "Delete a conversation for the caller", self._delete,
                      body=requests.DeleteConversation, acts_for_user=True, response=confirmed,
                      feature="deleteConversationForUser"),
            Operation("POST", path + "/pin", "Pin a conversation", self._pin, response=one),
            Operation("DELETE", path + "/pin", "Unpin a conversation", self._unpin, response=one),
            Operation("POST", path + "/read", "Mark a conversation as read", self._mark_read,
                      body=requests.MarkConversation, acts_for_user=True, response=confirmed),
            Operation("POST", path + "/delivered", "Mark a conversation as delivered", self._mark_delivered,
                      body=requests.MarkConversation, acts_for_user=True, response=confirmed),
            Operation("DELETE", path + "/read", "Mark a conversation as unread from a message on", self._mark_unread,
                      body=requests.MarkConversation, acts_for_user=True, response=responses.MarkedAsUnread),
        ]  # fmt: skip

    async def _list(self, call: Call) -> dict[str, Any]:
        q: ConversationQuery = call.query
        if q.conversation_type not in ("", "user", "group", "both"):
            raise Refused("ERR_BAD_REQUEST", {"conversationType": "Use user or group."})
        criteria = ConversationFilter(
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
        rows, total = await self._conversations.list_page(
            call.caller, criteria, with_tags=q.with_tags, with_blocks=q.with_blocked_info
        )
        return page(q, list(map(conversation_payload, rows)), total)

    async def _get_by_id(self, call: Call) -> dict[str, Any]:
        named = await self._conversations.by_id(call.caller, call.params["id"])
        return conversation_payload(await self._conversations.get(call.caller, *named))

    async def _delete_by_id(self, call: Call) -> dict[str, Any]:
        named = await self._conversations.by_id(call.caller, call.params["id"])
        return await self._delete_named(call, *named, permanently=call.caller.key)

    async def _get(self, call: Call) -> dict[str, Any]:
        return conversation_payload(await self._conversations.get(call.caller, *_kind_and_id(call)))

    async def _tag(self, call: Call) -> dict[str, Any]:
        return conversation_payload(await self._conversations.tag(call.caller, *_kind_and_id(call), call.body.tags))

    async def _delete(self, call: Call) -> dict[str, Any]:
        permanently = call.caller.key and call.body.delete_messages_permanently
        return await self._delete_named(call, *_kind_and_id(call), permanently=permanently)

    async def _delete_named(self, call: Call, kind: str, other: str, *, permanently: bool) -> dict[str, Any]:
        key = await self._conversations.delete(call.caller, kind, other, permanently=permanently)
        whom = "all the users" if permanently else f"UID {call.caller.uid}"
        return confirmation(f"The conversation {id_of(key)} has been deleted successfully for {whom}.")

    async def _pin(self, call: Call) -> dict[str, Any]:
        return conversation_payload(await self._conversations.pin(call.caller, *_kind_and_id(call)))

    async def _unpin(self, call: Call) -> dict[str, Any]:
        return conversation_payload(await self._conversations.unpin(call.caller, *_kind_and_id(call)))

    async def _mark_read(self, call: Call) -> dict[str, Any]:
        return await self._mark(call, read=True)

    async def _mark_delivered(self, call: Call) -> dict[str, Any]:
        return await self._mark(call, read=False)

    async def _mark(self, call: Call, *, read: bool) -> dict[str, Any]:
        up_to = call.body.message_id
        try:
            number = parsed_message_id(up_to) if up_to is not None else None
        except Refused as e:
            raise Refused("ERR_BAD_REQUEST", {"messageId": "Use a message id, or leave it out."}) from e
        kind, other = _kind_and_id(call)
        await self._receipts.mark_conversation(call.caller, kind, other, number, read=read)
        where = "from the user" if kind == "user" else "in the group"
        what = "read" if read else "delivered"
        text = f"All the messages {where} are marked as {what} for the requesting user."
        # CometChat calls the field `Message` for a user, and `message` for a group.
        return {"success": True, "Message": text} if kind == "user" else confirmation(text)

    async def _mark_unread(self, call: Call) -> dict[str, Any]:
        caller = call.caller
        kind, other = _kind_and_id(call)
        number = await self._receipts.mark_unread(caller, kind, other, call.body.message_id or "")
        where = f"from the user {other}" if kind == "user" else f"in the group {other}"
        marked = confirmation(
            f"The messages after the message id {number} {where} are marked as unread for the user {caller.uid}."
        )
        if caller.key:
            return marked
        conversation = await self._conversations.get(caller, kind, other)
        return {**marked, "conversation": conversation_payload(conversation)}


def _kind_and_id(call: Call) -> tuple[str, str]:
    # The kind of the conversation, and the uid or guid.
    if "guid" in call.params:
        return "group", call.params["guid"]
    return "user", call.params["uid"]
