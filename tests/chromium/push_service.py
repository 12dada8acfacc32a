"""A push service for tests: the server sends to it instead of to the browsers' services."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class PushService:
    """A push service with one subscription."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self._key, self._secret = ec.generate_private_key(ec.SECP256R1()), b"s" * 16

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:] if line)}
        self.requests.append((headers, await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    def subscription(self, endpoint: str) -> dict[str, Any]:
        """Return a subscription as browsers describe it."""
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        keys = {"p256dh": point, "auth": self._secret}
        return {
            "endpoint": endpoint,
            "keys": {n: base64.urlsafe_b64encode(raw).rstrip(b"=").decode() for n, raw in keys.items()},
        }

    def received(self, number: int) -> str:
        """Return the decrypted content of a request."""
        plain = http_ece.decrypt(
            self.requests[number][1], private_key=self._key, auth_secret=self._secret, version="aes128gcm"
        )
        return bytes(plain).decode()
