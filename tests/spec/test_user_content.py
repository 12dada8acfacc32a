"""Content from one user never stops others from reading: it is refused, or every client can read it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import msgspec
import pytest

import tailwire.sdk.io.answers
import tailwire.wire.bounds
from harness import CONNECTED, Actor, Stage
from rest import Rest
from tailwire import (
    Attachment,
    CometChatException,
    ConversationsRequestBuilder,
    MediaMessage,
    MemorySessionStore,
    MessagesRequestBuilder,
    TransientMessage,
    TypingIndicator,
    UsersRequestBuilder,
)
from tailwire.server.actions.authorization import Authorizer
from tailwire.server.ports import records
from tailwire.testing.virtual.world import PORT

TOO_DEEP = "[" * 70 + "]" * 70
TOO_LONG = "9" * 5000
TOO_LARGE = "1e999"


def text_to(receiver: str, metadata: str = "{}", kind: str = "user", **more: Any) -> bytes:
    body = {"receiver": receiver, "receiverType": kind, "category": "message", "type": "text", **more}
    return json.dumps({**body, "data": {"text": "x", "metadata": 0}}).replace(": 0}", f": {metadata}}}").encode()


@pytest.mark.parametrize(
    ("value", "details"), [(TOO_DEEP, "64 deep"), (TOO_LONG, "64 digits"), (TOO_LARGE, "floating point")]
)
async def test_deep_long_or_large_values_in_free_form_json_are_refused_in_requests(stage: Stage, value, details):
    free = f'{{"a":{value}}}'
    custom = f'"receiver":"bob","receiverType":"user","category":"custom","type":"t","data":{{"customData":{free}}}'
    interactive = custom.replace("custom", "interactive")
    data = f'{{"text":"x","metadata":{free}}}'
    async with Rest(stage) as rest:
        await rest("POST", "/groups", as_="alice", json={"guid": "g", "name": "G", "type": "public"})
        sent = await rest("POST", "/messages", as_="alice", content=text_to("bob"))
        for method, path, content, place in (
            ("POST", "/messages", text_to("bob", free), "data.metadata.a"),
            ("PUT", f"/messages/{sent['id']}", f'{{"data":{data}}}', "data.metadata.a"),
            ("POST", f"/messages/{sent['id']}/thread", text_to("bob", free), "data.metadata.a"),
            ("POST", "/messages", f"{{{custom}}}", "data.customData.a"),
            ("POST", "/messages", f"{{{interactive}}}", "data.interactiveData.a"),
            ("PUT", "/me", f'{{"metadata":{free}}}', "metadata.a"),
            ("POST", "/groups", f'{{"guid":"h","name":"H","type":"public","metadata":{free}}}', "metadata.a"),
            ("PUT", "/groups/g", f'{{"metadata":{free}}}', "metadata.a"),
            ("PUT", "/me", f'{{"nobody":"reads this","x":{free}}}', "x.a"),
        ):
            error = await rest.refused("ERR_BAD_REQUEST", method, path, as_="alice", content=content)
            ((where, what),) = error["details"].items()
            assert where.startswith(place)
            assert details in what
        form = {"receiver": "bob", "receiverType": "user", "type": "text", "category": "message", "data": data}
        files = {name: (None, text) for name, text in form.items()}
        error = await rest.refused("ERR_BAD_REQUEST", "POST", "/messages", as_="alice", files=files)
        assert details in str(error["details"])


@pytest.mark.parametrize("value", [TOO_DEEP, TOO_LONG, TOO_LARGE, "[" * 20_000, "[" * 20_000 + "]" * 20_000])
async def test_deep_long_or_large_values_in_free_form_json_are_refused_in_frames(stage: Stage, caplog, value):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    for kind, body in (
        ("transient_message", f'{{"data":{{"a":{value}}}}}'),
        ("typing_indicator", f'{{"action":"started","metadata":{{"a":{value}}}}}'),
    ):
        frame = {"type": kind, "receiver": "bob", "receiverType": "user", "sender": "alice", "body": 0}
        alice.chat._parts.driver.send(json.dumps(frame).replace('"body": 0', f'"body": {body}'))
    await alice.chat.send_transient_message(TransientMessage("bob", "user", {"a": 1}))
    await bob.ears.until(lambda: bob.ears.all("transient"))
    assert [m.data for m in bob.ears.all("transient")] == [{"a": 1}]
    assert bob.ears.all("typing") == []
    assert alice.status is CONNECTED
    refused = [r.getMessage() for r in caplog.records if "the server refused a frame" in r.getMessage()]
    assert len(refused) == 2, "told what is wrong"
    assert all("ERR_BAD_REQUEST" in details for details in refused)


async def test_typing_metadata_is_forwarded_unchanged_within_its_limit(stage: Stage):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    heard: list[Any] = []

    def typing(indicator: TypingIndicator) -> None:
        heard.append(indicator.metadata)
        bob.ears._record("typing")

    bob.ears.on_typing_started = typing
    for metadata in ({"n": 10**30}, {"x": "y" * 11_000}, None, {"end": 1}):
        await alice.chat.start_typing("bob", metadata=metadata)
    await bob.ears.until(lambda: {"end": 1} in heard)
    assert heard == [{"n": 10**30}, {}, {"end": 1}]


UNUSUAL_IDS = ["1" + "0" * 30, "9" * 30, "9" * 5000, 10**30, 2**63, -1, 0, "1_0", "+1", "x", ""]


@pytest.mark.parametrize("number", UNUSUAL_IDS, ids=[str(n)[:12] for n in UNUSUAL_IDS])
async def test_unusual_message_ids_are_answered_without_a_server_error(stage: Stage, number):
    async with Rest(stage) as rest:
        wanted = json.dumps(number)
        for method, path, content in (
            ("POST", "/users/bob/conversation/read", f'{{"messageId":{wanted}}}'),
            ("POST", "/users/bob/conversation/delivered", f'{{"messageId":{wanted}}}'),
            ("DELETE", "/users/bob/conversation/read", f'{{"messageId":{wanted}}}'),
            ("GET", f"/messages/{number or 'x'}", ""),
            ("GET", f"/messages?id={number or 'x'}", ""),
            ("GET", f"/messages?parentId={number or 'x'}", ""),
        ):
            answer = await rest.answer(method, path, as_="alice", content=content)
            assert answer.status_code < 500, (path, answer.text)
        for name in ("parentId", "parentMessageId", "quotedMessageId"):
            content = text_to("bob", **{name: number})
            answer = await rest.answer("POST", "/messages", as_="alice", content=content)
            assert answer.status_code in ((200,) if number in (0, "") else (400, 404)), (name, answer.text)


async def test_request_path_cannot_forge_a_log_line(stage: Stage, caplog, monkeypatch):
    async def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(Authorizer, "message", fails)
    async with Rest(stage) as rest:
        path = "/messages/1%0a2026-11-26T00:00:00%20WARNING%20FORGED%1b[31m" + "x" * 1000
        assert (await rest.answer("GET", path, as_="alice")).status_code == 500
    logged = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(logged) == 1
    assert "FORGED" in logged[0]
    assert "\n" not in logged[0]
    assert "\x1b" not in logged[0]
    assert len(logged[0]) < 300


def numbers_without_bounds(shape: Any, place: str, seen: tuple[Any, ...] = ()) -> list[str]:
    inspect = msgspec.inspect
    if isinstance(shape, inspect.Metadata):
        shape = shape.type
    if isinstance(shape, inspect.IntType):
        return [place] if shape.le is None else []
    if isinstance(shape, inspect.StructType):
        parts = [] if shape.cls in seen else [(f"{shape.cls.__name__}.{f.name}", f.type) for f in shape.fields]
        seen = (*seen, shape.cls)
    elif isinstance(shape, inspect.UnionType):
        # A text or a number: an id, or a size, which is checked where it is used.
        ids = any(isinstance(t, inspect.StrType) for t in shape.types)
        parts = [] if ids else [(place, t) for t in shape.types]
    else:
        parts = [(place, getattr(shape, n)) for n in ("item_type", "value_type") if hasattr(shape, n)]
    return [found for name, part in parts for found in numbers_without_bounds(part, name, seen)]


async def test_every_number_of_a_request_has_an_upper_bound(stage: Stage):
    api = stage.server.parts.api
    kinds = {kind for o in api.operations for kind in (o.body, o.query) if kind is not None}
    found = [f for kind in kinds for f in numbers_without_bounds(msgspec.inspect.type_info(kind), str(kind))]
    assert len(kinds) > 20
    assert found == []


# Content that was stored before there were bounds, or that comes from another server.


@pytest.fixture
def unbounded(monkeypatch):
    """Let the server accept everything, as earlier versions did; `undo` restores today's bounds."""
    monkeypatch.setattr(tailwire.wire.bounds, "within_bounds", lambda text, depth=0: True)
    return monkeypatch


async def send_as_deep_as_accepted(rest: Rest, receiver: str, kind: str) -> dict[str, Any]:
    for depth in range(1000, 700, -5):
        content = text_to(receiver, '{"a":' + "[" * depth + "]" * depth + "}", kind)
        answer = await rest.answer("POST", "/messages", as_="alice", content=content)
        if answer.status_code == 200:
            return json.loads(tailwire.wire.bounds.trim(answer.content))["data"]
    raise AssertionError("nothing was taken")


LISTS = (
    "/conversations", "/messages", "/messages?affix=append&id=0", "/groups/g/messages", "/groups/g/conversation",
    "/groups", "/users", "/messages?searchKey=hello", "/groups/g/members", "/threads", "/messages?saved=true",
)  # fmt: skip


async def test_deeply_nested_message_does_not_break_a_list(stage: Stage, unbounded):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", as_="alice", json={"guid": "g", "name": "G", "type": "public"})
        await rest("POST", "/groups/g/members", as_="bob", json={})
        for n, text in enumerate(("hello before", "hello after")):
            if n:
                deep = await send_as_deep_as_accepted(rest, "g", "group")
                await rest.answer("POST", f"/messages/{deep['id']}/reactions/x", as_="alice")
                await rest.answer("POST", f"/messages/{deep['id']}/save", as_="bob")
                await rest.answer("POST", f"/messages/{deep['id']}/thread/subscription", as_="bob")
                metadata = f'{{"metadata":{{"a":{"[" * 900 + "]" * 900}}}}}'
                assert (await rest.answer("PUT", "/me", as_="alice", content=metadata)).status_code == 200
            content = text_to("g", kind="group").replace(b'"x"', json.dumps(text).encode())
            await rest("POST", "/messages", as_="alice", content=content)
        unbounded.undo()
        for path in LISTS:
            for who in ({"as_": "bob"}, {"as_": "alice"}, {"behalf": "bob"}, {}):
                if path == "/groups/g/conversation" and not who:
                    continue  # the app itself has none
                assert (await rest.answer("GET", path, **who)).status_code == 200, (path, who)
        listed = await rest("GET", "/groups/g/messages", as_="bob")
        texts = {m["data"].get("text"): m["data"] for m in listed}
        assert {"hello before", "x", "hello after"} <= set(texts)
        assert texts["x"]["reactions"] == [{"reaction": "x", "count": 1}]
        assert tailwire.wire.bounds.within_bounds(json.dumps(listed).encode(), 100)
        await rest("PUT", f"/messages/{deep['id']}", as_="alice", content='{"data":{"text":"mended"}}')
        await rest("DELETE", f"/messages/{deep['id']}", as_="alice", json={})


UNREADABLE_METADATA = {
    "digits": [f'{{"a":{TOO_LONG}}}'],
    "depth": ['{"a":' + "[" * depth + "]" * depth + "}" for depth in range(1000, 700, -3)],
}


@pytest.mark.parametrize("kind", UNREADABLE_METADATA)
async def test_message_with_unreadable_metadata_is_delivered_without_it(stage: Stage, unbounded, caplog, kind):
    """The client reads what a server without bounds forwards, live and in the catch-up."""
    store = MemorySessionStore()
    bob = await stage.enter("bob", store=store)
    async with Rest(stage) as rest:

        async def send_three(first: int) -> None:
            for n in range(first, first + 3):
                for metadata in UNREADABLE_METADATA[kind] if n % 3 == 1 else ["{}"]:  # as deep as the server accepts
                    content = text_to("bob", metadata).replace(b'"x"', b'"%d"' % n)
                    if (await rest.answer("POST", "/messages", as_="alice", content=content)).status_code == 200:
                        break
                else:
                    pytest.fail("nothing was taken")

        await send_three(0)
        await bob.ears.until(lambda: len(bob.ears.texts) == 3)
        await bob.chat.disconnect()
        await send_three(3)
        await bob.chat.connect()
        await bob.ears.until(lambda: len(bob.ears.texts) == 6)
        await bob.chat.aclose()
        await send_three(6)
        again = stage.actor(store=store)
        await again.chat.init()
        again.listen()
        await again.ears.until(lambda: len(again.ears.texts) == 3)
    assert [*bob.ears.texts, *again.ears.texts] == [str(n) for n in range(9)]
    page = await MessagesRequestBuilder().set_uid("alice").build(again.chat).fetch_previous()
    assert [m.text for m in page] == [str(n) for n in range(9)]
    (conversation,) = await ConversationsRequestBuilder().build(again.chat).fetch_next()
    assert conversation.last_message.text == "8"
    assert "cannot be read and is left out" in caplog.text, "told in the log"


async def replace_in_store(stage: Stage, message_id: int, old: bytes, new: bytes) -> None:
    """Write into the store what no client could have sent."""

    database = stage.server.parts.store.database
    (body,) = await database.first_row("SELECT body FROM messages WHERE id = ?", (message_id,))
    assert old in bytes(body)
    changed = bytes(body).replace(old, new)
    assert await database.run("UPDATE messages SET body = ? WHERE id = ?", (changed, message_id)) == 1


async def test_undecodable_message_is_a_gap_and_the_others_are_delivered(stage: Stage, caplog):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.chat.disconnect()
    sent = [await alice.say("bob", str(n)) for n in range(5)]
    for n in (1, 2, 4):
        await replace_in_store(stage, sent[n].id, b'"sentAt":', b'"deletedBy":{},"sentAt":')
    await bob.chat.connect()
    await bob.ears.until(lambda: len(bob.ears.all("gap")) == 3)
    heard = [
        v.text if what == "text" else (v.from_id, v.to_id) for _, what, v in bob.ears.heard if what in ("text", "gap")
    ]
    ids = [m.id for m in sent]
    assert heard == ["0", (ids[0], ids[1]), (ids[1], ids[2]), "3", (ids[3], ids[4])]
    assert [f"message {ids[n]} cannot be read" in caplog.text for n in (1, 2, 4)] == [True] * 3
    request = MessagesRequestBuilder().set_uid("alice").set_limit(2).build(bob.chat)
    pages = [await request.fetch_previous() for _ in range(3)]
    assert [[m.text for m in page] for page in pages] == [["3"], ["0"], []], "an empty page is the end"
    assert [m.text async for m in bob.chat.messages(uid="alice", page_size=2)] == ["3", "0"]
    assert await ConversationsRequestBuilder().build(bob.chat).fetch_next() == []
    await alice.say("bob", "5")
    await bob.ears.until(lambda: bob.ears.texts[-1] == "5")


async def test_undecodable_live_message_is_a_gap(stage: Stage, monkeypatch):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    first = await alice.say("bob", "1")
    as_json = records._as_json
    with monkeypatch.context() as planted:
        planted.setattr(records, "_as_json", lambda row: as_json(row)[:-1] + b',"deletedBy":{}}')
        with pytest.raises(CometChatException):
            await alice.say("bob", "2")
        await bob.ears.until(lambda: bob.ears.all("gap"))
    await alice.say("bob", "3")
    await bob.ears.until(lambda: bob.ears.texts[-1] == "3")
    (gap,) = bob.ears.all("gap")
    assert (bob.ears.texts, gap.from_id >= first.id, gap.to_id - gap.from_id) == (["1", "3"], True, 1)


async def send_texts(alice: Actor, sizes: list[int]) -> list[int]:
    return [(await alice.say("bob", "x" * size)).id for size in sizes]


async def test_oversized_page_is_requested_in_parts(stage: Stage, monkeypatch):
    alice, bob = await stage.enter("alice"), await stage.enter("bob")
    await bob.chat.disconnect()
    sizes = [10, 3000, 3000, 8000, 10, 3000, 9000, 20]
    ids = await send_texts(alice, sizes)
    monkeypatch.setattr(tailwire.sdk.io.answers, "MAX_BYTES", 8000)
    await bob.chat.connect()
    await bob.ears.until(lambda: len(bob.ears.all("text")) + len(bob.ears.all("gap")) == len(sizes))
    small = [n for n, size in zip(ids, sizes, strict=True) if size < 8000]
    assert [m.id for m in bob.ears.all("text")] == small
    assert [g.to_id for g in bob.ears.all("gap")] == [ids[3], ids[6]]
    for limit in (1, 3, 100):
        request = MessagesRequestBuilder().set_uid("alice").set_limit(limit).build(bob.chat)
        found: list[int] = []
        while page := await request.fetch_previous():
            found = [m.id for m in page] + found
        assert found == small
        request = MessagesRequestBuilder().set_uid("alice").set_limit(limit).set_message_id(ids[0]).build(bob.chat)
        found = []
        while page := await request.fetch_next():
            found += [m.id for m in page]
        assert found == small[1:]


async def test_catch_up_after_a_login_starts_behind_an_oversized_newest_message(stage: Stage, monkeypatch):
    alice = await stage.enter("alice")
    monkeypatch.setattr(tailwire.sdk.io.answers, "MAX_BYTES", 8000)
    async with Rest(stage) as rest:
        await rest("POST", "/messages", as_="alice", content=text_to("bob").replace(b'"x"', b'"%b"' % (b"x" * 9000)))
    bob = await stage.enter("bob")
    await alice.say("bob", "after")
    await bob.ears.until(lambda: bob.ears.texts == ["after"])


async def test_oversized_numbered_page_is_requested_in_parts(stage: Stage, monkeypatch):
    async with Rest(stage) as rest:
        for n in range(12):
            metadata = {"a": "x" * (4900 if n == 5 else 1000)}
            await rest("POST", "/users", json={"uid": f"u{n:02}", "name": f"U{n:02}", "metadata": metadata})
    bob = await stage.enter("bob")
    monkeypatch.setattr(tailwire.sdk.io.answers, "MAX_BYTES", 4500)
    request = UsersRequestBuilder().set_search_keyword("U").set_limit(6).build(bob.chat)
    found: list[str] = []
    while page := await request.fetch_next():
        found += [user.uid for user in page]
    assert found == [f"u{n:02}" for n in range(12) if n != 5]


class DeepResponses(asyncio.Protocol):
    """A server whose responses are deeply nested in every field."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        deep = b"[" * 3000 + b"]" * 3000
        body = b'{"data":{"authToken":"t","uid":"alice","metadata":{"a":%b},"tags":%b}}' % (deep, deep)
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)
        self._transport.close()


async def test_login_reports_a_deeply_nested_response_with_a_documented_code(stage: Stage):
    actor = stage.actor()
    await actor.chat.init()
    server = stage.network._listening[PORT]
    stage.network.listen(PORT, DeepResponses)
    with pytest.raises(CometChatException) as caught:
        await actor.chat.login("alice", auth_key="x")
    assert caught.value.code == "ERR_BAD_ERROR_RESPONSE"
    stage.network._listening[PORT] = server


# URLs that others open or show.

OTHER_URLS = ["javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "\x01javascript:x",
       "data:text/html,<script>", "vbscript:x", "file:///etc/passwd", "blob:x", "ftp://x.test/a"]  # fmt: skip
WEB_URLS = ["https://x.test/a.png", "HTTP://x.test", "/files/a.png", "a/b.png?x=y:z", "//x.test/a.png", "#top", ""]
PICTURE_URL = "data:image/png;base64,iVBORw0KGgo="


async def test_urls_of_users_groups_and_attachments_are_web_urls_or_pictures(stage: Stage):
    alice = await stage.enter("alice")
    async with Rest(stage) as rest:
        await rest("POST", "/groups", as_="alice", json={"guid": "g", "name": "G", "type": "public"})
        for url in OTHER_URLS:
            for field, path in (("avatar", "/me"), ("link", "/me"), ("icon", "/groups/g")):
                error = await rest.refused("ERR_BAD_REQUEST", "PUT", path, as_="alice", json={field: url})
                assert list(error["details"]) == [field]
            await rest.refused("ERR_BAD_REQUEST", "POST", "/users", json={"uid": "n", "name": "N", "avatar": url})
            for attachment in ({"url": url}, {"url": "https://x.test/a", "thumbnail": url}):
                body = {"receiver": "bob", "receiverType": "user", "category": "message", "type": "file"}
                data = {"attachments": [{"name": "a", **attachment}]}
                await rest.refused("ERR_BAD_REQUEST", "POST", "/messages", as_="alice", json={**body, "data": data})
            data = {"url": url}
            await rest.refused("ERR_BAD_REQUEST", "POST", "/messages", as_="alice", json={**body, "data": data})
        await rest.refused("ERR_BAD_REQUEST", "PUT", "/me", as_="alice", json={"link": PICTURE_URL})
        for url in (*WEB_URLS, PICTURE_URL):
            await rest("PUT", "/me", as_="alice", json={"avatar": url})
            await rest("PUT", "/groups/g", as_="alice", json={"icon": url})
            if url != PICTURE_URL:
                await rest("PUT", "/me", as_="alice", json={"link": url})
            if url:
                message = MediaMessage(
                    receiver="bob", type="image", attachments=[Attachment(url, "a", "png", "image/png")]
                )
                assert (await alice.chat.send_media_message(message)).attachment.url == url


@pytest.mark.parametrize("size", ["9" * 5000, "x", "1e999", -1, 2**60, "१२"])
async def test_file_size_must_be_a_number(stage: Stage, size):
    bob = await stage.enter("bob")
    body = {"receiver": "bob", "receiverType": "user", "category": "message", "type": "file"}
    data = {"attachments": [{"url": "https://x.test/a", "name": "a", "size": size}]}
    async with Rest(stage) as rest:
        await rest.refused("ERR_BAD_REQUEST", "POST", "/messages", as_="alice", json={**body, "data": data})
        for good in ("", 0, "12", 2**40):
            data["attachments"][0]["size"] = good
            await rest("POST", "/messages", as_="alice", json={**body, "data": data})
    await bob.ears.until(lambda: len(bob.ears.all("media")) == 4)
    assert [m.attachment.size for m in bob.ears.all("media")] == [0, 0, 12, 2**40]
