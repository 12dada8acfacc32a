"""The backend of the lab's app: creates auth tokens with the REST API key, and revokes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx2

from tailwire.testing.server import ServerProcess

TIMEOUT_SECONDS = 5.0


class BackendFailed(Exception):
    """The server did not carry out the backend's request."""


class Backend:
    """The backend of the lab's app. It connects to the server directly, not over a phone's line.

    Attributes:
        refused: uids of users who get no new token: `request_token` returns their latest one, which may be revoked.
    """

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._http = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._last: dict[str, str] = {}
        self.refused: set[str] = set()

    @contextmanager
    def refusing(self, uid: str, refused: bool) -> Iterator[None]:
        """Add a user to `refused`, or remove them if `refused` is False.

        The change lasts beyond the `with` block, unless the block raises: then it is undone.
        """
        before = uid in self.refused
        self._set_refused(uid, refused)
        try:
            yield
        except BaseException:
            self._set_refused(uid, before)
            raise

    def _set_refused(self, uid: str, refused: bool) -> None:
        (self.refused.add if refused else self.refused.discard)(uid)

    async def request_token(self, uid: str) -> str:
        """Return a new auth token for a user. If they are in `refused`, return the latest one that was created.

        Raises:
            BackendFailed: if the request fails.
            KeyError: if they are in `refused` before the first token was created.
        """
        if uid not in self.refused:
            made = await self._request("POST", uid)
            self._last[uid] = str(made["authToken"])
        return self._last[uid]

    async def revoke(self, uid: str) -> None:
        """Revoke all auth tokens of a user.

        Raises:
            BackendFailed: if the request fails.
        """
        await self._request("DELETE", uid)

    async def _request(self, method: str, uid: str) -> Any:
        server = self._server
        url = f"{server.url}/v3/users/{quote(uid, safe='')}/auth_tokens"
        headers = {"appid": server.app_id, "apikey": server.api_key}
        try:
            answer = await self._http.request(method, url, headers=headers, json={} if method == "POST" else None)
            answer.raise_for_status()
            return answer.json()["data"]
        except (httpx2.HTTPError, ValueError, KeyError) as e:
            raise BackendFailed(f"token request to the server failed: {type(e).__name__}") from e

    async def close(self) -> None:
        """Close the backend's connections."""
        await self._http.aclose()
