"""An HTTP server on the virtual network that records webhooks."""

from __future__ import annotations

import asyncio
import json

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tailwire.testing.virtual.world import virtual_loop


class Receiver:
    """Responds to each webhook. Connections are refused before `listen`.

    Attributes:
        received: the decoded bodies, in order.
        bodies: the bodies.
        headers: the headers of each request.
        status: the status of the responses.
        statuses: those of the next responses, before `status` applies.
        seconds: virtual seconds that a response takes.
        location: where the responses redirect to; "" for nowhere.
    """

    def __init__(self, port: int = 9000) -> None:
        self.port = port
        self.received: list[dict] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict] = []
        self.status = 200
        self.statuses: list[int] = []
        self.seconds = 0.0
        self.location = ""

    async def __call__(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        await asyncio.sleep(self.seconds)
        self.received.append(json.loads(body))
        self.bodies.append(body)
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        status = self.statuses.pop(0) if self.statuses else self.status
        headers = [(b"content-length", b"0"), *([(b"location", self.location.encode())] if self.location else [])]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def listen(self, address: str = "127.0.0.9") -> None:
        virtual_loop().network.names.addresses["hook"] = [address]
        config = uvicorn.Config(self, lifespan="off", log_config=None, access_log=False)
        config.load()
        state = ServerState()
        virtual_loop().network.listen(
            self.port, lambda: HttpToolsProtocol(config=config, server_state=state, app_state={})
        )

    @property
    def hook(self) -> dict:
        """The settings of a webhook for it, without the triggers."""
        return {"name": "H", "webhookUrl": f"http://hook:{self.port}/in"}

    @property
    def triggers(self) -> list[str]:
        return [t["trigger"] for t in self.received]

    @property
    def messages(self) -> list[int]:
        """The texts of the received messages, which are numbers."""
        return [int(t["data"]["message"]["data"]["text"]) for t in self.received]


async def until(stage, condition):
    """Let virtual time pass until a condition holds.

    Raises:
        AssertionError: it does not hold within a minute.
    """
    for _ in range(600):
        if condition():
            return
        await stage.pass_time(0.1)
    raise AssertionError("the condition did not become true")
