"""Renew the auth token with the app's token provider, an async function that returns a new token.

The provider is called for one of three reasons:

1. The server rejected the token of an attempt to connect: the connection machine commands `RenewToken`, and the next
   attempt waits for the new token (`renew_before_attempt`).
2. The token of the open socket is about to expire: the machine commands `RenewInPlace`, and the socket stays open
   (`renew_in_place`). `connection.backoff.renewal_wait` decides how early.
3. The server rejected the token of a request (`renew_rejected`).

A failure of 1 or 2 is reported to the machine, which waits before it tries again (`State.renewals_failed`). For
reason 3 the waits of `REJECTED_RETRY` separate the calls of the provider; meanwhile rejected requests fail without one.

For all three: the provider is called once at a time, and not at all when the token was already replaced. The session
gets a new token only when the server has accepted it, for the same user. If the server could not be reached to check a
new token, the next renewal checks that token first, and calls the provider again only if the server rejects it.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.gate import Gate
from tailwire.sdk.io.failures import WireClosed, attempt_error_of
from tailwire.sdk.io.link import Connector, Granted
from tailwire.sdk.io.owner import MachineRunner
from tailwire.sdk.io.world import Wire, World
from tailwire.sdk.retry import RetryPolicy, Waits
from tailwire.sdk.session_holder import SessionHolder
from tailwire.wire.identifiers import UNSENDABLE_TEXT, is_sendable

log = logging.getLogger("tailwire")
TokenProvider = Callable[[], Awaitable[str]]
REJECTED_RETRY = RetryPolicy(first=1.0, longest=60.0)
"""The waits between two calls of the provider for rejected requests; they start over after a minute without a call."""


class Tokens:
    """Renews the auth token of a session with the app's token provider.

    Args:
        provider: an async function of the app that returns a new token; None when the app has none.

    Attributes:
        socket_token: the token with which the socket was opened, or that the server accepted on it since.
    """

    def __init__(
        self, sessions: SessionHolder, provider: TokenProvider | None, connector: Connector, gate: Gate, world: World
    ) -> None:
        self._sessions = sessions
        self._provider = provider
        self._connector = connector
        self._fetch_me = connector.fetch_me
        self._gate = gate
        self._now = world.now
        self._lock = asyncio.Lock()
        # An old token, and its successor, if the server could not be reached to check the successor.
        self._unchecked_tokens = ("", "")
        self._waits = Waits(REJECTED_RETRY, world.chance)
        self._next_call_at = 0.0
        self._epoch = 0
        self._offer_task: asyncio.Task[None] | None = None
        self._offered_token = ""
        self.socket_token: str = ""

    # For the connection.

    def renew_before_attempt(self, runner: MachineRunner, epoch: int) -> asyncio.Task[None]:
        """Start and return a task that gets a new token before the next attempt, and feeds the outcome to the machine.

        Args:
            epoch: the number of the attempt.
        """
        self._cancel_offer()
        return runner.begin(self._renew_before_attempt(runner, epoch))

    async def _renew_before_attempt(self, runner: MachineRunner, epoch: int) -> None:
        try:
            await self.renew(self.socket_token or self._sessions.require().auth_token)
        except CometChatException as e:  # the server was not reached, or rejected the new token
            runner.feed(i.TokenRenewalFailed(epoch, attempt_error_of(e).cause))
        except Exception as e:  # noqa: BLE001 - the app's own code may raise anything
            log.warning("the token provider failed: %r", e)
            runner.feed(i.TokenRenewalFailed(epoch))
        else:
            runner.feed(i.TokenRenewed(epoch))

    def renew_in_place(self, runner: MachineRunner, epoch: int, wire: Wire | None) -> None:
        """Start a task that gets a new token, and sends it to the server on the open socket.

        The server's answer arrives as a frame, for `handle_answer`. If the socket closes meanwhile, the task continues,
        and the next attempt uses the new token.

        Args:
            epoch: the number of the socket.
            wire: the socket; with None this does nothing.
        """
        self._cancel_offer()
        self._epoch = epoch
        if wire is not None:
            self._offer_task = runner.begin(self._renew_in_place(runner, epoch, wire))

    async def _renew_in_place(self, runner: MachineRunner, epoch: int, wire: Wire) -> None:
        try:
            await self.renew(self.socket_token)
            session = self._sessions.require()
            self._offered_token = session.auth_token
            await wire.send(json.dumps(await self._connector.renewal_frame(session.uid, session.auth_token)))
        except WireClosed:
            return  # the task that reads the socket reports it
        except Exception as e:  # noqa: BLE001 - the app's own code may raise anything
            log.warning("the token could not be renewed; the renewal is tried again: %r", e)
            runner.feed(i.TokenRenewalFailed(epoch))

    def handle_answer(self, runner: MachineRunner, granted: Granted | None) -> None:
        """Report to the machine how the server answered the token that `renew_in_place` sent.

        Args:
            granted: what the server granted; None if it rejected the token.
        """
        if granted is None:
            runner.feed(i.TokenRenewalFailed(self._epoch))
        else:
            self.socket_token = self._offered_token
            runner.feed(i.TokenTaken(self._epoch, granted.token_seconds_left))

    def _cancel_offer(self) -> None:
        # The renewal has taken too long, and holds the lock.
        if self._offer_task is not None:
            self._offer_task.cancel()
            self._offer_task = None

    # For requests.

    async def renew_rejected(self, old: str) -> bool:
        """Renew the token after the server rejected a request with the token `old`, and wait for the outcome.

        Nothing is renewed without a provider, or during the wait after its last call. An exception of the provider is
        logged.

        Returns:
            Whether the session has another token than `old` now, so that the request can be repeated.
        """
        session = self._sessions.require()
        if session.auth_token != old:
            return True
        if self._provider is None or session.expired or self._gate.closed:
            return False
        if self._lock.locked():
            async with self._lock:
                return self._sessions.require().auth_token != old
        if self._now() < self._next_call_at:
            return False
        if self._now() > self._next_call_at + REJECTED_RETRY.longest:
            self._waits.reset()
        self._next_call_at = self._now() + self._waits.next_wait()
        try:
            await self.renew(old)
        except Exception as e:  # noqa: BLE001 - the app's own code may raise anything
            log.warning("the rejected token could not be renewed: %r", e)
        return self._sessions.require().auth_token != old

    # For the connection and for requests.

    async def renew(self, old: str) -> None:
        """Replace the token of the session by a new one, unless it is no longer `old`.

        Raises:
            Exception: whatever the provider raises.
            TypeError: the provider does not return a token.
            ValueError: it returns one that cannot be sent.
            RuntimeError: there is no provider, or it waited for something that was cancelled.
            CometChatException: the server rejected the token or was not reached; `USER_NOT_AUTHORISED` for the token
                of another user; `USER_NOT_LOGGED_IN` if the user has logged out.
        """
        async with self._lock:
            if self._sessions.require().auth_token != old:
                return
            token, signed_pass = await self._get_replacement(old)
            session = self._sessions.require()
            if session.auth_token == old:  # else another user has logged in meanwhile
                self._connector.cache_pass(signed_pass)
                self._sessions.replace(replace(session, auth_token=token))

    async def _get_replacement(self, old: str) -> tuple[str, str]:
        # Returns a token that the server accepts, and its pass.
        if self._unchecked_tokens[0] == old:
            token = self._unchecked_tokens[1]
            try:
                return token, await self._check(token)
            except CometChatException as e:
                if attempt_error_of(e).cause is not Cause.TOKEN_REJECTED:
                    raise
                log.info("the provided token was rejected when the server was reached; the provider is asked again")
        token = await self._ask_provider()
        self._unchecked_tokens = (old, token)
        return token, await self._check(token)

    async def _check(self, token: str) -> str:
        # Returns the pass that belongs to the token.
        try:
            user, signed_pass = await self._fetch_me(token)
            if user["uid"] != self._sessions.require().uid:
                raise failure("USER_NOT_AUTHORISED")
        except CometChatException as e:
            if e.code != "NO_INTERNET_CONNECTION":
                self._unchecked_tokens = ("", "")
            raise
        self._unchecked_tokens = ("", "")
        return signed_pass

    async def _ask_provider(self) -> str:
        if self._provider is None:
            raise RuntimeError("there is no token provider")
        try:
            provided = self._provider()
            token = await provided if inspect.isawaitable(provided) else provided
        except asyncio.CancelledError as e:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise RuntimeError("the token provider waited for something that was cancelled") from e
        if not isinstance(token, str) or not token:
            raise TypeError(f"the token provider returned a {type(token).__name__}, not a token")
        if not is_sendable(token):
            raise ValueError(f"the token provider returned a token with {UNSENDABLE_TEXT}")
        return token
