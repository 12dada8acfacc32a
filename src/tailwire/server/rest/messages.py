"""REST operations on messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.catch_up import CatchUp, CatchUpRequest
from tailwire.server.actions.conversations import Conversations
from tailwire.server.actions.messages import NO_MARK, Messages
from tailwire.server.actions.raw_json import encode, enveloped
from tailwire.server.actions.rendering import Renderer
from tailwire.server.actions.uploads import Files
from tailwire.server.limits.rates import RequestKind
from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import ListedRow, Trait
from tailwire.server.rest import requests, responses
from tailwire.server.rest.entity_payloads import unread_payload
from tailwire.server.rest.message_forms import FormSender
from tailwire.server.rest.operations import Call, Operation
from tailwire.server.rest.queries import MessageQuery, OneMessageQuery
from tailwire.server.rules.names import identifier

_TRAIT_OF_FLAG = {
    "has_attachments": Trait.ATTACHMENT,
    "has_links": Trait.LINK,
    "has_mentions": Trait.MENTION,
    "has_reactions": Trait.REACTION,
}


class MessageRoutes:
    """The REST operations that send, read and change messages.

    Args:
        catch_up: reads the messages and changes that a client has missed; None if the server does not offer this.
    """

    def __init__(
        self,
        messages: Messages,
        conversations: Conversations,
        renderer: Renderer,
        files: Files,
        catch_up: CatchUp | None,
    ) -> None:
        self._catch_up = catch_up
        self._messages = messages
        self._conversations = conversations
        self._renderer = renderer
        self._forms = FormSender(messages, files)

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        one, path, thread = responses.Message, "/messages/{id}", "/messages/{id}/thread"
        return [
            Operation("POST", "/messages", "Send a message", self._send, body=requests.SendMessage,
                      form_handler=self._forms.send, response=one, alternative=list[responses.Message],
                      feature="createMessage", rate=RequestKind.SEND, cost=lambda body: len(body.receivers())),
            self._list_operation("/messages", "List messages of all conversations, or count unread ones",
                                 self._list, "listMessages"),
            self._list_operation("/users/{uid}/messages", "List the messages with a user", self._list_with_user,
                                 "getUserMessages"),
            self._list_operation("/groups/{guid}/messages", "List the messages of a group", self._list_in_group,
                                 "getGroupMessages"),
            self._list_operation(thread, "List the replies to a message", self._list_thread, "listThreadedMessages"),
            Operation("POST", thread, "Reply to a message", self._reply, body=requests.SendMessage,
                      acts_for_user=True, form_handler=self._forms.send, response=one, feature="createMessageThread",
                      rate=RequestKind.SEND),
            Operation("GET", path, "Get a message", self._get, query=OneMessageQuery, response=one,
                      feature="getMessage"),
            Operation("PUT", path, "Edit a message", self._edit, body=requests.EditMessage, response=one,
                      feature="updateMessage", rate=RequestKind.SEND),
            Operation("DELETE", path, "Delete a message", self._delete, body=requests.DeleteMessage, response=one,
                      feature="deleteMessage", rate=RequestKind.SEND),
        ]  # fmt: skip

    def _list_operation(self, path: str, summary: str, handler: Any, feature: str) -> Operation:
        return Operation(
            "GET", path, summary, handler, query=MessageQuery, response=list[responses.Message], feature=feature,
            alternative=list[responses.UnreadCount], enveloped=True, compressed=True,
        )  # fmt: skip

    async def _send(self, call: Call) -> Any:
        body: requests.SendMessage = call.body
        if body.multiple_receivers is not None:
            return await self._messages.send_to_many(call.caller, body.to_message(), body.receivers())
        return await self._messages.send(call.caller, body.to_message())

    async def _reply(self, call: Call) -> bytes:
        return await self._messages.send(call.caller, call.body.to_message(call.params["id"]))

    async def _edit(self, call: Call) -> bytes:
        body: requests.EditMessage = call.body
        return await self._messages.edit(call.caller, call.params["id"], body.data, body.tags)

    async def _delete(self, call: Call) -> bytes:
        return await self._messages.delete(call.caller, call.params["id"], permanent=call.body.permanent)

    # Lists.

    async def _list(self, call: Call) -> bytes:
        q: MessageQuery = call.query
        if q.unread and q.count:
            return await self._count_unread(call.caller, q, q.receiver_type)
        conversation = None
        if q.conversation_id and call.caller.system:
            conversation = await self._conversations.key_for_app(q.conversation_id)
        elif q.conversation_id:
            kind, other = await self._conversations.by_id(call.caller, q.conversation_id)
            conversation = key_of(call.caller.uid, other, kind)
        return await self._page(call.caller, q, conversation)

    async def _list_with_user(self, call: Call) -> bytes:
        uid = identifier(call.params["uid"], "uid")
        if call.query.unread and call.query.count:
            return await self._count_unread(call.caller, call.query, "user", uid)
        return await self._page(call.caller, call.query, key_of(call.caller.uid, uid, "user"), uid=uid)

    async def _list_in_group(self, call: Call) -> bytes:
        guid = identifier(call.params["guid"], "guid")
        if call.query.unread and call.query.count:
            return await self._count_unread(call.caller, call.query, "group", guid)
        return await self._page(call.caller, call.query, key_of("", guid, "group"), guid=guid)

    async def _list_thread(self, call: Call) -> bytes:
        parent = await self._messages.find(call.caller, call.params["id"])
        q = msgspec.structs.replace(call.query, parent_id=parent.id)
        return await self._page(call.caller, q, parent.conversation_id)

    async def _count_unread(self, caller: Caller, q: MessageQuery, kind: str, other: str = "") -> bytes:
        hidden = q.hide_messages_from_blocked_users
        counts = await self._conversations.unread_counts(caller, kind=kind, other=other, not_from_blocked=hidden)
        return enveloped(encode(list(map(unread_payload, counts))), b"{}")

    async def _page(
        self, caller: Caller, q: MessageQuery, conversation: ConversationKey | None, *, uid: str = "", guid: str = ""
    ) -> bytes:
        criteria = _filter(caller, q, conversation)
        after = criteria.cursor if criteria.newer else None
        mark = await self._messages.check_mark(q.mark, after) if q.mark else ""
        log = self._catch_up if q.changes else None
        if log is not None and caller.reader and conversation is None and after is not None:
            return await self._missed_page(log, caller, q, criteria, mark)
        rows = await self._messages.list_page(caller, criteria, uid=uid, guid=guid)
        # This must be read after the list: it then includes each message that was pruned and is missing in the list.
        pruned = await self._messages.pruned_until(caller, after) if mark and conversation is None else 0
        changes = b""
        if log is not None:
            changes = b'{"known":%d,"until":%d}' % await log.newest(caller, max((row.id for row in rows), default=0))
        rendered = await self._renderer.render_all(rows, caller.reader, following=q.with_thread_subscribed)
        return enveloped(b"[%b]" % b",".join(rendered), _meta(rows, criteria, q.page, mark, pruned, changes))

    async def _missed_page(
        self, log: CatchUp, caller: Caller, q: MessageQuery, criteria: MessageFilter, mark: str
    ) -> bytes:
        request = CatchUpRequest(int(q.changes) if q.changes != NO_MARK else None, tuple(q.heard), q.at_most)
        page = await log.page(caller, criteria, request)
        pruned = await self._messages.pruned_until(caller, criteria.cursor) if mark else 0
        changes = b'{"known":%d,"more":%b,"lost":%d,"listed":[%b]' % (
            page.known, b"true" if page.more else b"false", page.lost, b",".join(page.changes),
        )  # fmt: skip
        if page.gap:
            changes += b',"gap":{"from":%d,"to":%d}' % page.gap
        meta = _meta(page.rows, criteria, q.page, mark, pruned, changes + b"}")
        return enveloped(b"[%b]" % b",".join(page.encoded), meta)

    async def _get(self, call: Call) -> bytes:
        following = call.query.with_thread_subscribed
        return await self._messages.get(call.caller, call.params["id"], following=following)


def _meta(
    rows: Sequence[ListedRow], criteria: MessageFilter, number: int, mark: str, pruned: int, changes: bytes
) -> bytes:
    # Clients read on by cursor or by page, and older ones need `pagination` and `cursor` in every response. There is no
    # total, because counting would read the whole conversation for each page.
    cursor = next_page = b""
    if rows:
        edge = rows[-1] if criteria.newer else rows[0]
        affix = b"append" if criteria.newer else b"prepend"
        cursor = b'"affix":"%b","id":"%d","sentAt":%d' % (affix, edge.id, edge.sent_at)
        next_page = b',"next":{%b}' % cursor
    current = b'"limit":%d,"count":%d' % (criteria.limit, len(rows))
    pagination = b'"count":%d,"per_page":%d,"current_page":%d' % (len(rows), criteria.limit, number)
    more = b',"mark":"%b"' % mark.encode() if mark else b""
    if pruned:
        more += b',"pruned":"%d"' % pruned
    if changes:
        more += b',"changes":%b' % changes
    return b'{"current":{%b},"pagination":{%b}%b,"cursor":{%b}%b}' % (current, pagination, next_page, cursor, more)


# The rarely used fields of a query. They are only converted to filters if one of them is set.
_rare_fields = attrgetter(
    "receiver_type", "sender", "only_deleted", "hide_quoted_messages", "unread", "undelivered", "from_timestamp",
    "to_timestamp", *_TRAIT_OF_FLAG, "my_mentions_only", "mentioned_uids", "tags", "hide_messages_from_blocked_users",
    "pinned", "saved", "search_key", "page",
)  # fmt: skip
_NO_RARE_FIELDS = _rare_fields(MessageQuery())


def _filter(caller: Caller, q: MessageQuery, conversation: ConversationKey | None) -> MessageFilter:
    criteria = MessageFilter(
        reader=caller.reader,
        conversation_id=conversation,
        newer=q.affix == "append",
        cursor=q.id if q.id is not None and (q.id > 0 or q.affix == "append") else None,  # nothing is before id 0
        sent_cursor=q.sent_at,
        updated_after=q.updated_at,
        only_updates=q.only_updates,
        categories=tuple(q.categories or q.category),
        types=tuple(q.attachment_types or q.types or q.type),
        parent_id=q.parent_id,
        hide_replies=q.hide_replies,
        hide_deleted=q.hide_deleted,
        limit=q.size,
    )
    if _rare_fields(q) == _NO_RARE_FIELDS:
        return criteria
    mentioned = (caller.uid,) if q.my_mentions_only else tuple(uid.lower() for uid in q.mentioned_uids)
    rare: dict[str, Any] = {
        "receiver_type": q.receiver_type,
        "sender": q.sender.lower(),
        "only_deleted": q.only_deleted,
        "hide_quoted": q.hide_quoted_messages,
        "unread": q.unread and bool(caller.reader),
        "undelivered": q.undelivered and bool(caller.reader),
        "from_time": q.from_timestamp,
        "to_time": q.to_timestamp if q.from_timestamp is not None else None,
        "traits": int(sum(bit for name, bit in _TRAIT_OF_FLAG.items() if getattr(q, name))),
        "mentioned": mentioned,
        "tags": tuple(q.tags),
        "not_from_blocked": q.hide_messages_from_blocked_users and bool(caller.reader),
        "pinned": q.pinned,
        "saved": q.saved and bool(caller.reader),
        "search": q.search_key,
        "offset": q.offset,
    }
    set_filters = {name: value for name, value in rare.items() if value}
    return replace(criteria, **set_filters) if set_filters else criteria
