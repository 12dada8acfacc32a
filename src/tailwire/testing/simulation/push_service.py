"""A push service on the virtual network: it takes notifications for the browsers of devices, and records when."""

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
"""Settings of a server that sends to this service."""


@cache
def _keys() -> dict[str, str]:
    # The same for all: nothing is decrypted.
    key = ec.derive_private_key(7, ec.SECP256R1())
    return {"p256dh": to_base64url(uncompressed_point(key.public_key())), "auth": to_base64url(bytes(16))}


class PushService:
    """A push service.

    Attributes:
        received: the time of each notification, and the device that it is for.
    """

    def __init__(self) -> None:
        self.received: list[tuple[float, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Take a notification."""
        while (await receive()).get("more_body"):
            pass
        self.received.append((virtual_loop().time(), scope["path"].removeprefix("/")))
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def listen(self) -> None:
        """Listen on the virtual network."""
        network = virtual_loop().network
        network.names.addresses[HOST] = [ADDRESS]
        config = uvicorn.Config(self, lifespan="off", log_config=None, access_log=False)
        config.load()
        state = ServerState()
        network.listen(PORT, lambda: HttpToolsProtocol(config=config, server_state=state, app_state={}))

    @staticmethod
    def subscription(device: str) -> str:
        """Return the subscription of a device's browser, as JSON."""
        return json.dumps({"endpoint": f"http://{HOST}:{PORT}/{device}", "expirationTime": None, "keys": _keys()})
