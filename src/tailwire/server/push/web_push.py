"""Sends Web Push to browsers, through the push service that each subscription names (RFC 8030, 8291 and 8292)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from tailwire.server.http_client import make_http_client
from tailwire.server.ports.push import Notification, SendOutcome, SendResult
from tailwire.server.ports.world import World
from tailwire.server.push.answers import read_body, wait_of
from tailwire.server.push.encryption import MAX_CONTENT_BYTES, encrypt, from_base64url, to_base64url, uncompressed_point
from tailwire.server.push.fitting import fit_payload
from tailwire.server.push.signing import TokenSigner

TIMEOUT_SECONDS = 5.0
TOKEN_SECONDS = 12 * 3600
REUSED_SECONDS = 6 * 3600  # a token is replaced long before it ends
MAX_SERVICES = 64  # push services whose tokens are kept
GONE_STATUSES = frozenset({404, 410})


class _Keys(msgspec.Struct):
    p256dh: str
    auth: str


class _Subscription(msgspec.Struct):
    endpoint: str
    keys: _Keys


class WebPush:
    """Sends through Web Push.

    Args:
        key: the private key that signs the requests (VAPID). Browsers need its public key to subscribe.
        contact: a `mailto:` or `https:` URL by which push services can reach the operator of the server.
        world: the clock.
        transport: an httpx transport that sends the requests. It has to decide which addresses may be reached, because
            users choose the push services.

    Attributes:
        public_key: the public key in the form that browsers need: in URL-safe Base64.
    """

    name = "web"

    def __init__(self, key: ec.EllipticCurvePrivateKey, contact: str, world: World, transport: Any) -> None:
        self._key = key
        self._contact = contact
        self._world = world
        self._transport = transport
        self._client: Any = None
        self._signed: dict[str, TokenSigner] = {}
        self.public_key = to_base64url(uncompressed_point(key.public_key()))

    async def send(self, token: str, notification: Notification) -> SendOutcome:
        """Send a notification to a browser. See `PushProvider.send`."""
        import httpx2

        if self._client is None:
            self._client = make_http_client(timeout=TIMEOUT_SECONDS, follow_redirects=False, transport=self._transport)
        try:
            subscription = msgspec.json.decode(token, type=_Subscription)
            receiver, secret = from_base64url(subscription.keys.p256dh), from_base64url(subscription.keys.auth)
            content = encrypt(_content(notification), receiver, secret)
        except ValueError as e:  # including errors of msgspec and cryptography
            return SendOutcome(SendResult.REFUSED, f"the subscription is invalid: {type(e).__name__}")
        headers = {
            "authorization": f"vapid t={self._token(subscription.endpoint)}, k={self.public_key}",
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(notification.lifetime),
            "urgency": "low" if notification.silent else "high",
            "topic": notification.tag,
        }
        try:
            async with self._client.stream("POST", subscription.endpoint, content=content, headers=headers) as response:
                await read_body(response)
                return self._outcome(response)
        except (httpx2.HTTPError, httpx2.InvalidURL) as e:
            return SendOutcome(SendResult.LATER, f"{type(e).__name__}: {_host(subscription.endpoint)}")

    def _outcome(self, response: Any) -> SendOutcome:
        status = response.status_code
        if 200 <= status < 300:
            return SendOutcome(SendResult.SENT)
        if status in GONE_STATUSES:
            return SendOutcome(SendResult.GONE, f"status {status}")
        if status == 429 or status >= 500:
            return SendOutcome(SendResult.LATER, f"status {status}", wait_of(response.headers, self._world.seconds()))
        return SendOutcome(SendResult.REFUSED, f"status {status}")

    def _token(self, endpoint: str) -> str:
        parts = urlsplit(endpoint)
        service = f"{parts.scheme}://{parts.netloc}"
        signed = self._signed.pop(service, None)
        if signed is None:

            def claims(now: int) -> dict[str, Any]:
                return {"aud": service, "exp": now + TOKEN_SECONDS, "sub": self._contact}

            signed = TokenSigner(self._key, "ES256", claims, REUSED_SECONDS)
            if len(self._signed) >= MAX_SERVICES:
                self._signed.pop(next(iter(self._signed)))
        self._signed[service] = signed  # most recently used
        return signed.token(self._world.seconds())

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()


def _content(n: Notification) -> bytes:
    def payload(body: str) -> dict[str, Any]:
        return {"title": n.title, "body": body, **n.data, "unreadMessageCount": n.badge, "silent": n.silent}

    return fit_payload(payload, n.body, MAX_CONTENT_BYTES)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
