"""How the parts of an `Admin` ask the server: with the key, for a user or for the app, repeated where that is safe."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from tailwire.admin.listing import Listing, nothing, numbered
from tailwire.sdk.calls.checks import decoded
from tailwire.sdk.exceptions import failure
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.world import World
from tailwire.sdk.retry import is_safe, repeat
from tailwire.sdk.sending import Sending

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

    def unique(self) -> str:
        """Return a name that nobody else has."""
        return self._world.unique()

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
        await self._check(on_behalf_of)
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

        Args:
            body: with a `muid`.

        Raises:
            CometChatException: as `ask`.
        """
        await self._check(on_behalf_of)
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
            query: which entries; None and "" are left out. An empty list of names fits nothing.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` for a name with a comma in it.
        """
        if any(value == [] for value in query.values()):
            return Listing(nothing)
        return numbered(self.ask_list(path), given(**query), decode, what)

    async def _check(self, on_behalf_of: str) -> None:
        if self._closed:
            raise failure("ERR_CLIENT_CLOSED")
        if not isinstance(on_behalf_of, str) or not re.fullmatch(r"[\x21-\x7e]*", on_behalf_of):
            raise failure("ERR_INVALID_ARGUMENT", f"on_behalf_of={on_behalf_of!r} is no uid.")
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


def listed(values: object, what: str) -> list[str]:
    """Return several names as a list.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` when they are one text, or not all texts.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise failure("ERR_INVALID_ARGUMENT", f"{what} is one {type(values).__name__}: give a list.")
    found = list(values)
    if not all(isinstance(value, str) for value in found):
        raise failure("ERR_INVALID_ARGUMENT", f"{what} must be a list of texts.")
    return found


def filtered(values: object, what: str) -> list[str] | None:
    """Return what a list is filtered by; None where it is not.

    Raises:
        CometChatException: as `listed`.
    """
    return None if values is None else listed(values, what)


def given(**values: Any) -> dict[str, Any]:
    """Return what was given: without None and empty texts; lists comma-joined, as queries take them.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` for a name in a list that has a comma in it.
    """
    found = {}
    for name, value in values.items():
        if isinstance(value, bool):
            if value:
                found[name] = "true"
        elif isinstance(value, list):
            if bad := next((v for v in value if "," in v), None):
                raise failure("ERR_INVALID_ARGUMENT", f"{bad!r} has a comma in it, and cannot be asked for in a list.")
            found[name] = ",".join(value)
        elif value is not None and value != "":
            found[name] = value
    return found


def changes(**values: Any) -> dict[str, Any]:
    """Return what is to be changed: without None."""
    return {name: value for name, value in values.items() if value is not None}
