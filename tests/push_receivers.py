"""A browser with its push service on the virtual network: it records what it receives, decrypted."""

from __future__ import annotations

import json
import os

import http_ece
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tailwire.server.push.encryption import to_base64url, uncompressed_point
from tailwire.testing.virtual.world import virtual_loop


class Browser:
    """Subscriptions of one push service.

    Attributes:
        received: the decrypted notifications, in order.
        headers: the headers of each request.
        paths: the path of each request, which names the subscription.
        status: the status of the responses.
        statuses: those of the next responses, before `status` applies.
        answer_headers: more headers of the responses.
    """

    def __init__(self, host: str = "push", port: int = 9100) -> None:
        self.host, self.port = host, port
        self.received: list[dict] = []
        self.headers: list[dict] = []
        self.paths: list[str] = []
        self.status = 201
        self.statuses: list[int] = []
        self.answer_headers: list[tuple[bytes, bytes]] = []
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._secret = os.urandom(16)

    async def __call__(self, scope, receive, send):
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        plain = http_ece.decrypt(body, private_key=self._key, auth_secret=self._secret, version="aes128gcm")
        self.received.append(json.loads(plain))
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        self.paths.append(scope["path"])
        status = self.statuses.pop(0) if self.statuses else self.status
        headers = [(b"content-length", b"0"), *self.answer_headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def listen(self, address: str = "127.0.0.9") -> None:
        virtual_loop().network.names.addresses[self.host] = [address]
        config = uvicorn.Config(self, lifespan="off", log_config=None, access_log=False)
        config.load()
        state = ServerState()
        virtual_loop().network.listen(
            self.port, lambda: HttpToolsProtocol(config=config, server_state=state, app_state={})
        )

    def subscription(self, name: str) -> str:
        """Return a subscription as JSON."""
        keys = {"p256dh": to_base64url(uncompressed_point(self._key.public_key())), "auth": to_base64url(self._secret)}
        return json.dumps({"endpoint": f"http://{self.host}:{self.port}/{name}", "expirationTime": None, "keys": keys})

    def received_by(self, name: str) -> list[dict]:
        """Return what one subscription has received."""
        return [one for path, one in zip(self.paths, self.received, strict=True) if path == f"/{name}"]
