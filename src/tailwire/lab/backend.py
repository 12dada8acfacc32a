"""What the backend of an app does: makes auth tokens with the REST API key, and takes them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx2

from tailwire.testing.server import ServerProcess

TIMEOUT_SECONDS = 5.0


class BackendFailed(Exception):
    """The server did not do what the backend asked for."""


class Backend:
    """The backend of the lab's app. It speaks with the server directly, not over a phone's line.

    Attributes:
        refused: the users who get no new token: their backend gives them the old one.
    """

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        self._http = httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)
        self._last: dict[str, str] = {}
        self.refused: set[str] = set()

    @contextmanager
    def refusing(self, uid: str, refused: bool) -> Iterator[None]:
        """Refuse a user new tokens, or not, from now on; as before when what is done meanwhile fails."""
        before = uid in self.refused
        self._refuse(uid, refused)
        try:
            yield
        except BaseException:
            self._refuse(uid, before)
            raise

    def _refuse(self, uid: str, refused: bool) -> None:
        (self.refused.add if refused else self.refused.discard)(uid)

    async def token(self, uid: str) -> str:
        """Return a new auth token of a user.

        Raises:
            BackendFailed: when the server cannot be asked.
        """
        if uid not in self.refused:
            made = await self._ask("POST", uid)
            self._last[uid] = str(made["authToken"])
        return self._last[uid]

    async def take_back(self, uid: str) -> None:
        """End all auth tokens of a user.

        Raises:
            BackendFailed: when the server cannot be asked.
        """
        await self._ask("DELETE", uid)

    async def _ask(self, method: str, uid: str) -> Any:
        server = self._server
        url = f"{server.url}/v3/users/{quote(uid, safe='')}/auth_tokens"
        headers = {"appid": server.app_id, "apikey": server.api_key}
        try:
            answer = await self._http.request(method, url, headers=headers, json={} if method == "POST" else None)
            answer.raise_for_status()
            return answer.json()["data"]
        except (httpx2.HTTPError, ValueError, KeyError) as e:
            raise BackendFailed(f"the server cannot be asked for tokens: {type(e).__name__}") from e

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()
