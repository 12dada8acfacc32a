"""How the parts of an `Admin` ask the server: with the key, for a user or for the app, repeated where that is safe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from tailwire.admin.listing import Listing, numbered
from tailwire.sdk.calls.access import decoded
from tailwire.sdk.exceptions import failure
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.world import World
from tailwire.sdk.sending import Sending, is_safe, repeat

T = TypeVar("T")


class Asking:
    """Asks with a key of scope `fullAccess`.

    Args:
        http: speaks to the server.
        key: the REST API key.
        world: chance, and names for messages.
    """

    def __init__(self, http: Http, key: str, world: World) -> None:
        self._http = http
        self._key = key
        self._world = world
        self._sending = Sending(world.chance)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        on_behalf_of: str = "",
    ) -> Any:
        """Return the `data` of the server's answer.

        Args:
            on_behalf_of: uid of the user for whom it is done; the app itself by default.

        Raises:
            CometChatException: the server's code; `NO_INTERNET_CONNECTION`; `ERR_CLIENT_CLOSED`;
                `ERR_WRONG_EVENT_LOOP`.
        """
        await self._check()
        async with self._http.patience() as limit:

            async def attempt() -> Any:
                return await self._http.ask(
                    method, path, key=self._key, body=body, query=query, on_behalf_of=on_behalf_of, within=limit
                )

            return await repeat(attempt, self._world.chance, safe=is_safe(method, path))

    async def fetch(self, decode: Callable[[Any], T], method: str, path: str, **more: Any) -> T:
        """Return the server's answer, decoded; as `ask`."""
        return decoded(decode, await self.ask(method, path, **more))

    async def send(self, conversation: str, body: Mapping[str, Any], on_behalf_of: str) -> Any:
        """Send a message behind the earlier ones to the same conversation. It is stored once, whatever it takes.

        Raises:
            CometChatException: as `ask`.
        """
        await self._check()
        body = {**body, "muid": body.get("muid") or self._world.unique()}
        limit = self._http.patience()

        async def attempt() -> Any:
            return await self._http.ask(
                "POST", "/messages", key=self._key, body=body, on_behalf_of=on_behalf_of, within=limit, repeated=True
            )

        return await self._sending.send(f"{on_behalf_of} {conversation}", attempt, limit)

    def ask_list(self, path: str, on_behalf_of: str = "") -> Callable[[Mapping[str, Any]], Awaitable[list[Any]]]:
        """Return what asks for a list with a query."""

        async def ask(query: Mapping[str, Any]) -> list[Any]:
            listed = await self.ask("GET", path, query=query, on_behalf_of=on_behalf_of)
            if not isinstance(listed, list):
                raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer is no list.")
            return listed

        return ask

    def listing(self, path: str, decode: Callable[[Any], T], what: str, **query: Any) -> Listing[T]:
        """Return a list whose pages are counted.

        Args:
            query: which entries; None and empty values are left out.
        """
        return numbered(self.ask_list(path), given(**query), decode, what)

    async def _check(self) -> None:
        if self._closed:
            raise failure("ERR_CLIENT_CLOSED")
        here = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = here
            await self._world.prepare()
        elif self._loop is not here:
            raise failure("ERR_WRONG_EVENT_LOOP")

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        await self._http.close()


def given(**values: Any) -> dict[str, Any]:
    """Return what was given: without None, empty texts and empty lists; lists comma-joined, as queries take them."""
    found = {}
    for name, value in values.items():
        if isinstance(value, bool):
            if value:
                found[name] = "true"
        elif isinstance(value, list | tuple):
            if value:
                found[name] = ",".join(map(str, value))
        elif value is not None and value != "":
            found[name] = value
    return found


def changes(**values: Any) -> dict[str, Any]:
    """Return what is to be changed: without None."""
    return {name: value for name, value in values.items() if value is not None}
