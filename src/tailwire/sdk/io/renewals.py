"""Gets new tokens as the connection machine wants them: for the next attempt, or for the socket that is open."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.io.failures import WireClosed, attempt_failed
from tailwire.sdk.io.link import Granted
from tailwire.sdk.io.world import Wire

log = logging.getLogger("tailwire")


class Source(Protocol):
    """Where tokens come from (see `driver.Owner`)."""

    async def renew_token(self) -> None: ...
    async def renewal_frame(self) -> str: ...
    def renewal_taken(self) -> None: ...


class Renewals:
    """One at a time.

    Args:
        begin: starts a task that ends with the driver.
        feed: the machine's inputs.
    """

    def __init__(
        self,
        source: Source,
        begin: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
        feed: Callable[[i.Input], None],
    ) -> None:
        self._source = source
        self._begin = begin
        self._feed = feed
        self._offering: asyncio.Task[None] | None = None
        self._epoch = 0

    def ask(self, epoch: int) -> asyncio.Task[None]:
        """Ask the token provider before an attempt goes on."""
        self._give_up()
        return self._begin(self._ask(epoch))

    async def _ask(self, epoch: int) -> None:
        try:
            await self._source.renew_token()
        except CometChatException as e:  # the server was not reached, or did not take what the provider gave
            self._feed(i.TokenRenewalFailed(epoch, attempt_failed(e).cause))
        except Exception as e:  # noqa: BLE001 - the app's own code: whatever it raises is its answer
            log.warning("the token provider failed: %r", e)
            self._feed(i.TokenRenewalFailed(epoch))
        else:
            self._feed(i.TokenRenewed(epoch))

    def offer(self, epoch: int, wire: Wire | None) -> None:
        """Ask the token provider, and give the server what it gave on the open socket; its answer comes as a frame.

        A socket that ends meanwhile does not end this: what the provider gives is kept for the next one.
        """
        self._give_up()
        self._epoch = epoch
        if wire is not None:
            self._offering = self._begin(self._offer(epoch, wire))

    async def _offer(self, epoch: int, wire: Wire) -> None:
        try:
            await wire.send(await self._source.renewal_frame())
        except WireClosed:
            return  # the reader meets the same end, and reports it
        except Exception as e:  # noqa: BLE001 - the app's own code: whatever it raises is its answer
            log.warning("the token was not renewed, it is tried again: %r", e)
            self._feed(i.TokenRenewalFailed(epoch))

    def answered(self, granted: Granted | None) -> None:
        """The owner saw the server's answer to a new token among the frames; None: it does not take it."""
        if granted is None:
            self._feed(i.TokenRenewalFailed(self._epoch))
        else:
            self._source.renewal_taken()
            self._feed(i.TokenTaken(self._epoch, granted.left))

    def _give_up(self) -> None:
        # The last one has taken too long: nobody else could ask while it does.
        if self._offering is not None:
            self._offering.cancel()
            self._offering = None
