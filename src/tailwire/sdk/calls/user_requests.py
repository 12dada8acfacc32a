"""HTTP requests as the logged-in user: with their token, repeated where that is safe."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from itertools import count
from typing import Any, TypeVar

from tailwire.sdk.calls.checks import decoded, quoted
from tailwire.sdk.calls.pages import message_page
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.gate import Gate
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.progress_timeout import ProgressTimeout
from tailwire.sdk.retry import TOKEN_REJECTED_CODES, is_numbered, is_safe, numbered, repeat
from tailwire.sdk.session_holder import SessionHolder
from tailwire.sdk.tokens import Tokens

log = logging.getLogger("tailwire")
T = TypeVar("T")


class UserRequests:
    """Sends requests as the logged-in user.

    Args:
        chance: returns a random number in [0, 1), for random variations of the waits between attempts.
    """

    def __init__(
        self, http: Http, sessions: SessionHolder, tokens: Tokens, gate: Gate, chance: Callable[[], float]
    ) -> None:
        self._http = http
        self._sessions = sessions
        self._tokens = tokens
        self._gate = gate
        self.chance = chance
        self._calls = count(1)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        time_limit: ProgressTimeout | None = None,
        uid: str = "",
        once: bool = False,
    ) -> Any:
        """Send a request, and return the `data` of its answer.

        By default, a failed request is repeated if that may help and can do no harm; all attempts share one time limit.
        If the server rejects the token, it is renewed if possible, and the request is sent once more.

        Args:
            time_limit: a time limit that the caller has entered; it limits this request too. Pass it if the caller
                repeats the request itself: then only one attempt is made.
            uid: sends the request only as this user, and fails if another one has logged in meanwhile; "" for the user
                who is logged in now.
            once: whether to make only one attempt, with a time limit of its own.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED` after `aclose()`; `ERR_WRONG_EVENT_LOOP` outside of the client's
                event loop; `USER_NOT_LOGGED_IN` when no user or another user than `uid` is logged in; or the code with
                which the last attempt failed.
        """
        self._gate.check_usable()  # requests of builders do not come through a method of the client
        uid = uid or self._sessions.require().uid
        safe = time_limit is not None or is_safe(method, path)

        reads = path == "/me" and not body  # `PUT /me` without a change asks for a pass
        call = str(next(self._calls)) if is_numbered(method, path) and not reads else ""

        async def attempt(number: str) -> Any:
            return await self._attempt(method, path, body, query, limit, uid, safe and not once, number)

        async with nullcontext(time_limit) if time_limit is not None else self._http.progress_timeout() as limit:
            if once or time_limit is not None:
                return await numbered(attempt, call)()
            return await repeat(numbered(attempt, call), self.chance, safe=safe)

    async def _attempt(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        query: Mapping[str, Any] | None,
        limit: ProgressTimeout,
        uid: str,
        repeated: bool,
        number: str,
    ) -> Any:
        # If the token is rejected, the request is sent once more, with a new token.
        token, http = self._sessions.token_of(uid), self._http
        log.debug("%s %s", method, path)
        try:
            return await http.ask(
                method, path, token=token, body=body, query=query, time_limit=limit, repeated=repeated, number=number
            )
        except CometChatException as e:
            if e.code not in TOKEN_REJECTED_CODES or not await self._tokens.renew_rejected(token):
                raise
        token = self._sessions.token_of(uid)
        return await http.ask(
            method, path, token=token, body=body, query=query, time_limit=limit, repeated=repeated, number=number
        )

    async def ask_for_list(self, path: str, query: Mapping[str, Any], *, once: bool = False) -> list[Any]:
        """Send a GET request, and return the list in its answer.

        Args:
            once: as for `ask`.

        Raises:
            CometChatException: as for `ask`; `ERR_BAD_ERROR_RESPONSE` when the answer is not a list.
        """
        listed = await self.ask("GET", path, query=query, once=once)
        if not isinstance(listed, list):
            raise failure("ERR_BAD_ERROR_RESPONSE", "The server's answer is not a list.")
        return listed

    async def list_messages(
        self, query: Mapping[str, Any], *, uid: str = "", guid: str = "", thread: int = 0, once: bool = False
    ) -> list[Any]:
        """Return a page of messages as JSON values, oldest first.

        Give at most one of `uid`, `guid` and `thread`; without any, the page is from all conversations of the logged-in
        user.

        Args:
            query: as for `message_page`.
            uid: the uid of the other user of a conversation.
            guid: the guid of a group.
            thread: the id of the parent message of a thread.
            once: as for `ask`.

        Raises:
            CometChatException: as for `message_page` and `ask_for_list`.
        """
        path = "/messages"
        if thread:
            path = f"/messages/{thread}/thread"
        elif uid:
            path = f"/users/{quoted(uid)}/messages"
        elif guid:
            path = f"/groups/{quoted(guid)}/messages"
        return await message_page(lambda parameters: self.ask_for_list(path, parameters, once=once), query)

    async def fetch(
        self,
        decode: Callable[[Any], T],
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> T:
        """Send a request as `ask` does, and return its answer decoded with `decode`.

        Raises:
            CometChatException: as for `ask`; `ERR_BAD_ERROR_RESPONSE` when the answer cannot be decoded.
        """
        return decoded(decode, await self.ask(method, path, body=body, query=query))
