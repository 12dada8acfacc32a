"""A web push service on the virtual network, which records the notifications that it receives."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tailwire.server.push.encryption import to_base64url, uncompressed_point
from tailwire.testing.virtual.world import virtual_loop

HOST, PORT, ADDRESS = "push", 9100, "127.0.0.9"
SETTINGS: dict[str, Any] = {"push_contact": "mailto:admin@example.com", "push_targets": ADDRESS}
"""Settings of a server that sends push notifications to this service."""


@cache
def _keys() -> dict[str, str]:
    # Return the keys of a subscription. They are the same for all devices, because nothing is decrypted.
    key = ec.derive_private_key(7, ec.SECP256R1())
    return {"p256dh": to_base64url(uncompressed_point(key.public_key())), "auth": to_base64url(bytes(16))}


class PushService:
    """A web push service, as an ASGI app.

    Attributes:
        received: the notifications in order: the virtual time, and the name of the device that it is for.
    """

    def __init__(self) -> None:
        self.received: list[tuple[float, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Record the notification of a request, and respond with 201."""
        while (await receive()).get("more_body"):
            pass
        self.received.append((virtual_loop().time(), scope["path"].removeprefix("/")))
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def listen(self) -> None:
        """Listen on the network of the running virtual loop, and give the service its host name there."""
        network = virtual_loop().network
        network.names.addresses[HOST] = [ADDRESS]
        config = uvicorn.Config(self, lifespan="off", log_config=None, access_log=False)
        config.load()
        state = ServerState()
        network.listen(PORT, lambda: HttpToolsProtocol(config=config, server_state=state, app_state={}))

    @staticmethod
    def subscription(device: str) -> str:
        """Return a web push subscription of a device's browser to this service, as JSON."""
        return json.dumps({"endpoint": f"http://{HOST}:{PORT}/{device}", "expirationTime": None, "keys": _keys()})
