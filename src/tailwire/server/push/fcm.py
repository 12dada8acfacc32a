"""Sends push notifications to Android, and to other apps that use Firebase, through the HTTP v1 API of FCM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import quote

import msgspec

from tailwire.server.http_client import make_http_client
from tailwire.server.ports.push import Notification, SendOutcome, SendResult
from tailwire.server.ports.world import World
from tailwire.server.push.answers import object_in, read_body, wait_of
from tailwire.server.push.fitting import fit_payload
from tailwire.server.push.signing import TokenSigner

TIMEOUT_SECONDS = 10.0
MAX_PAYLOAD_BYTES = 4096
OAUTH_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT_TYPE = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_SECONDS = 3600
SPARE_SECONDS = 300  # an access token is replaced this long before it ends
ANDROID_CHANNEL = "messages"
GONE_CODES = frozenset({"UNREGISTERED", "SENDER_ID_MISMATCH"})


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A Firebase service account, as Firebase exports it, with its decoded private key. Its `repr` shows no key."""

    project_id: str
    client_email: str
    token_uri: str
    private_key: Any

    def __repr__(self) -> str:
        return f"ServiceAccount({self.client_email})"


class _NoAccess(Exception):
    """The service has not granted an access token.

    Args:
        problem: why it has not, for the log.
        wait: for how many seconds the service asks to wait; 0 if it does not ask.
    """

    def __init__(self, problem: str, wait: float = 0.0) -> None:
        super().__init__(problem)
        self.wait = wait


class Fcm:
    """Sends through FCM.

    Args:
        account: the service account of the Firebase project.
        url: the URL of the service.
        world: the clock.
        tls: the SSL context that verifies the certificate of the service; None for the default of httpx.
    """

    name = "fcm"

    def __init__(self, account: ServiceAccount, url: str, world: World, tls: Any = None) -> None:
        self._tls = tls
        self._account = account
        self._url = f"{url.rstrip('/')}/v1/projects/{quote(account.project_id, safe='')}/messages:send"
        self._world = world
        self._client: Any = None
        self._access = ""
        self._until = 0
        self._assertion = TokenSigner(account.private_key, "RS256", self._claims, ASSERTION_SECONDS - SPARE_SECONDS)

    def _claims(self, now: int) -> dict[str, Any]:
        return {
            "iss": self._account.client_email,
            "scope": OAUTH_SCOPE,
            "aud": self._account.token_uri,
            "iat": now,
            "exp": now + ASSERTION_SECONDS,
        }

    async def send(self, token: str, notification: Notification) -> SendOutcome:
        """Send a notification to a device. See `PushProvider.send`."""
        import httpx2

        if self._client is None:
            verify = True if self._tls is None else self._tls
            http2 = find_spec("h2") is not None  # with it, all notifications share one connection
            self._client = make_http_client(http2=http2, timeout=TIMEOUT_SECONDS, verify=verify)
        content = b'{"message":%b}' % _message(token, notification)
        try:
            headers = {"authorization": f"Bearer {await self._access_token()}", "content-type": "application/json"}
            async with self._client.stream("POST", self._url, content=content, headers=headers) as response:
                return self._outcome(response.status_code, response.headers, await read_body(response))
        except _NoAccess as e:
            return SendOutcome(SendResult.LATER, str(e), e.wait, paused=True)
        except httpx2.HTTPError as e:
            return SendOutcome(SendResult.LATER, type(e).__name__)

    async def _access_token(self) -> str:
        now = self._world.seconds()
        if self._access and now < self._until:
            return self._access
        form = {"grant_type": GRANT_TYPE, "assertion": self._assertion.token(now)}
        async with self._client.stream("POST", self._account.token_uri, data=form) as response:
            answer = object_in(await read_body(response))
            wait = wait_of(response.headers, now)
        access, seconds = answer.get("access_token"), answer.get("expires_in")
        if response.status_code != 200 or not isinstance(access, str) or not isinstance(seconds, int):
            self._assertion.renew()
            raise _NoAccess(f"no access token: status {response.status_code}", wait)
        self._access, self._until = access, now + max(0, seconds - SPARE_SECONDS)
        return access

    def _outcome(self, status: int, headers: Mapping[str, str], body: bytes) -> SendOutcome:
        if 200 <= status < 300:
            return SendOutcome(SendResult.SENT)
        error = object_in(body).get("error")
        code = _code(error if isinstance(error, dict) else {})
        problem = f"status {status} {code}".strip()
        # A 404 without such a code is a wrong URL or project, which must not remove the devices of all users.
        if code in GONE_CODES:
            return SendOutcome(SendResult.GONE, problem)
        if status in (401, 403):
            self._access = ""  # revoked, or the clock was wrong
            return SendOutcome(SendResult.LATER, problem)
        if status == 429 or status >= 500:
            return SendOutcome(SendResult.LATER, problem, wait_of(headers, self._world.seconds()), paused=True)
        return SendOutcome(SendResult.REFUSED, problem)

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.aclose()


def _code(error: dict[str, Any]) -> str:
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and isinstance(detail.get("errorCode"), str):
            return str(detail["errorCode"])[:40]
    status = error.get("status")
    return status[:40] if isinstance(status, str) else ""


def _message(token: str, n: Notification) -> bytes:
    # The limit is applied to the whole message, although FCM counts only the data and the notification.
    data = {name: str(value) for name, value in n.data.items()} | {"unreadMessageCount": str(n.badge)}

    def payload(body: str) -> dict[str, Any]:
        visible = {"title": n.title, "body": body}
        android: dict[str, Any] = {
            "collapse_key": n.tag,
            "priority": "NORMAL" if n.silent else "HIGH",
            "ttl": f"{n.lifetime}s",
        }
        if n.withdrawn:  # data only: the app cancels the notification with this tag
            return {"token": token, "data": data, "android": android}
        android["notification"] = {
            "tag": n.tag,
            "channel_id": ANDROID_CHANNEL,
            "notification_count": n.badge,
        }
        return {"token": token, "notification": visible, "data": {**data, **visible}, "android": android}

    found = fit_payload(payload, n.body, MAX_PAYLOAD_BYTES)
    return found if len(found) <= MAX_PAYLOAD_BYTES else msgspec.json.encode(payload(""))
