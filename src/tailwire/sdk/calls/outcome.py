"""CometChat's callbacks, which the calls of the class `CometChat` take: `on_success` and `on_error`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tailwire.sdk.exceptions import CometChatException

T = TypeVar("T")
OnSuccess = Callable[[T], object] | None
OnError = Callable[[CometChatException], object] | None
OnProgress = Callable[[str, int, int], object] | None
"""Called with the name of a file, the bytes sent so far, and its size in bytes."""


async def with_callbacks(call: Callable[[], Awaitable[T]], on_success: OnSuccess[T], on_error: OnError) -> T | None:
    """Await `call()`, and pass its result to `on_success`, or its `CometChatException` to `on_error`.

    Both are plain functions: what they return is not awaited, and an exception of theirs is raised here.

    Returns:
        The result; None after `on_error` was called.

    Raises:
        CometChatException: the exception of the call, if there is no `on_error`.
    """
    try:
        result = await call()
    except CometChatException as e:
        if on_error is None:
            raise
        on_error(e)
        return None
    if on_success is not None:
        on_success(result)
    return result
