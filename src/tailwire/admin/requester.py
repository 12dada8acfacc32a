"""Send the requests of an `Admin`: authenticate with the API key, and retry where that is safe."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from tailwire.admin.listing import Listing, no_pages, numbered_listing
from tailwire.sdk.calls.checks import decoded
from tailwire.sdk.exceptions import failure
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.world import World
from tailwire.sdk.retry import is_numbered, is_safe, numbered, repeat
from tailwire.sdk.sending import Sending

T = TypeVar("T")


class Requester:
    """Sends requests with an API key of scope `fullAccess`.

    Args:
        http: the HTTP client.
        key: the REST API key.
        world: the source of randomness and of unique ids.
    """

    def __init__(self, http: Http, key: str, world: World) -> None:
        self._http = http
        self._key = key
        self._world = world
        self._sending = Sending(world.chance)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def unique(self) -> str:
        """Return a universally unique id."""
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
        """Send a request, and return the `data` of the response.

        Requests that are safe to repeat are retried.

        Args:
            method: the HTTP method.
            path: the path after `/v3`.
            body: the JSON body.
            query: the query parameters.
            on_behalf_of: uid of the user to act for; the app itself by default.

        Returns:
            The decoded JSON value of `data`.

        Raises:
            CometChatException: the code from the server; `NO_INTERNET_CONNECTION` if it cannot be reached;
                `ERR_CLIENT_CLOSED` after `close()`; `ERR_WRONG_EVENT_LOOP` on another loop than that of the first call;
                `ERR_INVALID_ARGUMENT` for an invalid `on_behalf_of`.
        """
        await self._check(on_behalf_of)
        call = self._world.unique() if is_numbered(method, path) else ""
        async with self._http.progress_timeout() as limit:

            async def attempt(number: str) -> Any:
                return await self._http.ask(
                    method, path, key=self._key, body=body, query=query, on_behalf_of=on_behalf_of, time_limit=limit,
                    number=number,
                )  # fmt: skip

            return await repeat(numbered(attempt, call), self._world.chance, safe=is_safe(method, path))

    async def fetch(self, decode: Callable[[Any], T], method: str, path: str, **more: Any) -> T:
        """Send a request, and return the decoded response.

        Args:
            decode: decodes the `data` of the response.
            method: the HTTP method.
            path: the path after `/v3`.
            more: further arguments of `ask`.

        Raises:
            CometChatException: as for `ask`; `ERR_BAD_ERROR_RESPONSE` if the response cannot be decoded.
        """
        return decoded(decode, await self.ask(method, path, **more))

    async def send(self, conversation: str, body: Mapping[str, Any], on_behalf_of: str) -> Any:
        """Send a message, after all earlier ones to the same conversation. It is retried, but stored only once.

        Args:
            conversation: names the conversation. Messages with the same value are sent in the order of the calls.
            body: the message as a JSON object, with a `muid`.
            on_behalf_of: uid of the sender; "" for the app itself.

        Returns:
            The `data` of the response: the stored message.

        Raises:
            CometChatException: as for `ask`.
        """
        await self._check(on_behalf_of)
        limit = self._http.progress_timeout()

        async def attempt() -> Any:
            return await self._http.ask(
                "POST",
                "/messages",
                key=self._key,
                body=body,
                on_behalf_of=on_behalf_of,
                time_limit=limit,
                repeated=True,
            )

        return await self._sending.send(f"{on_behalf_of} {conversation}", attempt, limit)

    def ask_list(self, path: str, on_behalf_of: str = "") -> Callable[[Mapping[str, Any]], Awaitable[list[Any]]]:
        """Return a function that fetches one page of the list at a path, given the query parameters.

        It raises `CometChatException` as `ask` does, or with `ERR_BAD_ERROR_RESPONSE` if the response is not a list.
        """

        async def ask(query: Mapping[str, Any]) -> list[Any]:
            listed = await self.ask("GET", path, query=query, on_behalf_of=on_behalf_of)
            if not isinstance(listed, list):
                raise failure("ERR_BAD_ERROR_RESPONSE", "The response of the server is not a list.")
            return listed

        return ask

    def listing(self, path: str, decode: Callable[[Any], T], what: str, **query: Any) -> Listing[T]:
        """Return a `Listing` of the list at a path. No request is sent yet.

        Args:
            path: the path of the list, after `/v3`.
            decode: decodes one entry.
            what: the kind of entry, for log messages.
            query: the filters. Those that are None, False or "" are left out; an empty list makes the listing empty.

        Raises:
            CometChatException: `ERR_INVALID_ARGUMENT` if an item of a filter that is a list contains a comma.
        """
        if any(value == [] for value in query.values()):
            return Listing(no_pages)
        return numbered_listing(self.ask_list(path), query_parameters(**query), decode, what)

    async def _check(self, on_behalf_of: str) -> None:
        if self._closed:
            raise failure("ERR_CLIENT_CLOSED")
        if not isinstance(on_behalf_of, str) or not re.fullmatch(r"[\x21-\x7e]*", on_behalf_of):
            raise failure(
                "ERR_INVALID_ARGUMENT",
                f"on_behalf_of={on_behalf_of!r} is not a uid: give printable ASCII without spaces.",
            )
        here = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = here
            await self._world.prepare()
        elif self._loop is not here:
            raise failure("ERR_WRONG_EVENT_LOOP")

    async def close(self) -> None:
        """Close the connections; later requests raise `ERR_CLIENT_CLOSED`."""
        self._closed = True
        await self._http.close()


def name_list(values: object, what: str) -> list[str]:
    """Return an argument that has to be an iterable of strings as a list.

    Args:
        what: the name of the argument, for the error text.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` for a single string, or for items that are not strings.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise failure("ERR_INVALID_ARGUMENT", f"{what} is a {type(values).__name__}: give a list of strings.")
    found = list(values)
    if not all(isinstance(value, str) for value in found):
        raise failure("ERR_INVALID_ARGUMENT", f"{what} must be a list of strings.")
    return found


def filter_values(values: object, what: str) -> list[str] | None:
    """Return a filter that has to be an iterable of strings as a list; None if it is None.

    Args:
        what: the name of the argument, for the error text.

    Raises:
        CometChatException: as for `name_list`.
    """
    return None if values is None else name_list(values, what)


def query_parameters(**values: Any) -> dict[str, Any]:
    """Return query parameters for a URL: without None, False and "", True as "true", and lists joined by commas.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` for a list item that contains a comma.
    """
    found = {}
    for name, value in values.items():
        if isinstance(value, bool):
            if value:
                found[name] = "true"
        elif isinstance(value, list):
            if bad := next((v for v in value if "," in v), None):
                raise failure(
                    "ERR_INVALID_ARGUMENT", f"{bad!r} contains a comma, so it cannot be used in a list filter."
                )
            found[name] = ",".join(value)
        elif value is not None and value != "":
            found[name] = value
    return found


def changed_fields(**values: Any) -> dict[str, Any]:
    """Return the arguments that are not None, as the fields of a request that changes a resource."""
    return {name: value for name, value in values.items() if value is not None}
