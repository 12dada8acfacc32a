"""What every call needs: HTTP with the user's token, and the documented way to end a call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, TypeVar, cast
from urllib.parse import quote

from tailwire.sdk.calls.tokens import REJECTED, Tokens
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.patience import Patience
from tailwire.sdk.io.world import Identity, World
from tailwire.sdk.sending import Sending, is_safe, repeat
from tailwire.sdk.session import Session
from tailwire.wire.codec import UNREADABLE
from tailwire.wire.entities import Attachment, BaseMessage

log = logging.getLogger("tailwire")
T = TypeVar("T")
OnSuccess = Callable[[T], object] | None
OnError = Callable[[CometChatException], object] | None
OnProgress = Callable[[str, int, int], object] | None


async def settle(call: Awaitable[T], on_success: OnSuccess[T], on_error: OnError) -> T:
    """End a call the documented way: tell `on_success`, or `on_error` if there is one (then the result is None)."""
    try:
        result = await call
    except CometChatException as e:
        if on_error is None:
            raise
        on_error(e)
        return cast(T, None)
    if on_success is not None:
        on_success(result)
    return result


def decoded(decode: Callable[[Any], T], value: Any) -> T:
    """What the server answered, decoded.

    Raises:
        CometChatException: `ERR_BAD_ERROR_RESPONSE` when it makes no sense.
    """
    try:
        return decode(value)
    except UNREADABLE as e:
        raise failure("ERR_BAD_ERROR_RESPONSE", str(e)) from e


def quoted(name: object) -> str:
    """Return a uid, guid, token or reaction as a part of a path.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` when it cannot be one: it is no text, is empty, is not Unicode, or is
            `.` or `..`, which would name another path.
    """
    if not isinstance(name, str) or name in ("", ".", ".."):
        raise failure("ERR_INVALID_ARGUMENT", f"{name!r} is no uid, guid or other name.")
    try:
        return quote(name, safe="")
    except UnicodeEncodeError as e:
        raise failure("ERR_INVALID_ARGUMENT", f"{name!r} is no uid, guid or other name: {e.reason}.") from None


def checked_id(message_id: object) -> int:
    """The id of a message that was sent.

    Raises:
        CometChatException: `ERROR_INVALID_MESSAGE_ID` for anything else.
    """
    try:
        number = int(message_id) if isinstance(message_id, int | str) and message_id is not True else 0
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number <= 0:
        raise failure("ERROR_INVALID_MESSAGE_ID")
    return int(number)


def checked_receiver(receiver: object, kind: object) -> None:
    """Check to whom something goes.

    Raises:
        CometChatException: `ERR_INVALID_RECEIVER_TYPE` for any kind but `user` and `group`; `ERR_INVALID_ARGUMENT` when
            the receiver is no uid or guid.
    """
    if kind not in ("user", "group"):
        raise failure("ERR_INVALID_RECEIVER_TYPE")
    if not isinstance(receiver, str):
        given = type(receiver).__name__
        raise failure(
            "ERR_INVALID_ARGUMENT", f"The receiver is a {given}: give the uid of a user, or the guid of a group."
        )


def checked_limit(limit: int, most: int = 100) -> int:
    """The limit of a page.

    Raises:
        CometChatException: `ERROR_NON_POSITIVE_LIMIT`, `ERROR_LIMIT_EXCEEDED`.
    """
    if limit <= 0:
        raise failure("ERROR_NON_POSITIVE_LIMIT", f"Use a limit from 1 to {most}.")
    if limit > most:
        raise failure("ERROR_LIMIT_EXCEEDED", f"Use a limit from 1 to {most}.")
    return limit


def text_of(answer: Any) -> str:
    """The text of a documented success."""
    return str(answer.get("message") or answer.get("Message") or "success") if isinstance(answer, dict) else "success"


def asking(client: Access | None) -> Access | None:
    """Check who is to ask for a builder's pages; None stands for `CometChat`'s current client.

    Raises:
        TypeError: it is no `ChatClient`.
    """
    if client is not None and not isinstance(client, Access):
        raise TypeError(
            f"this is a {type(client).__name__}, no ChatClient. "
            "With the blocking client of tailwire.sync, give it the builder: chat.request(builder)"
        )
    return client


class Access:
    """The parts of a client that its calls use."""

    _world: World
    _identity: Identity
    _sending: Sending
    _http: Http | None = None
    _session: Session | None = None
    _tokens: Tokens | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    """On which `init()` ran."""
    _closed = False

    def _check_usable(self) -> None:
        """Let a call pass (see `gate`).

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED`; `ERR_WRONG_EVENT_LOOP` on another event loop, or outside of it.
        """
        if self._closed:
            raise failure("ERR_CLIENT_CLOSED")
        self._check_loop()

    def _check_open_loop(self) -> None:
        # A closed client may be looked at from everywhere.
        if not self._closed:
            self._check_loop()

    def _check_loop(self) -> None:
        if self._loop is None:
            return
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is not self._loop:
            raise failure("ERR_WRONG_EVENT_LOOP")

    def _reached(self) -> Http:
        if self._http is None:
            raise failure("COMETCHAT_INITIALIZATION_NOT_DONE")
        return self._http

    def _logged_in(self) -> Session:
        self._reached()
        if self._session is None:
            raise failure("USER_NOT_LOGGED_IN")
        return self._session

    def _token_of(self, uid: str) -> str:
        session = self._logged_in()
        if session.uid != uid:
            raise failure("USER_NOT_LOGGED_IN")
        return session.auth_token

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        within: Patience | None = None,
        of: str = "",
        once: bool = False,
    ) -> Any:
        # A request as the logged-in user, repeated where that is safe. All tries share one limit. With `within`, the
        # limit of a caller who repeats it, or `once`, it is not repeated. What one user began is not sent as another.
        self._check_usable()  # the requests of builders come straight here
        of = of or self._logged_in().uid
        safe = within is not None or is_safe(method, path)

        async def attempt() -> Any:
            return await self._ask_once(method, path, body, query, limit, of, safe and not once)

        async with nullcontext(within) if within is not None else self._reached().patience() as limit:
            if once or within is not None:
                return await attempt()
            return await repeat(attempt, self._world.chance, safe=safe)

    async def _ask_once(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
        limit: Patience,
        of: str,
        repeated: bool,
    ) -> Any:
        # Once more where the token was rejected and the app has another.
        token, http = self._token_of(of), self._reached()
        log.debug("%s %s", method, path)
        try:
            return await http.ask(method, path, token=token, body=body, query=query, within=limit, repeated=repeated)
        except CometChatException as e:
            if e.code not in REJECTED or self._tokens is None or not await self._tokens.renew_rejected(token):
                raise
        token = self._token_of(of)
        return await http.ask(method, path, token=token, body=body, query=query, within=limit, repeated=repeated)

    async def _ask_for_list(self, path: str, query: Mapping[str, Any], *, once: bool = False) -> list[Any]:
        listed = await self._ask("GET", path, query=query, once=once)
        if not isinstance(listed, list):
            raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer is no list.")
        return listed

    async def _fetch(
        self,
        decode: Callable[[Any], T],
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> T:
        # A request as the logged-in user, and its answer decoded.
        return decoded(decode, await self._ask(method, path, body=body, query=query))

    def _tell(self, event: object) -> None:
        """Hand an event to the app's listeners, in its turn."""
        raise NotImplementedError

    def _parameters(self) -> Mapping[str, Any]:
        """What the server offers, by the names of its settings, as far as it was asked."""
        raise NotImplementedError

    def _chat_url(self) -> str:
        """The URL of the chat host, where who is online is counted."""
        raise NotImplementedError

    async def _online(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask who is online."""
        raise NotImplementedError

    async def _upload(
        self, receiver: str, receiver_type: str, files: Sequence[Any], on_progress: OnProgress
    ) -> list[Attachment]:
        """Upload files, for a message to somebody."""
        raise NotImplementedError

    def _message_sent(self, message: BaseMessage) -> None:
        """This client stored a message: it must not come back to it as missed."""

    def _done_here(self, deed: object) -> None:
        """This client did something (see `listeners.own`), of which it is told nothing."""

    def _receipts_are_blocked(self) -> bool:
        """Whether the server has no time for receipts."""
        raise NotImplementedError

    def _send_frame(self, text: str) -> None:
        """Send a frame.

        Raises:
            CometChatException: `NO_WEBSOCKET_CONNECTION`.
        """
        raise NotImplementedError
