"""Messages over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.content import Attachment, Body, Edit, receivers
from tailwire.server.actions.conversations import Conversations
from tailwire.server.actions.messages import Messages
from tailwire.server.actions.payloads import encode
from tailwire.server.actions.rendering import Renderer
from tailwire.server.actions.uploads import Files
from tailwire.server.limits.rates import Kind
from tailwire.server.limits.room import Taken
from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.filters import MessageFilter
from tailwire.server.ports.records import ListedRow, Trait
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import Sink
from tailwire.server.rest import responses
from tailwire.server.rest.asgi import headers_of
from tailwire.server.rest.forms import MAX_FIELDS, Form, read_form
from tailwire.server.rest.operations import Call, Operation, parse
from tailwire.server.rest.queries import MessageQuery, OneMessageQuery
from tailwire.server.rules.decoding import decode, decode_part
from tailwire.server.rules.names import identifier

_WITH = {
    "has_attachments": Trait.ATTACHMENT,
    "has_links": Trait.LINK,
    "has_mentions": Trait.MENTION,
    "has_reactions": Trait.REACTION,
}


class Permanent(msgspec.Struct):
    """How a message is deleted. Clients send its id once more."""

    permanent: bool = False


class MessageRoutes:
    """The resource `messages`."""

    def __init__(self, messages: Messages, conversations: Conversations, renderer: Renderer, files: Files) -> None:
        self._messages = messages
        self._conversations = conversations
        self._renderer = renderer
        self._files = files

    def operations(self) -> list[Operation]:
        """The operations."""
        m, one = self._messages, responses.Message
        many = list[responses.Message]
        return [
            Operation("POST", "/messages", "Send a message", self._send, body=Body, form_handler=self._send_files,
                      response=one, feature="createMessage", rate=Kind.SEND, cost=lambda body: len(receivers(body))),
            Operation("GET", "/messages", "Read messages of all conversations, or count unread ones", self._list,
                      query=MessageQuery, response=many, feature="listMessages", enveloped=True, compressed=True),
            Operation("GET", "/users/{uid}/messages", "Read the messages with a user", self._of_user,
                      query=MessageQuery, response=many, feature="getUserMessages", enveloped=True, compressed=True),
            Operation("GET", "/groups/{guid}/messages", "Read the messages of a group", self._of_group,
                      query=MessageQuery, response=many, feature="getGroupMessages", enveloped=True, compressed=True),
            Operation("GET", "/messages/{id}/thread", "Read the replies to a message", self._of_thread,
                      query=MessageQuery, response=many, feature="listThreadedMessages", enveloped=True,
                      compressed=True),
            Operation("POST", "/messages/{id}/thread", "Reply in a thread", self._reply, body=Body,
                      acts_for_user=True, form_handler=self._send_files, response=one, feature="createMessageThread",
                      rate=Kind.SEND),
            Operation("GET", "/messages/{id}", "See a message", self._get, query=OneMessageQuery, response=one,
                      feature="getMessage"),
            Operation("PUT", "/messages/{id}", "Edit a message",
                      lambda c: m.edit(c.caller, c.params["id"], c.body), body=Edit, response=one,
                      feature="updateMessage", rate=Kind.SEND),
            Operation("DELETE", "/messages/{id}", "Delete a message",
                      lambda c: m.delete(c.caller, c.params["id"], permanent=c.body.permanent), body=Permanent,
                      response=one, feature="deleteMessage", rate=Kind.SEND),
        ]  # fmt: skip

    async def _send(self, call: Call) -> Any:
        if call.body.multiple_receivers is not None:
            return await self._messages.send_to_many(call.caller, call.body)
        return await self._messages.send(call.caller, call.body)

    async def _reply(self, call: Call) -> bytes:
        body = call.body
        body.parent_id, body.parent_message_id = call.params["id"], None
        return await self._messages.send(call.caller, body)

    async def _send_files(self, call: Call) -> bytes:
        incoming = _Incoming(call, self._messages, self._files)
        try:
            form = await incoming.read()
            try:
                return await self._send_form(call, form)
            finally:
                form.drop()  # what is not kept
        finally:
            incoming.end()

    async def _send_form(self, call: Call, form: Form) -> bytes:
        files, messages = self._files, self._messages
        body = _body_of(form.fields, call.params.get("id"))
        sent = await messages.sent(call.caller, body.muid)
        if sent is not None:
            return sent
        await messages.check(call.caller, body)
        kept: list[Attachment] = []
        try:
            for name, sink in form.files:
                if sink.size:
                    kept.append(await files.keep(call.caller, name, sink))
            if kept:
                data = decode_part(body.data, dict[str, msgspec.Raw], "data")
                listed = decode_part(data.get("attachments", b"[]"), list[msgspec.Raw], "data.attachments")
                data["attachments"] = msgspec.Raw(encode([*listed, *kept]))
                body.data = msgspec.Raw(encode(data))
            answer = await messages.send(call.caller, body)
        except BaseException:
            await files.forget(kept)
            raise
        if kept and kept[0].url.encode() not in answer:
            await files.forget(kept)  # the same was sent twice at once: the other was first
        return answer

    # Lists.

    async def _list(self, call: Call) -> bytes:
        q: MessageQuery = call.query
        if q.unread and q.count:
            return await self._counts(call.caller, q.receiver_type, "", hidden=q.hide_messages_from_blocked_users)
        conversation = None
        if q.conversation_id and call.caller.system:
            conversation = await self._conversations.key_for_app(q.conversation_id)
        elif q.conversation_id:
            kind, other = await self._conversations.by_id(call.caller, q.conversation_id)
            conversation = key_of(call.caller.uid, other, kind)
        return await self._page(call.caller, q, conversation)

    async def _of_user(self, call: Call) -> bytes:
        uid = identifier(call.params["uid"], "uid")
        if call.query.unread and call.query.count:
            hidden = call.query.hide_messages_from_blocked_users
            return await self._counts(call.caller, "user", uid, hidden=hidden)
        return await self._page(call.caller, call.query, key_of(call.caller.uid, uid, "user"), uid=uid)

    async def _of_group(self, call: Call) -> bytes:
        guid = identifier(call.params["guid"], "guid")
        if call.query.unread and call.query.count:
            return await self._counts(call.caller, "group", guid)
        return await self._page(call.caller, call.query, key_of("", guid, "group"), guid=guid)

    async def _of_thread(self, call: Call) -> bytes:
        parent = await self._messages.find(call.caller, call.params["id"])
        q = msgspec.structs.replace(call.query, parent_id=parent.id)
        return await self._page(call.caller, q, parent.conversation_id)

    async def _counts(self, caller: Caller, kind: str, other: str, *, hidden: bool = False) -> bytes:
        counts = await self._conversations.unread_counts(caller, kind=kind, other=other, hide_blocked=hidden)
        return encode({"data": counts, "meta": {}})

    async def _page(
        self, caller: Caller, q: MessageQuery, conversation: ConversationKey | None, *, uid: str = "", guid: str = ""
    ) -> bytes:
        wanted = _filter(caller, q, conversation)
        mark = self._messages.mark(q.mark, wanted.cursor if wanted.newer else None) if q.mark else ""
        rows = await self._messages.listed(caller, wanted, uid=uid, guid=guid)
        shown = await self._renderer.render_all(rows, caller.reader, following=q.with_thread_subscribed)
        return b'{"data":[%b],"meta":%b}' % (b",".join(shown), _meta(rows, wanted, q.page, mark))

    async def _get(self, call: Call) -> bytes:
        following = call.query.with_thread_subscribed
        return await self._messages.get(call.caller, call.params["id"], following=following)


class _Passing:
    # A file of a message. Of one that was sent before the bytes go by: they take no room, so none has to be taken.

    def __init__(self, sink: Sink, incoming: _Incoming) -> None:
        self._sink = sink
        self._incoming = incoming
        self._passed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    @property
    def size(self) -> int:
        return self._sink.size + self._passed

    def write(self, data: bytes) -> None:
        if self._incoming.sent_before:
            self._passed += len(data)
        else:
            self._sink.write(data)


class _Incoming:
    # A message with files that comes in: refused as soon as it is known that it will be.

    def __init__(self, call: Call, messages: Messages, files: Files) -> None:
        self._call = call
        self._messages = messages
        self._files = files
        self._begun = 0
        self._taken: Taken | None = None
        self.sent_before = False

    async def read(self) -> Form:
        content_type = headers_of(self._call.scope)[b"content-type"]
        return await read_form(self._call.receive, content_type, self._begin, self._admit, self._check)

    def _begin(self, fields: dict[str, str]) -> Any:
        self._begun += 1
        if self._begun > self._files.max_count:
            raise Refused("ERR_FILE_COUNT_EXCEEDED", f"A message has at most {self._files.max_count} files.")
        return _Passing(self._files.begin(), self)

    async def _admit(self, fields: dict[str, str]) -> None:
        caller = self._call.caller
        if await self._messages.sent(caller, fields.get("muid")) is not None:
            self.sent_before = True
            return
        if "receiver" in fields:
            await self._messages.check(caller, _body_of(fields, self._call.params.get("id")))
        self._taken = await self._files.take(caller.uid)
        length = self._call.header(b"content-length")
        if length.isdigit():
            self._taken.expect(int(length) - MAX_FIELDS)

    def _check(self, size: int, whole: int) -> None:
        self._files.check_size(size)
        if self._taken is not None:
            self._taken.written(whole)

    def end(self) -> None:
        if self._taken is not None:
            self._taken.end()


def _meta(rows: Sequence[ListedRow], wanted: MessageFilter, number: int, mark: str) -> bytes:
    # Where the list goes on. Clients read it in either style, and older ones need `pagination` and `cursor` in every
    # answer. Messages are not counted for it: a total would be read through at each page.
    cursor = next_ = b""
    if rows:
        edge = rows[-1] if wanted.newer else rows[0]
        affix = b"append" if wanted.newer else b"prepend"
        cursor = b'"affix":"%b","id":"%d","sentAt":%d' % (affix, edge.id, edge.sent_at)
        next_ = b',"next":{%b}' % cursor
    current = b'"limit":%d,"count":%d' % (wanted.limit, len(rows))
    pagination = b'"count":%d,"per_page":%d,"current_page":%d' % (len(rows), wanted.limit, number)
    more = b',"mark":"%b"' % mark.encode() if mark else b""
    return b'{"current":{%b},"pagination":{%b}%b,"cursor":{%b}%b}' % (current, pagination, next_, cursor, more)


# What is rarely asked: looked at only when something of it is.
_rarely = attrgetter(
    "receiver_type", "sender", "only_deleted", "hide_quoted_messages", "unread", "undelivered", "from_timestamp",
    "to_timestamp", *_WITH, "my_mentions_only", "mentioned_uids", "tags", "hide_messages_from_blocked_users", "pinned",
    "saved", "search_key", "page",
)  # fmt: skip
_USUALLY = _rarely(MessageQuery())


def _filter(caller: Caller, q: MessageQuery, conversation: ConversationKey | None) -> MessageFilter:
    wanted = MessageFilter(
        reader=caller.reader,
        conversation_id=conversation,
        newer=q.affix == "append",
        cursor=q.id if q.id is not None and (q.id > 0 or q.affix == "append") else None,  # all after 0, nothing before
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
    if _rarely(q) == _USUALLY:
        return wanted
    mentioned = (caller.uid,) if q.my_mentions_only else tuple(q.mentioned_uids)
    rare: dict[str, Any] = {
        "receiver_type": q.receiver_type,
        "sender": q.sender,
        "only_deleted": q.only_deleted,
        "hide_quoted": q.hide_quoted_messages,
        "unread": q.unread and bool(caller.reader),
        "undelivered": q.undelivered and bool(caller.reader),
        "from_time": q.from_timestamp,
        "to_time": q.to_timestamp if q.from_timestamp is not None else None,
        "traits": int(sum(bit for name, bit in _WITH.items() if getattr(q, name))),
        "mentioned": mentioned,
        "tags": tuple(q.tags),
        "not_from_blocked": q.hide_messages_from_blocked_users and bool(caller.reader),
        "pinned": q.pinned,
        "saved": q.saved and bool(caller.reader),
        "search": q.search_key,
        "offset": q.offset,
    }
    asked = {name: value for name, value in rare.items() if value}
    return replace(wanted, **asked) if asked else wanted


def _body_of(fields: dict[str, str], parent: str | None) -> Body:
    # The fields of a form as the body that they would be in JSON.
    known = {f.encode_name for f in msgspec.structs.fields(Body)}
    pairs: dict[str, Any] = {k: v for k, v in fields.items() if k in known and k not in ("data", "tags")}
    for name, default in (("data", "{}"), ("tags", "null")):
        text = (fields.get(name) or default).encode("utf-8", "replace")
        decode(text, msgspec.Raw, name)
        pairs[name] = msgspec.Raw(text.strip())
    if bytes(pairs["data"])[:1] != b"{":
        raise Refused("ERR_INVALID_MESSAGE_DATA", {"data": "Send an object."})
    if parent is not None:
        pairs["parentId"] = parent
    return parse(encode(pairs), Body)
