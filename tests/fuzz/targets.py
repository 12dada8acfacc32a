"""Fuzz targets: functions that process untrusted bytes and may only end as documented. Anything else is a find."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import dataclasses
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from fuzz.connection import Connections
from tailwire.sdk.connection.explain import explain
from tailwire.sdk.connection.history import BadDump
from tailwire.sdk.connection.history import load_dump as load_dump
from tailwire.sdk.connection.replay import BadReplay, replay_inputs
from tailwire.sdk.continuity.state import CatchUp, Position
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.gate import Gate
from tailwire.sdk.io.files import FileSessionStore
from tailwire.sdk.io.untrusted_json import BadJson, read_object
from tailwire.sdk.io.world import this_world
from tailwire.sdk.outbox import Outbox
from tailwire.sdk.session import Session
from tailwire.server.broker.codec import UnknownNews
from tailwire.server.broker.codec import decode as decode_news
from tailwire.server.broker.nats_protocol import Parser, ProtocolError
from tailwire.server.broker.pieces import BadPiece, Pieces
from tailwire.server.config import BadSetting
from tailwire.server.config import load as load_settings
from tailwire.server.gateway import frames
from tailwire.server.limits.turns import Turns
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest import operations
from tailwire.server.rest.forms import read_form
from tailwire.testing.line.frames import ServerFrames
from tailwire.testing.server import UNLIMITED

FOLDER = Path(tempfile.mkdtemp(prefix="tailwire-fuzz-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
_loop = asyncio.new_event_loop()


class _Kept(list[Any]):
    # What would be handed over to callbacks.
    def put(self, entry: object) -> None:
        self.append(entry)


def sdk_frame(data: bytes) -> None:
    """A server's frame at the client: accepted, or ignored with a log line."""

    async def take() -> None:
        incoming = Incoming(
            _Kept(),
            _nothing,
            "device",
            CatchUp(position=Position(5)),
            lambda: 0.5,
            pong=lambda: None,
            throttled=lambda on: None,
            token_answered=lambda granted: None,
        )
        incoming.begin_session("alice", Position(5))
        incoming.frame_came(data)
        await incoming.close()

    _loop.run_until_complete(take())


async def _nothing(query: Mapping[str, Any]) -> list[Any]:
    return []


_BODIES = (frames.Auth, frames.Receipt, frames.Typing, frames.Transient, frames.AppState)


def server_frame(data: bytes) -> None:
    """A client's frame at the server: decoded, or refused."""
    try:
        frame = frames.decode_frame(data)
    except Refused as e:
        json.dumps(e.as_error())
        return
    for kind in _BODIES:
        try:
            body = frames.body_of(frame, kind)
        except Refused:
            continue
        if isinstance(body, frames.Auth):
            frames.presence_subscription(body.presence_subscription, body.roles)


PASS, TOKEN, APP = b"J" * 146, b"T" * 46, b"A" * 16


class _Server:
    # The whole HTTP side on a real store, with a few users and a group; made once, on first use.

    def __init__(self) -> None:
        from tailwire.server.app import assemble
        from tailwire.server.config import Settings
        from tailwire.server.ports.world import World

        settings = Settings(data=str(FOLDER / "server"), upgrades_per_second=0, **UNLIMITED)
        self.parts = _loop.run_until_complete(assemble(settings, World()))
        self.operations = sorted(self.parts.api.operations, key=lambda o: (o.path, o.method))
        for body in ({"uid": "alice", "name": "A"}, {"uid": "bob", "name": "B"}):
            self.ask("POST", "/users", "", b"", json.dumps(body).encode())
        self.ask("POST", "/groups", "alice", b"", b'{"guid":"team","name":"T","type":"public"}')
        text = b'{"receiver":"team","receiverType":"group","category":"message","type":"text","data":{"text":"x"}}'
        self.ask("POST", "/messages", "alice", b"", text)
        sessions = self.parts.actions.sessions
        token = _loop.run_until_complete(sessions.create_token("alice")).token
        caller = _loop.run_until_complete(sessions.caller(token, ""))
        self.known = [
            (PASS, _loop.run_until_complete(sessions.me(caller, token)).signed_pass.encode()),
            (TOKEN, token.encode()),
            (APP, self.parts.store.app_id.encode()),
        ]
        self.connections = Connections(self.parts)

    def with_secrets(self, data: bytes) -> bytes:
        """Replace placeholders by the secrets of this server."""
        for placeholder, secret in self.known:
            assert len(placeholder) == len(secret), (placeholder, secret)
            data = data.replace(placeholder, secret)
        return data

    def ask(self, method: str, path: str, behalf: str, query: bytes, body: bytes) -> int:
        headers = [(b"appid", self.parts.store.app_id.encode()), (b"apikey", self.parts.keys.api_key.encode())]
        headers += [(b"onbehalfof", behalf.encode())] if behalf else []
        scope = {"type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(), "headers": headers,
                 "query_string": query, "client": ("127.0.0.1", 1), "server": ("x", 1), "scheme": "http"}  # fmt: skip
        sent: list[Any] = []
        received = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive() -> Any:
            # The client leaves after its body: an answer that streams without end, ends.
            return next(received, {"type": "http.disconnect"})

        async def send(message: Any) -> None:
            sent.append(message)

        _loop.run_until_complete(self.parts.api(scope, receive, send))
        return int(sent[0]["status"])


_servers: list[_Server] = []


def _server() -> _Server:
    if not _servers:
        _servers.append(_Server())
    return _servers[0]


def request(data: bytes) -> None:
    """A whole request, by the app or on behalf of a user, on a real store: never an internal error (5xx)."""
    if len(data) < 2:
        return
    operation = _server().operations[data[0] % len(_server().operations)]
    name, _, rest = data[2:].partition(b"\0")
    query, _, body = rest.partition(b"\0")
    named = ("alice", "bob", "team", "1", quote(name, safe=""))[data[1] % 5]
    path = re.sub(r"\{[^}]*\}", lambda _: named, operation.path)
    status = _server().ask(operation.method, path, ("", "alice", "bob")[data[1] // 5 % 3], query, body)
    if status >= 500:
        raise AssertionError(f"{operation.method} {path}: {status}")


def connection(data: bytes) -> None:
    """A connection, HTTP or upgraded to a WebSocket, with its bytes cut anywhere: it always ends cleanly."""
    if not data:
        return
    server = _server()
    first, data = data[0], server.with_secrets(data[1:])
    end = data.find(b"\r\n\r\n") + 4 if b"websocket" in data else 0  # clients wait for the response to an upgrade
    cut = end + first * (len(data) - end) // 256
    pieces = [data[:end], data[end:cut], data[cut:]]
    _loop.run_until_complete(server.connections.take(pieces))


def _operation(data: bytes) -> operations.Operation:
    return _server().operations[data[0] % len(_server().operations)]


def rest_body(data: bytes) -> None:
    """The body of a request: parsed for one of the operations, or refused."""
    operation = _operation(data) if data else None
    if operation is not None and operation.body is not None:
        _may_refuse(lambda: operations.parse(data[1:], operation.body))


def rest_query(data: bytes) -> None:
    """The query of a request."""
    operation = _operation(data) if data else None
    if operation is not None and operation.query is not None:
        _may_refuse(lambda: operations.read_query(data[1:], operation.query))


def _may_refuse(work: Callable[[], object]) -> None:
    try:
        work()
    except Refused as e:
        json.dumps(e.as_error())


class _Sink:
    def __init__(self) -> None:
        self.size, self.first_bytes = 0, b""

    def write(self, data: bytes) -> None:
        self.size += len(data)

    async def finish(self, name: str) -> None:
        raise NotImplementedError

    def drop(self) -> None:
        self.size = 0


def multipart(data: bytes) -> None:
    """A multipart form with files, in two pieces."""
    cut = len(data) // 2
    pieces = [
        {"type": "http.request", "body": data[cut:], "more_body": False},
        {"type": "http.request", "body": data[:cut], "more_body": True},
    ]

    async def receive() -> Any:
        return pieces.pop()

    async def read() -> None:
        async def admit(fields: Any) -> None:
            """Admit everyone."""

        try:
            form = await read_form(
                receive,
                b"multipart/form-data; boundary=b",
                lambda fields: _Sink(),
                admit,
                lambda size, whole: None,
                partial(Turns().wait, "a"),
            )
        except Refused as e:
            json.dumps(e.as_error())
        else:
            form.drop()

    _loop.run_until_complete(read())


def session_file(data: bytes) -> None:
    """A saved session and outbox: read, or set aside."""
    store = FileSessionStore(FOLDER / "sessions")
    for kind, name in (("session", "app"), ("outbox", "app alice")):
        path = store._path(name, kind)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    saved = store.load("app")
    if saved is not None:
        try:
            Session.from_saved(saved)
        except ValueError:
            saved = None

    async def begin() -> None:
        async def send(body: Any) -> Any:
            await asyncio.get_running_loop().create_future()

        outbox = Outbox("app", store, send, lambda entry: None, 10, this_world(), Gate())
        outbox.begin("alice", outbox.load("alice"))
        outbox.stop()
        await outbox.close()

    _loop.run_until_complete(begin())


def config_file(data: bytes) -> None:
    """A settings file."""
    path = FOLDER / "config.toml"
    path.write_bytes(data)
    try:
        dataclasses.asdict(load_settings({}, {}, str(path)))
    except BadSetting as e:
        str(e).encode("utf-8", "backslashreplace")


def ready_file(data: bytes) -> None:
    """A server's ready file, as its reader parses it."""
    from tailwire.testing.server import BadReadyFile, read_ready_file

    path = FOLDER / "ready.json"
    path.write_bytes(data)
    try:
        read_ready_file(path)
    except BadReadyFile as e:
        str(e).encode("utf-8", "backslashreplace")


def replay_file(data: bytes) -> None:
    """A dump of a connection: replayed, or refused with a reason."""
    path = FOLDER / "dump.json"
    path.write_bytes(data)
    try:
        state, recorded = load_dump(read_object(path))
        for at, after, _, commands in replay_inputs(state, recorded):
            explain(after, at)
            str(commands)
    except (BadJson, BadDump, BadReplay) as e:
        str(e).encode("utf-8", "backslashreplace")


def proxy_bytes(data: bytes) -> None:
    """A server's side of a connection, cut anywhere: nothing is lost, added or reordered."""
    splitter, cut = ServerFrames(), len(data) // 3
    pieces = [piece for part in (data[:cut], data[cut:]) for piece, _ in splitter.feed(part)]
    if not data.startswith(b"".join(pieces)):
        raise AssertionError("the output differs from the input")


_readers: list[Any] = []


def written(data: bytes) -> None:
    """Whatever one user writes, step by step: everyone else can read all of it."""
    from fuzz.written import Readers, value_of

    if not _readers:
        _readers.append(Readers(FOLDER / "readers"))
    for step in data.split(b"\n")[:8]:
        if step:
            _readers[0].write(step[0], value_of(step[1:]))
    _readers[0].read()


def broker_news(data: bytes) -> None:
    """News of another server, by itself and as a notification of PostgreSQL: understood, or refused."""
    with contextlib.suppress(UnknownNews):
        decode_news(data)
    with contextlib.suppress(BadPiece):
        Pieces("me").add(data.decode(errors="replace"))


def nats_bytes(data: bytes) -> None:
    """The bytes of a NATS server: the same events wherever they are cut, or refused."""

    def events(*parts: bytes) -> list[object]:
        parser, found = Parser(), list[object]()
        with contextlib.suppress(ProtocolError):
            for part in parts:
                for event in parser.feed(part):
                    found.append(event)
        return found

    middle = data[0] if data else 0
    assert events(data) == events(data[:middle], data[middle:])


TARGETS: dict[str, Callable[[bytes], None]] = {
    f.__name__: f
    for f in (
        sdk_frame, server_frame, rest_body, rest_query, multipart, session_file, config_file, ready_file, replay_file,
        proxy_bytes, request, connection, written, broker_news, nats_bytes,
    )
}  # fmt: skip
