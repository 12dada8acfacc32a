"""A second client: what one user writes is readable by everyone else, in every list and frame, without an error.

`Readers` is a real server with one writer and two readers: another user, and the app with its REST key. Writes are
steps of a few bytes each, so that fuzzing and property tests can make them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

from tailwire.sdk.dispatch import history
from tailwire.sdk.dispatch.frame_decoder import EVENTS
from tailwire.server.app import assemble
from tailwire.server.config import Settings
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.testing.server import UNLIMITED
from tailwire.wire import codec
from tailwire.wire.social import (
    conversation_from_wire,
    member_from_wire,
    reaction_from_wire,
    receipt_from_frame,
    transient_from_frame,
    typing_from_frame,
)

DEPTHS = (1, 2, 63, 64, 65, 66, 90, 128, 500, *range(900, 1000))
DIGITS = (1, 9, 16, 17, 18, 19, 20, 39, 63, 64, 65, 310, 4299, 4300, 4301, 6000)
ODD_VALUES = (
    b'"\\ud800"', b'"\\u0000"', b'"\\ud83d\\ude00"', b'"\xed\xa0\x80"', b"NaN", b"Infinity", b"1e999", b"-0", b"01", b'""',
    b'{"":""}', b'{"__proto__":{"a":1}}', b'{"a":1,"a":2}', b"[]", b"{}", b"null", b"true", b'"\x7f"', b'"\\q"',
    b'"javascript:alert(1)"', b'"data:text/html,x"', b'"https://x.test/a.png"', b'"<@uid:bob>"', b'"9999999999999999999"',
    b'{"text":{}}', b'{"entities":{"sender":1},"id":"x","metadata":[]}', b'"../../a"', b"18446744073709551616", b"0.1e-999",
)  # fmt: skip


def value_of(data: bytes) -> bytes:
    """Make JSON, or something similar, from a few bytes."""
    if len(data) < 3:
        return b"{}"
    kind, number, rest = data[0] % 8, data[1] * 256 + data[2], data[3:]
    if kind == 0:
        return b"-"[: number % 2] + b"9" * DIGITS[number % len(DIGITS)]
    if kind in (1, 2):
        opening, closing = (b"[", b"]") if kind == 1 else (b'{"a":', b"}")
        depth = DEPTHS[number % len(DEPTHS)]
        return opening * depth + b"1" + closing * depth
    if kind == 3:
        return json.dumps(rest.decode("utf-8", "replace") * (number % 50 + 1)).encode()
    if kind == 4:
        return ODD_VALUES[number % len(ODD_VALUES)]
    if kind == 5:
        return rest
    middle = len(rest) // 2
    inner = value_of(rest[:middle]), value_of(rest[middle:])
    return b'{"a":%b,"b":[%b]}' % inner if kind == 6 else b"[%b,%b]" % inner


def text_of(value: bytes) -> str:
    """Make a text: a name, a reaction, a file's name."""
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = value.decode("utf-8", "replace")
    return found if isinstance(found, str) else value.decode("utf-8", "replace")


class RecordingSocket:
    """A socket as the hub sees it, which keeps what is written to it."""

    def __init__(self, uid: str) -> None:
        self.uid, self.device, self.token = uid, f"device of {uid}", ""
        self.features = frozenset({"chain"})
        self.chained, self.slow = True, False
        self.groups: set[str] = set()
        self.presence = frozenset({"*"})
        self.heard: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write frames, one after the other."""
        while data:
            size, begin = data[1], 2
            if size >= 126:
                begin = 4 if size == 126 else 10
                size = int.from_bytes(data[2:begin], "big")
            self.heard.append(data[begin : begin + size])
            data = data[begin + size :]

    def buffered(self) -> int:
        return 0

    def close(self, code: int, reason: str) -> None:
        raise AssertionError(f"closed: {code} {reason}")


def parse_strictly(text: bytes) -> Any:
    """Parse JSON strictly: complete, and with numbers that can be written again."""
    value = json.loads(text)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


class Readers:
    """A server, one writer, and the readers.

    Args:
        folder: the folder for the server's data.
        read: parses JSON, as the readers do.
    """

    def __init__(self, folder: Path, read: Callable[[bytes], Any] = parse_strictly) -> None:
        self._loop = asyncio.new_event_loop()
        self._read = read
        settings = Settings(data=str(folder), upgrades_per_second=0, **UNLIMITED)
        self.parts = self._run(assemble(settings, World()))
        self._ears = RecordingSocket("bob")
        self._last = "1"
        self._begin()

    def _run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        """Stop the server."""
        self._run(self.parts.store.close())
        self._loop.close()

    def _begin(self) -> None:
        for uid in ("alice", "bob"):
            self.ask("POST", "/users", "", json.dumps({"uid": uid, "name": uid}).encode())
        self.ask("POST", "/groups", "alice", b'{"guid":"team","name":"T","type":"public"}')
        self.ask("POST", "/groups/team/members", "bob", b"{}")
        self.parts.gateway._hub.add(self._ears)
        self.parts.gateway._hub.join_groups(self._ears, ["team"])
        self._send("bob", "user", b'{"text":"first"}')

    def ask(
        self, method: str, path: str, behalf: str, body: bytes = b"", content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Send one request. An internal error of the server raises here."""
        path, _, query = path.partition("?")
        headers = [(b"appid", self.parts.store.app_id.encode()), (b"apikey", self.parts.keys.api_key.encode())]
        headers += [(b"onbehalfof", behalf.encode())] if behalf else []
        headers.append((b"content-type", content_type.encode()))
        scope = {"type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(), "headers": headers,
                 "query_string": query.encode(), "client": ("127.0.0.1", 1), "server": ("x", 1), "scheme": "http"}  # fmt: skip
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        self._run(self.parts.api(scope, receive, send))
        status = int(sent[0]["status"])
        if status >= 500:
            raise AssertionError(f"{method} {path}: {status}, for {body[:200]!r}")
        return status, b"".join(message.get("body", b"") for message in sent[1:])

    # Writing.

    def write(self, kind: int, value: bytes) -> None:
        """Let alice write something; the server may refuse it.

        Args:
            kind: a number that chooses what alice writes, modulo the number of kinds.
            value: JSON, or something similar, that is put into it.
        """
        writers = (
            self._text, self._text_to_bob, self._custom, self._interactive, self._file, self._me, self._group,
            self._react, self._edit, self._frame, self._form, self._answer, self._raw, self._marks,
        )  # fmt: skip
        writers[kind % len(writers)](value)

    def _send(self, receiver: str, kind: str, data: bytes, more: str = "") -> None:
        category = "custom" if b"customData" in data else "interactive" if b"interactiveData" in data else "message"
        what = "image" if b"attachments" in data else "text" if category == "message" else "thing"
        head = (
            f'{{"receiver":"{receiver}","receiverType":"{kind}","category":"{category}","type":"{what}"{more},"data":'
        )
        status, answer = self.ask("POST", "/messages", "alice", head.encode() + data + b"}")
        if status == 200:
            # Extract ids without parsing: the writer may be able to read what others cannot.
            self._last = answer.partition(b'"id":"')[2].partition(b'"')[0].decode()

    def _text(self, value: bytes) -> None:
        self._send("team", "group", json.dumps({"text": text_of(value)}).encode())
        self._send("team", "group", b'{"text":"hello","metadata":{"a":%b}}' % value)

    def _text_to_bob(self, value: bytes) -> None:
        self._send("bob", "user", b'{"text":"hello","metadata":{"a":%b}}' % value, ',"tags":["t","x"]')
        self._send("bob", "user", b'{"text":%b}' % value, f',"muid":{json.dumps(text_of(value))}')

    def _custom(self, value: bytes) -> None:
        self._send("team", "group", b'{"customData":{"a":%b},"subType":"s","conversationText":"c"}' % value)

    def _interactive(self, value: bytes) -> None:
        self._send("bob", "user", b'{"interactiveData":{"a":%b},"interactionGoal":%b}' % (value, value))
        body = json.dumps({"interactions": [text_of(value)]}).encode()
        self.ask("PATCH", f"/messages/{self._last}/interacted", "bob", body)

    def _file(self, value: bytes) -> None:
        good = {"url": b'"https://x.test/a.png"', "name": b'"a"', "mimeType": b'"image/png"', "extension": b'"png"'}
        for field in ("url", "name", "mimeType", "extension", "size", "width", "height", "thumbnail"):
            pairs = b",".join(b'"%b":%b' % (k.encode(), v) for k, v in {**good, field: value}.items())
            self._send("team", "group", b'{"attachments":[{%b}],"text":"caption"}' % pairs)

    def _me(self, value: bytes) -> None:
        for field in ("name", "avatar", "link", "metadata", "statusMessage", "tags"):
            self.ask("PUT", "/me", "alice", b'{"%b":%b}' % (field.encode(), value))
        self.ask("PUT", "/users/alice", "", b'{"metadata":{"a":%b}}' % value)

    def _group(self, value: bytes) -> None:
        for field in ("name", "icon", "description", "metadata", "tags"):
            self.ask("PUT", "/groups/team", "alice", b'{"%b":%b}' % (field.encode(), value))

    def _react(self, value: bytes) -> None:
        for reaction in ("x", text_of(value)[:200]):
            self.ask("POST", f"/messages/{self._last}/reactions/{quote(reaction, safe='')}", "alice")

    def _edit(self, value: bytes) -> None:
        self.ask("PUT", f"/messages/{self._last}", "alice", b'{"data":{"text":"edited","metadata":%b}}' % value)
        self.ask("PUT", f"/messages/{self._last}", "alice", b'{"tags":%b}' % value)

    def _frame(self, value: bytes) -> None:
        socket = SimpleNamespace(uid="alice", device="d", token="", features=frozenset(), bad_frames=0)
        for kind, body in (
            ("typing_indicator", b'{"action":"started","metadata":%b}' % value),
            ("transient_message", b'{"data":{"a":%b}}' % value),
            ("receipts", b'{"action":"read","messageId":%b}' % value),
        ):
            head = f'{{"type":"{kind}","receiver":"bob","receiverType":"user","body":'
            try:
                self._run(self.parts.gateway._handle(socket, head.encode() + body + b"}"))
            except Refused:
                continue

    def _form(self, value: bytes) -> None:
        name = text_of(value).replace('"', "%22").replace("\r", "").replace("\n", "").encode("utf-8", "replace")[:2000]
        fields = {"receiver": b"team", "receiverType": b"group", "type": b"file", "data": b'{"metadata":%b}' % value}
        part = b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n'
        body = b"".join(part % (k.encode(), v) for k, v in fields.items())
        body += b'--b\r\ncontent-disposition: form-data; name="file"; filename="%b"\r\n\r\nhello\r\n--b--\r\n' % name
        self.ask("POST", "/messages", "alice", body, "multipart/form-data; boundary=b")

    def _answer(self, value: bytes) -> None:
        before = self._last
        self._send("bob", "user", b'{"text":"quoting","metadata":%b}' % value, f',"quotedMessageId":"{before}"')
        self._send("bob", "user", b'{"text":"in its thread"}', f',"parentId":"{before}"')
        self._send("bob", "user", b'{"text":"x"}', ',"parentId":' + value.decode("latin-1"))

    def _raw(self, value: bytes) -> None:
        for method, path in (("POST", "/messages"), ("PUT", "/me"), ("PUT", "/groups/team"), ("POST", "/groups")):
            self.ask(method, path, "alice", value)

    def _marks(self, value: bytes) -> None:
        for path in ("pin", "save", "thread/subscription"):
            self.ask("POST", f"/messages/{self._last}/{path}", "bob")
        self.ask("PUT", "/users/alice/conversation", "bob", b'{"tags":%b}' % value)
        self.ask("POST", "/users/alice/conversation/read", "bob", b'{"messageId":%b}' % value)

    # Reading.

    def read(self) -> None:
        """Let bob and the app read every list, and bob's device all frames it received.

        Raises:
            AssertionError: naming what cannot be read.
        """
        for path, decode in LISTS.items():
            for reader in ("bob", ""):
                status, answer = self.ask("GET", path.replace("{id}", self._last), reader)
                if status == 200:
                    self._see(f"GET {path}", answer, lambda text, decode=decode: self._list(text, decode))
                elif reader and status != 404:
                    raise AssertionError(f"GET {path}: {status} {answer[:300]!r}")
        self._run(asyncio.sleep(0))
        heard, self._ears.heard = self._ears.heard, []
        for frame in heard:
            self._see("a frame", frame, lambda text: event_of(self._read(text)))

    def _list(self, text: bytes, decode: Callable[[Any], Any]) -> None:
        data = self._read(text)["data"]
        for value in data if isinstance(data, list) else [data]:
            decode(value)

    def _see(self, what: str, text: bytes, work: Callable[[bytes], Any]) -> None:
        try:
            work(text)
        except Exception as error:
            raise AssertionError(f"{what} cannot be read: {error!r:.200}: {text[:300]!r}") from error


def message_of(value: Any) -> Any:
    """Read a message and everything that belongs to it."""
    message = codec.message_from_wire(value)
    parts = ("receiver_entity", "reactions", "mentioned_users", "quoted_message", "moderation_status", "reply_count")
    for name in (*parts, "pinned_at", "saved_at"):
        getattr(message, name)
    return message


def event_of(frame: Mapping[str, Any]) -> None:
    """Read a frame as the SDK's dispatch does, but without ignoring invalid ones."""
    kind = frame["type"]
    if kind == "message":
        message_of(frame["body"])
    elif kind == "receipts":
        receipt_from_frame(frame)
    elif kind == "typing_indicator":
        typing_from_frame(frame)
    elif kind == "presence":
        codec.user_from_wire(frame["body"]["user"])
    elif kind == "transient_message":
        transient_from_frame(frame)
    else:
        EVENTS[kind](frame)


def decode_tolerantly(value: Any) -> None:
    """Read a message as catch-up does: an unreadable one is skipped, but must have an id."""
    if history.decode_message(value) is None:
        raise AssertionError("a message without an id")


LISTS: dict[str, Callable[[Any], Any]] = {
    "/messages?per_page=10": message_of,
    "/groups/team/messages?per_page=5": message_of,
    "/users/alice/messages?per_page=5": message_of,
    "/messages?searchKey=hello&per_page=3": message_of,
    "/messages?saved=true&per_page=3": message_of,
    "/groups/team/messages?pinned=true&per_page=3": message_of,
    "/messages/{id}": message_of,
    "/messages/{id}/thread?per_page=3": message_of,
    "/messages/{id}/reactions": reaction_from_wire,
    "/threads?per_page=3": message_of,
    "/conversations": conversation_from_wire,
    "/conversations?withBlockedInfo=true": conversation_from_wire,
    "/users/alice/conversation": conversation_from_wire,
    "/users": codec.user_from_wire,
    "/users/alice": codec.user_from_wire,
    "/groups": codec.group_from_wire,
    "/groups/team": codec.group_from_wire,
    "/groups/team/members": member_from_wire,
}
