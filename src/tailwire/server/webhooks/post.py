"""Sends deliveries to webhooks over HTTP: an envelope with the event, and a signature.

Deliveries are signed as Standard Webhooks (https://www.standardwebhooks.com) defines, so that receivers can use its
libraries.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
from collections.abc import Callable
from typing import Any

import msgspec

from tailwire.server.http_client import make_http_client
from tailwire.server.ports.file_urls import with_address
from tailwire.server.ports.webhook_records import DeliveryRow, WebhookRow

TIMEOUT_SECONDS = 2.0
MAX_RESPONSE_BYTES = 64 * 1024
MAX_PROBLEM_CHARACTERS = 200
SECRET_PREFIX = "whsec_"

_encode = msgspec.json.Encoder().encode


def signature(secret: str, delivery: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header `webhook-signature`: `v1,` and an HMAC-SHA256 of the other arguments in Base64.

    Args:
        secret: the key of the HMAC: `whsec_` and its bytes in Base64.
        delivery: the value of the header `webhook-id`.
        timestamp: the value of the header `webhook-timestamp`: seconds since 1970.
        body: the body of the request.
    """
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    digest = hmac.digest(key, f"{delivery}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


class Poster:
    """Posts deliveries over HTTP.

    Args:
        app_id, region: the fields `appId` and `region` of the envelope.
        unseal: decrypts the stored password or secret of a webhook; raises ValueError if that fails.
        user_agent: the value of the header `user-agent`.
        base: the server's URL, for links to files in events.
        allows: returns whether an IP address may be connected to.
    """

    def __init__(
        self,
        *,
        app_id: str,
        region: str,
        unseal: Callable[[str], str],
        user_agent: str,
        base: str,
        allows: Callable[[str], bool],
    ) -> None:
        self._base = base
        self._allows = allows
        self._app = {"appId": app_id, "region": region}
        self._unseal = unseal
        self._user_agent = user_agent
        self._client: Any = None

    async def post(self, webhook: WebhookRow, row: DeliveryRow, now: int) -> str:
        """Send a delivery once, and wait for the response, at most `TIMEOUT_SECONDS`. Failures are not raised.

        Args:
            webhook: the webhook to which to send it.
            row: the delivery.
            now: the present time for the signature, in seconds since 1970.

        Returns:
            "" if the response had the status 200; else a text that says what went wrong.
        """
        import httpx2

        if self._client is None:
            from tailwire.server.webhooks.checked_transport import CheckedTransport

            checked = CheckedTransport(self._allows)
            self._client = make_http_client(timeout=TIMEOUT_SECONDS, follow_redirects=False, transport=checked)
        data = msgspec.Raw(with_address(row.body, lambda: self._base))
        envelope = {"trigger": row.trigger, "data": data, **self._app, "webhook": webhook.id}
        body = _encode(envelope)
        try:
            auth = (webhook.username, self._unseal(webhook.password or "")) if webhook.username else None
            headers = self._headers(webhook, row, now, body)
        except ValueError:
            return "its password or secret cannot be decrypted with this key file: set them again"
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._client.stream("POST", webhook.url, content=body, headers=headers, auth=auth) as response,
            ):
                await _read_to_end(response)
        except (TimeoutError, httpx2.TimeoutException):
            return f"no response within {TIMEOUT_SECONDS:g} seconds"
        except Exception as e:  # noqa: BLE001 - the libraries raise many types for bad URLs and responses
            return f"{type(e).__name__}: {e}"[:MAX_PROBLEM_CHARACTERS].rstrip(": ")
        return "" if response.status_code == 200 else f"HTTP {response.status_code}"

    def _headers(self, webhook: WebhookRow, row: DeliveryRow, now: int, body: bytes) -> dict[str, str]:
        headers = {
            "content-type": "application/json",
            "user-agent": self._user_agent,
            "webhook-id": row.name,
            "webhook-timestamp": str(now),
        }
        if webhook.secret:
            headers["webhook-signature"] = signature(self._unseal(webhook.secret), row.name, now, body)
        return headers

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()


async def _read_to_end(response: Any) -> None:
    # The body is ignored, but only a connection whose response was read to the end is reused.
    size = 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > MAX_RESPONSE_BYTES:
            return
