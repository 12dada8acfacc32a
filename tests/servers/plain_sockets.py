"""Sockets without features that repair anything: what a server writes to them is all that they know."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from tailwire.testing.server import ServerProcess


class PlainSocket:
    """A socket of a user at one server, which records the frames that it receives.

    Args:
        server: the server.
        uid: the user, for whom a new auth token is made.
        device: the id of the device; "" for a new one.
        features: the features that it asks for.

    Attributes:
        frames: all frames, in order.
        closed: whether the server has closed it.
    """

    def __init__(self, server: ServerProcess, uid: str, device: str = "", features: tuple[str, ...] = ()) -> None:
        self.server, self.uid = server, uid
        self._params = {"tailwire": {"features": features}} if features else {}
        self.device = device or f"PLAIN-{uid}-{id(self)}"
        self.frames: list[dict[str, Any]] = []
        self.closed = False
        self.token = ""
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> PlainSocket:
        server = self.server
        key = {"appid": server.app_id, "apikey": server.auth_key}
        async with httpx2.AsyncClient(base_url=server.url) as http:
            made = await http.post(f"/v3/users/{self.uid}/auth_tokens", headers=key, json={"platform": "x"})
            self.token = made.json()["data"]["authToken"]
            headers = {"appid": server.app_id, "authtoken": self.token, "resource": self.device}
            jwt = (await http.put("/v3/me", headers=headers)).json()["data"]["jwt"]
        self._socket = await connect(server.url.replace("http", "ws") + "/", max_queue=None)
        body = {"auth": jwt, "deviceId": self.device, "presenceSubscription": "ALL_USERS", "params": self._params}
        await self._socket.send(json.dumps({"type": "auth", "deviceId": self.device, "sender": self.uid, "body": body}))
        assert json.loads(await self._socket.recv())["body"]["status"] == "OK"
        self._reading = asyncio.create_task(self._read(self._socket))
        return self

    async def _read(self, socket: ClientConnection) -> None:
        async for text in socket:
            self.frames.append(json.loads(text))
            self._changed.set()
            self._changed = asyncio.Event()
        self.closed = True
        self._changed.set()

    async def send(self, frame: dict[str, Any]) -> None:
        """Send a frame."""
        assert self._socket is not None
        await self._socket.send(json.dumps({"deviceId": self.device, "sender": self.uid, **frame}))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._socket is not None
        await self._socket.close()
        if self._reading is not None:
            await asyncio.wait([self._reading])

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the received frames of a type."""
        return [frame for frame in self.frames if frame.get("type") == kind]

    @property
    def ids(self) -> list[int]:
        """The ids of the received messages, in the order in which they came."""
        return [int(frame["body"]["id"]) for frame in self.of_type("message")]

    @property
    def texts(self) -> list[str]:
        """The texts of the received messages."""
        return [f["body"]["data"]["text"] for f in self.of_type("message") if "text" in f["body"]["data"]]

    async def until(self, condition: Any, seconds: float = 20) -> None:
        """Wait until a condition holds. It is checked at once, and after each frame.

        Raises:
            TimeoutError: it does not hold within this many seconds.
        """
        async with asyncio.timeout(seconds):
            while not condition():
                await self._changed.wait()
