"""Sends push notifications to iOS through Apple's service (APNs), over HTTP/2."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from tailwire.server.http_client import make_http_client
from tailwire.server.ports.push import Notification, SendOutcome, SendResult
from tailwire.server.ports.world import World
from tailwire.server.push.answers import object_in, read_body, wait_of
from tailwire.server.push.fitting import fit_payload
from tailwire.server.push.signing import TokenSigner

TIMEOUT_SECONDS = 10.0
TOKEN_SECONDS = 50 * 60  # APNs refuses tokens of more than an hour, and new ones more often than every 20 minutes
MAX_PAYLOAD_BYTES = 4096
GONE_REASONS = frozenset({"Unregistered", "BadDeviceToken", "DeviceTokenNotForTopic", "ExpiredToken"})
OUR_FAULT_REASONS = frozenset({"ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken"})


class Apns:
    """Sends through APNs, over one HTTP/2 connection.

    Args:
        key: the private key that signs the requests.
        key_id: the id of the key, as Apple shows it.
        team_id: the id of the developer team, as Apple shows it.
        topic: the bundle id of the app.
        url: the URL of the service.
        world: the clock.
        tls: the SSL context that verifies the certificate of the service; None for the default of httpx.
    """

    name = "apns"

    def __init__(
        self,
        key: ec.EllipticCurvePrivateKey,
        key_id: str,
        team_id: str,
        topic: str,
        url: str,
        world: World,
        tls: Any = None,
    ) -> None:
        self._topic = topic
        self._url = f"{url.rstrip('/')}/3/device/"
        self._world = world
        self._tls = tls
        self._client: Any = None
        self._signed = TokenSigner(
            key, "ES256", lambda now: {"iss": team_id, "iat": now}, TOKEN_SECONDS, {"kid": key_id}
        )

    async def send(self, token: str, notification: Notification) -> SendOutcome:
        """Send a notification to a device. See `PushProvider.send`."""
        import httpx2

        if self._client is None:
            verify = True if self._tls is None else self._tls
            self._client = make_http_client(http2=True, timeout=TIMEOUT_SECONDS, follow_redirects=False, verify=verify)
        now = self._world.seconds()
        headers = {
            "authorization": f"bearer {self._signed.token(now)}",
            "apns-topic": self._topic,
            "apns-push-type": "alert",
            "apns-priority": "5" if notification.silent else "10",
            "apns-expiration": str(now + notification.lifetime),
            "apns-collapse-id": notification.tag,
            "content-type": "application/json",
        }
        try:
            async with self._client.stream(
                "POST", self._url + token, content=_content(notification), headers=headers
            ) as response:
                return self._outcome(response.status_code, response.headers, await read_body(response))
        except httpx2.HTTPError as e:
            return SendOutcome(SendResult.LATER, type(e).__name__)

    def _outcome(self, status: int, headers: Any, body: bytes) -> SendOutcome:
        if status == 200:
            return SendOutcome(SendResult.SENT)
        reason = str(object_in(body).get("reason", ""))[:40]
        problem = f"status {status} {reason}".strip()
        if status == 410 or reason in GONE_REASONS:
            return SendOutcome(SendResult.GONE, problem)
        if reason in OUR_FAULT_REASONS:
            self._signed.renew()
            return SendOutcome(SendResult.LATER, problem, paused=True)
        if reason == "TooManyRequests":  # too many for this device alone
            return SendOutcome(SendResult.LATER, problem, wait_of(headers, self._world.seconds()))
        if status == 429 or status >= 500:
            return SendOutcome(SendResult.LATER, problem, wait_of(headers, self._world.seconds()), paused=True)
        return SendOutcome(SendResult.REFUSED, problem)

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()


def _content(n: Notification) -> bytes:
    def payload(body: str) -> dict[str, Any]:
        # Apple's devices cannot withdraw what they show: a deleted message is replaced by a note.
        aps: dict[str, Any] = {
            "alert": {"title": n.title, "body": body},
            "badge": n.badge,
            "thread-id": n.thread,
            "mutable-content": 1,
        }
        if not n.silent:
            aps["sound"] = "default"
        return {"aps": aps, **n.data, "unreadMessageCount": n.badge}

    return fit_payload(payload, n.body, MAX_PAYLOAD_BYTES)
