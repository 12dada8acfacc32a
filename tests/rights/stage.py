"""The real server in this process, used through its HTTP interface and its sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tailwire.server.config import Settings
from tailwire.testing.virtual.world import UNLIMITED, VirtualSdkWorld, VirtualServer, virtual_loop

HOOK_PORT = 9000
TRIGGERS = [
    "message_sent", "message_edited", "message_deleted", "message_reaction_added", "message_reaction_removed",
    "user_blocked", "user_unblocked", "group_created", "group_updated", "group_deleted", "group_owner_transferred",
    "group_member_joined", "group_member_left", "group_member_added", "group_member_kicked", "group_member_banned",
    "group_member_unbanned", "group_member_scope_changed",
]  # fmt: skip


@dataclass
class Answer:
    """The response to a request."""

    status: int
    body: bytes

    @property
    def json(self) -> Any:
        """The whole response, decoded."""
        return json.loads(self.body) if self.body else {}

    @property
    def code(self) -> str:
        """The code of a refusal; "" for a success."""
        return "" if self.status == 200 else str(self.json["error"]["code"])

    @property
    def data(self) -> Any:
        """The data of a success."""
        return self.json["data"]


@dataclass(eq=False)
class Client:
    """A socket of a user, and the frames that it received since the last `take`."""

    uid: str
    device: str
    wire: Any
    received: list[dict[str, Any]] = field(default_factory=list)
    open: bool = True
    reading: asyncio.Task[None] | None = None

    async def listen(self) -> None:
        """Read until the socket is closed."""
        receive = self.wire.reader()
        try:
            while True:
                frame = json.loads(await receive())
                self.received.append(frame)
        except Exception as e:
            if self.wire.cause_of_end(e) is None:
                raise
        finally:
            self.open = False

    async def say(self, **frame: Any) -> None:
        """Send a frame, unless the socket is closed."""
        with contextlib.suppress(Exception):
            await self.wire.send(json.dumps({"deviceId": self.device, "sender": self.uid, **frame}))

    def take(self) -> list[dict[str, Any]]:
        """Return the frames since the last call."""
        received, self.received = self.received, []
        return received


class Backend:
    """A server with the tokens and sockets of its users; with `hooks` also a receiver of webhooks.

    Attributes:
        has_receiver: whether there is a receiver of webhooks.
        tokens: the auth token of each user.
        clients: the sockets that were not closed here.
        hooks: the events that the receiver got, until they are taken from here.
        failed: descriptions of the requests that were answered with an internal error (5xx).
    """

    def __init__(self, folder: Path, *, hooks: bool = False) -> None:
        self.server = VirtualServer(folder, Settings(data=str(folder), webhook_targets="any", **UNLIMITED))
        self.has_receiver = hooks
        self.tokens: dict[str, str] = {}
        self.clients: list[Client] = []
        self.hooks: list[dict[str, Any]] = []
        self.failed: list[str] = []

    async def __aenter__(self) -> Backend:
        await self.server.start()
        if self.has_receiver:
            self._listen_for_hooks()
            hook = {"name": "H", "webhookUrl": f"http://127.0.0.1:{HOOK_PORT}/in", "triggers": TRIGGERS}
            assert (await self.ask("POST", "/webhooks", json=hook)).status == 200
        return self

    async def __aexit__(self, *error: Any) -> None:
        for client in self.clients:
            client.wire.abort()
            if client.reading is not None:
                await asyncio.wait([client.reading])
        await self.server.stop()

    def _listen_for_hooks(self) -> None:
        async def hook(scope: Any, receive: Any, send: Any) -> None:
            body = b""
            while True:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            self.hooks.append(json.loads(body))
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})

        config = uvicorn.Config(hook, lifespan="off", log_config=None, access_log=False, timeout_keep_alive=3600)
        config.load()
        state = ServerState()

        def accept() -> Any:
            return HttpToolsProtocol(config=config, server_state=state, app_state={})

        virtual_loop().network.listen(HOOK_PORT, accept)

    # Requests.

    async def ask(self, method: str, path: str, *, as_: str = "", json: Any = None, **headers: str) -> Answer:
        """Send a request as a user (`as_`), or with the REST key."""
        sent_headers = {"appid": self.server.app_id, **headers}
        if as_:
            sent_headers["authtoken"] = self.tokens[as_]
            sent_headers["resource"] = f"{as_}-phone"
        elif "authtoken" not in sent_headers:
            sent_headers["apikey"] = self.server.api_key
        return await self.request(method, path, sent_headers, b"" if json is None else _bytes(json))

    async def request(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Send a request exactly as it is given."""
        where, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": "/v3" + where, "raw_path": b"/v3" + where.encode(),
            "query_string": query.encode(), "client": ("192.0.2.1", 1), "scheme": "http", "http_version": "1.1",
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()], "server": ("server", 80),
        }  # fmt: skip
        sent = [{"type": "http.request", "body": body, "more_body": False}]
        answer, status = bytearray(), 0

        async def receive() -> Any:
            return sent.pop() if sent else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            answer.extend(message.get("body", b""))

        assert self.server.parts is not None
        await self.server.parts.api(scope, receive, send)
        if status >= 500:
            self.failed.append(f"{method} {path} was answered {status}: {bytes(answer).decode()[:300]}")
        return Answer(status, bytes(answer))

    async def add_user(self, uid: str, **more: Any) -> Answer:
        """Create a user, and keep their auth token if that succeeds."""
        made = await self.ask("POST", "/users", json={"uid": uid, "name": uid, "withAuthToken": True, **more})
        if made.status == 200:
            self.tokens[uid] = made.data["authToken"]
        return made

    # Sockets.

    async def connect(self, uid: str, device: str = "desk", token: str = "") -> Client:
        """Open a socket of a user, and wait until it is authenticated."""
        name = f"{uid}-{device}"
        me = await self.ask("PUT", "/me", json={}, authtoken=token or self.tokens[uid], resource=name)
        wire = await VirtualSdkWorld(len(self.clients)).open_wire(self.server.url.replace("http", "ws"), {}, None)
        client = Client(uid, name, wire)
        body = {"auth": me.data["jwt"], "deviceId": name, "presenceSubscription": "ALL_USERS"}
        await client.say(type="auth", body=body)
        client.reading = asyncio.create_task(client.listen())
        self.clients.append(client)
        await asyncio.sleep(0.2)
        assert [f["type"] for f in client.received][:1] == ["auth"], client.received
        del client.received[0]
        return client

    async def disconnect(self, client: Client) -> None:
        """Close a socket."""
        await client.wire.close(1000)
        self.clients.remove(client)


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()
