"""Many sockets in one test process, with a minimal client, so that the server is what limits a test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx2

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nx-tailwire-client: crowd\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def masked(text: bytes) -> bytes:
    """Return a client's text frame of up to 65,535 bytes, masked with zeros."""
    head = bytes([0x81, 0x80 | len(text)]) if len(text) < 126 else b"\x81\xfe" + len(text).to_bytes(2, "big")
    return head + b"\0\0\0\0" + text


class Member(asyncio.Protocol):
    """A socket of a crowd.

    Args:
        first: its first frame, sent after the handshake; b"" to send nothing at all.
        gone: called when it is closed.
    """

    def __init__(self, first: bytes, gone: Callable[[], None]) -> None:
        self._first, self._gone = first, gone
        self.transport: Any = None
        self.received = 0
        self._came = asyncio.Event()
        self.head = b""
        self.ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        if self._first:
            transport.write(UPGRADE)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self._came.set()
        if self.ready.done():
            return
        self.head += data
        if self._first and b"\r\n\r\n" in self.head:
            self.transport.write(self._first)
            self._first = b""
        if b'"status":"OK"' in self.head:
            self.ready.set_result(True)

    async def until_received(self, size: int) -> None:
        """Wait until `size` bytes have been received in total."""
        while self.received < size:
            self._came.clear()
            await self._came.wait()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_result(False)
        self._gone()


class Crowd:
    """Sockets to the server of a live stage."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.members: list[Member] = []
        self.lost = 0
        self._changed = asyncio.Event()
        self.http = httpx2.AsyncClient(base_url=server.url + "/v3", timeout=30)

    async def ask(self, method: str, path: str, behalf: str = "", **more: Any) -> Any:
        """Make a request with the REST API key."""
        headers = {"appid": self._server.app_id, "apikey": self._server.api_key, **more.pop("headers", {})}
        if behalf:
            headers["onBehalfOf"] = behalf
        return await self.http.request(method, path, headers=headers, **more)

    async def auth_frame(self, uid: str) -> bytes:
        """Return the auth frame of a user, who is created if missing."""
        await self.ask("POST", "/users", json={"uid": uid, "name": uid})
        token = (await self.ask("POST", f"/users/{uid}/auth_tokens", json={})).json()["data"]["authToken"]
        headers = {"appid": self._server.app_id, "authtoken": token}
        me = (await self.http.put("/me", headers=headers, json={})).json()["data"]
        body = {"auth": me["jwt"], "deviceId": f"device-{uid}"}
        return masked(json.dumps({"type": "auth", "deviceId": f"device-{uid}", "sender": uid, "body": body}).encode())

    def _lost_one(self) -> None:
        self.lost += 1
        self._changed.set()
        self._changed = asyncio.Event()

    async def connect(self, count: int, first: bytes = b"", together: int = 100) -> list[Member]:
        """Open sockets. With a first frame they are authenticated; without one they send nothing."""
        loop = asyncio.get_running_loop()
        made: list[Member] = []
        while len(made) < count:
            some = await asyncio.gather(*(
                loop.create_connection(lambda: Member(first, self._lost_one), "127.0.0.1", self._server.port)
                for _ in range(min(together, count - len(made)))
            ))  # fmt: skip
            made += [member for _, member in some]
            if first:
                await asyncio.gather(*(member.ready for _, member in some))
        self.members += made
        return made

    async def until_lost(self, count: int, seconds: float = 40) -> None:
        """Wait until `count` sockets have been closed in total."""
        async with asyncio.timeout(seconds):
            while self.lost < count:
                await self._changed.wait()

    async def metric(self, name: str) -> float:
        """Return a value of `/metrics`; 0 if it is missing."""
        text = (await self.http.get("/metrics")).text
        found = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name)]
        return float(found[0]) if found else 0.0

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *error: Any) -> None:
        for member in self.members:
            member.transport.abort()
        await self.http.aclose()
