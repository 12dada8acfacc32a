"""The REST API of a stage's server, over HTTP."""

from __future__ import annotations

from typing import Any

from documented_responses import Documented
from harness import Stage
from tailwire.testing.virtual.world import VirtualSdkWorld


class Rest:
    """Makes requests to a stage's server, with the REST key or as a user, and checks successes against the document."""

    _document: Documented | None = None  # of all servers: settings change none of the types

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._http = VirtualSdkWorld(99).http_client(None)
        self.tokens: dict[str, str] = {}
        self.sent = 0  # messages that a test has numbered

    async def answer(self, method: str, path: str, *, as_: str = "", behalf: str = "", **more: Any) -> Any:
        """Return the HTTP response. `as_`: the user whose token is sent; else the REST key, on `behalf` of a user if given."""
        headers = {"appid": self._stage.server.app_id, **more.pop("headers", {})}
        if as_:
            headers["authtoken"] = await self.token(as_)
            headers.setdefault("resource", f"device-of-{as_}")
        elif "apikey" not in headers:
            headers["apikey"] = self._stage.server.api_key
        if behalf:
            headers["onBehalfOf"] = behalf
        url = path if "://" in path else f"{self._stage.server.url}/v3{path}"
        return await self._http.request(method, url, headers={k: v for k, v in headers.items() if v}, **more)

    async def token(self, uid: str) -> str:
        """Return an auth token of a user."""
        if uid not in self.tokens:
            made = await self._stage.server.parts.actions.sessions.create_token(uid)
            self.tokens[uid] = made.token
        return self.tokens[uid]

    async def __call__(self, method: str, path: str, **more: Any) -> Any:
        """Return the `data` of a successful response."""
        answer = await self.answer(method, path, **more)
        assert answer.status_code == 200, (method, path, answer.text)
        found = answer.json()
        problems = self._documented().problems(method, path, found)
        assert not problems, problems
        return found["data"]

    def _documented(self) -> Documented:
        if Rest._document is None:
            Rest._document = Documented(self._stage.server.parts.api.operations)
        return Rest._document

    async def refused(self, code: str, method: str, path: str, **more: Any) -> Any:
        """Return the error of a request that must be refused with a code."""
        answer = await self.answer(method, path, **more)
        assert answer.status_code >= 400, (method, path, answer.text)
        error = answer.json()["error"]
        assert error["code"] == code, (method, path, answer.text)
        assert error["message"]
        assert error["details"]
        return error

    async def add_users(self, *uids: str, **more: Any) -> None:
        """Create users."""
        for uid in uids:
            await self("POST", "/users", json={"uid": uid, "name": uid.title(), **more})

    async def __aenter__(self) -> Rest:
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._http.aclose()
