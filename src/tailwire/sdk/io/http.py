"""Requests to the client API: headers, answers, errors."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tailwire.sdk.exceptions import CometChatException, failure, not_reached
from tailwire.sdk.io.failures import cause_of_error, seconds_of
from tailwire.sdk.io.world import Identity, World
from tailwire.wire.frames import CLIENT_HEADER

VERSION = "0.1.0"
UPLOAD_STALLED = 30.0


class Http:
    """Speaks to the client API on behalf of one client.

    Args:
        base_url: without a slash at its end.
        tls: for servers with a certificate of their own.
        proxy: as `World.http_client` takes it.
    """

    def __init__(
        self, world: World, base_url: str, identity: Identity, tls: ssl.SSLContext | None, proxy: str | None = None
    ) -> None:
        self._world = world
        self._base_url = base_url
        self._identity = identity
        self._tls = tls
        self._proxy = proxy
        self._client: Any = None

    @property
    def base_url(self) -> str:
        """The client API's URL."""
        return self._base_url

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        key: str = "",
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        authorization: str = "",
    ) -> Any:
        """One request.

        Args:
            path: below the base URL, with its slash; or a whole URL.
            token: an auth token.
            key: an auth key.
            authorization: the pass of `PUT /me`, where that is asked for.

        Returns:
            `data` of the answer.

        Raises:
            CometChatException: with the server's code; `NO_INTERNET_CONNECTION` when it was not reached;
                `ERR_BAD_ERROR_RESPONSE` when its answer makes no sense.
        """
        import httpx2

        if self._client is None:
            self._client = self._world.http_client(self._tls, self._proxy)
        headers = {
            "appid": self._identity.app_id,
            "resource": self._identity.resource,
            "sdk": f"python@{VERSION}",
            CLIENT_HEADER: VERSION,
        }
        if token:
            headers["authtoken"] = token
        if key:
            headers["apikey"] = key
        if authorization:
            headers["authorization"] = authorization
        content = None
        if body is not None:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
            headers["content-type"] = "application/json"
        try:
            url = path if "://" in path else self._base_url + path
            response = await self._client.request(method, url, headers=headers, content=content, params=query)
        except (httpx2.TransportError, OSError) as e:
            raise not_reached(cause_of_error(e), f"{type(e).__name__}: {e}") from e
        return _read(response.status_code, response.content, response.headers.get("retry-after"))

    async def upload(self, url: str, pieces: AsyncIterator[bytes], size: int, content_type: str) -> None:
        """Send a form to where the server said.

        Raises:
            CometChatException: with the server's code; `NO_INTERNET_CONNECTION` when it was not reached.
        """
        import httpx2

        if self._client is None:
            self._client = self._world.http_client(self._tls, self._proxy)
        headers = {"content-type": content_type, "content-length": str(size)}
        try:
            response = await self._client.post(url, content=pieces, headers=headers, timeout=UPLOAD_STALLED)
        except (httpx2.TransportError, OSError) as e:
            raise not_reached(cause_of_error(e), f"{type(e).__name__}: {e}") from e
        if response.status_code not in (200, 201, 204):
            _read(response.status_code, response.content, response.headers.get("retry-after"))

    def drop(self) -> None:
        """Use other connections for new requests."""

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def _read(status: int, content: bytes, retry_after: str | None) -> Any:
    try:
        answer = json.loads(content)
        if 200 <= status < 300:
            return answer["data"]
        error = answer["error"]
        raise CometChatException(
            str(error["code"]), str(error["message"]), error.get("details", ""), retry_after=seconds_of(retry_after)
        )
    except (ValueError, KeyError, TypeError) as e:
        if status in (429, 502, 503, 504):
            raise failure("ERR_UNAVAILABLE", retry_after=seconds_of(retry_after)) from e
        raise failure("ERR_BAD_ERROR_RESPONSE", f"HTTP {status}: {content[:100]!r}") from e
