"""The documented callbacks of a call, `on_success` and `on_error`, beside its result and its exception."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from tailwire.sdk.exceptions import CometChatException

T = TypeVar("T")
OnSuccess = Callable[[T], object] | None
OnError = Callable[[CometChatException], object] | None
OnProgress = Callable[[str, int, int], object] | None


async def with_callbacks(call: Callable[[], Awaitable[T]], on_success: OnSuccess[T], on_error: OnError) -> T:
    """Run a call, and pass its result to `on_success`, or its exception to `on_error`.

    Returns:
        The result. None after `on_error` was called: the documented API has no exceptions, and its callers use no
        results, so the type does not mention it.
    """
    try:
        result = await call()
    except CometChatException as e:
        if on_error is None:
            raise
        on_error(e)
        return cast(T, None)
    if on_success is not None:
        on_success(result)
    return result
