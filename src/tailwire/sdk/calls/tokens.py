"""New auth tokens, from the app's own provider: one is asked for at a time, whoever needs it."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.session import Session

log = logging.getLogger("tailwire")
TokenProvider = Callable[[], Awaitable[str]]
REJECTED = frozenset({"AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "ERR_AUTH_TOKEN_EXPIRED"})
"""With these a server says that a token is no good (any more)."""
FIRST_WAIT, MAX_WAIT = 1.0, 60.0


class Keeper(Protocol):
    """Who keeps the session: the client."""

    def _kept_session(self) -> Session:
        """The session."""

    def _keep_session(self, session: Session) -> None:
        """Another token, or expired: keep it, on the device too."""


Me = Callable[[str], Awaitable[tuple[Mapping[str, Any], str]]]


class Tokens:
    """Asks the token provider.

    Args:
        provider: None where the app has none.
        me: asks the server who a token's user is, and for a pass.
        renewed: called when there is another token, with the pass that came with it: that of the old is no use.
        now: seconds.
    """

    def __init__(
        self,
        keeper: Keeper,
        provider: TokenProvider | None,
        me: Me,
        renewed: Callable[[str], None],
        now: Callable[[], float],
    ) -> None:
        self._keeper = keeper
        self._provider = provider
        self._me = me
        self._renewed = renewed
        self._now = now
        self._one_at_a_time = asyncio.Lock()
        self._given = ("", "")  # what the provider gave instead of which, and nobody could look at yet
        self._wait = FIRST_WAIT
        self._not_before = 0.0
        self.closed = False  # nobody needs a token any more

    async def renew(self, old: str) -> None:
        """Get another token than `old`, and keep it; nothing is asked where that has happened meanwhile.

        Only a token of this user that the server takes is kept. When the server is not reached, the next time begins
        with what the provider has given already.

        Raises:
            Exception: whatever the provider raises, or `TypeError` for something that is no token.
            CometChatException: as the server rejects the token; `USER_NOT_AUTHORISED`.
        """
        async with self._one_at_a_time:
            if self._keeper._kept_session().auth_token != old:
                return
            token = self._given[1] if self._given[0] == old else await self._ask()
            self._given = (old, token)
            signed = await self._checked(token)
            self._given = ("", "")
            session = self._keeper._kept_session()
            if session.auth_token == old:  # else another user has logged in
                self._renewed(signed)
                self._keeper._keep_session(replace(session, auth_token=token))

    async def _checked(self, token: str) -> str:
        try:
            user, signed = await self._me(token)
            if user["uid"] != self._keeper._kept_session().uid:
                raise failure("USER_NOT_AUTHORISED")
        except CometChatException as e:
            if e.code != "NO_INTERNET_CONNECTION":
                self._given = ("", "")
            raise
        return signed

    async def _ask(self) -> str:
        if self._provider is None:
            raise RuntimeError("there is no token provider")
        given = self._provider()
        token = await given if inspect.isawaitable(given) else given
        if not isinstance(token, str) or not token:
            raise TypeError(f"the token provider gave a {type(token).__name__}, not a token")
        return token

    async def renew_rejected(self, old: str) -> bool:
        """A request was rejected with `old`: whether there is another token now.

        The provider is not asked again and again for tokens that it does not give, or that are rejected too.
        """
        session = self._keeper._kept_session()
        if session.auth_token != old:
            return True
        if self._provider is None or session.expired or self.closed:
            return False
        if self._one_at_a_time.locked():  # somebody asks already
            async with self._one_at_a_time:
                return self._keeper._kept_session().auth_token != old
        if self._now() < self._not_before:
            return False
        self._wait = FIRST_WAIT if self._now() > self._not_before + MAX_WAIT else min(MAX_WAIT, self._wait * 2)
        self._not_before = self._now() + self._wait
        try:
            await self.renew(old)
        except Exception as e:  # noqa: BLE001 - the app's own code: whatever it raises is its answer
            log.warning("no other token after a rejected one: %r", e)
        return self._keeper._kept_session().auth_token != old
