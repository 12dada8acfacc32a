"""Run a handler within its time limit and catch its errors, and repeat calls until the server is reached."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from tailwire.bot.mistakes import WrongToken
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.retry import RETRYABLE_CODES, TOKEN_REJECTED_CODES, RetryPolicy, Waits
from tailwire.sdk.tokens import TokenProvider

log = logging.getLogger("tailwire.bot")

T = TypeVar("T")
BOT_RETRY = RetryPolicy(first=1.0, longest=30.0)
RETRIED_CODES = RETRYABLE_CODES | TOKEN_REJECTED_CODES
"""Error codes after which a call is repeated: the server was not reached, or the token is about to be renewed."""
CANCEL_TIMEOUT_SECONDS = 5.0
"""How long a cancelled handler may take to end before it is ended by force."""
FORCED_END_SECONDS = 0.1


async def run_handler(
    work: Callable[[], Awaitable[None]], limit: asyncio.Timeout, seconds: float | None, stopped: Callable[[], bool]
) -> BaseException | None:
    """Run a handler in a separate task until it has returned or raised, or was cancelled because its time is over.

    Args:
        work: calls the handler.
        limit: the timeout context for the time limit. Methods of `Context` pause it while they wait for the server.
        seconds: the time limit in seconds, for the error text; None for no limit.
        stopped: returns whether the sender has stopped a streamed reply of the handler.

    Returns:
        The exception that the handler raised, a `TimeoutError` if it used up its time, or a `RuntimeError` if it waited
            for something that was cancelled. None if it returned, or was cancelled because the sender stopped its
            streamed reply.
    """
    coroutine = _run_contained(work)
    task = asyncio.create_task(coroutine, name="tailwire bot handler")
    try:
        with suppress(TimeoutError):
            async with limit:
                await asyncio.wait([task])
    finally:
        if not task.done():
            await _end(task, coroutine)
    ended = task.done() and not task.cancelled() and task.exception() is None
    error = task.result() if ended else None
    if ended and not isinstance(error, asyncio.CancelledError):
        return error
    if limit.expired():
        return TimeoutError(f"the handler did not end within {seconds:g} seconds")
    if error is None or stopped():
        return None
    return RuntimeError("the handler waited for something that was cancelled").with_traceback(error.__traceback__)


async def _run_contained(work: Callable[[], Awaitable[None]]) -> BaseException | None:
    # Nothing may escape: an exception would end the conversation's task or the event loop.
    try:
        await work()
    except BaseException as error:  # noqa: BLE001
        return error
    return None


async def _end(task: asyncio.Task[Any], coroutine: Coroutine[Any, Any, Any]) -> None:
    # Cancel a handler, and close it if it ignores the cancellation.
    task.cancel()
    await asyncio.wait([task], timeout=CANCEL_TIMEOUT_SECONDS)
    if not task.done():
        log.error("a handler ignored its cancellation, and is ended by force: do not catch CancelledError")
        with suppress(RuntimeError):  # it ignores GeneratorExit as well
            coroutine.close()
        task.cancel()
        await asyncio.wait([task], timeout=FORCED_END_SECONDS)
        if task.done() and not task.cancelled():
            task.exception()  # marks it as retrieved: it only says that the coroutine was closed


async def token_of(provider: TokenProvider) -> str:
    """Call the function that provides the bot's auth token, and return the token.

    Raises:
        Exception: whatever the provider raises.
        WrongToken: the provider returned something other than a non-empty string.
    """
    provided: object = provider()
    token = await provided if inspect.isawaitable(provided) else provided
    if not isinstance(token, str) or not token:
        raise WrongToken(f"auth_token_provider= returned {token!r}")
    return token


def is_in_a_loop() -> bool:
    """Return whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def call_until_reached(call: Callable[[], Awaitable[T]], retried: Collection[str] = RETRIED_CODES) -> T:
    """Call a function, and repeat it after growing waits while it fails with a code in `retried`. Return its result.

    Args:
        retried: the error codes after which it is called again.

    Raises:
        CometChatException: the call failed with a code that is not in `retried`.
    """
    waits, logged = Waits(BOT_RETRY, random.random), ""
    while True:
        try:
            return await call()
        except CometChatException as e:
            if e.code not in retried:
                raise
            log.log(logging.INFO if logged == str(e) else logging.WARNING, "waiting for the server: %s", e)
            logged = str(e)
            await asyncio.sleep(waits.next_wait(e.retry_after))
