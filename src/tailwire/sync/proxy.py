"""What the client and its requests share: blocking calls, and calls that do not block, of something async."""

from __future__ import annotations

import concurrent.futures
import functools
import inspect
import logging
import math
import threading
import weakref
from collections.abc import Callable
from typing import Any, cast

from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sync.client_thread import ClientThread
from tailwire.sync.closing import NotCopied
from tailwire.sync.future import CallFuture

log = logging.getLogger("tailwire")
SPARE = 5.0
"""Seconds for the way to the client's thread and back."""
LONGEST = threading.TIMEOUT_MAX - SPARE
"""Seconds that a thread can wait."""


class ClientHandle:
    """Held by a client and everything made by it; when the last holder is collected, the client is closed."""

    def __init__(self, client_thread: ClientThread) -> None:
        self.client_thread = client_thread
        weakref.finalize(self, client_thread.dropped).atexit = False


def checked_seconds(seconds: float | None) -> float | None:
    """Check a limit of seconds; None is no limit.

    Raises:
        TypeError: it is no number.
        ValueError: it is not above 0.
    """
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"the timeout is a {type(seconds).__name__}: give seconds, or None to wait for ever")
    if not seconds > 0 or math.isinf(seconds):
        raise ValueError(f"the timeout is {seconds}: give seconds above 0, or None to wait for ever")
    return min(seconds, LONGEST)


def limit_beyond(seconds: float | None) -> float | None:
    """Return the limit of a call that ends by itself when its own time is over; None where it waits for ever.

    Args:
        seconds: its own time, as the app gave it; 0 or less is over at once.

    Raises:
        TypeError: it is no number.
        ValueError: it is not a number (`nan`).
    """
    if seconds is None or seconds == math.inf:
        return None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds <= 0:
        return SPARE
    return cast(float, checked_seconds(seconds)) + SPARE


class BlockingProxy(NotCopied):
    """The blocking face of something async that lives in the client's thread.

    Args:
        limit: seconds that a call may take; None for ever.
    """

    def __init__(self, handle: ClientHandle, target: Any, limit: float | None) -> None:
        self._handle = handle
        self._target = target
        self._limit = limit

    @property
    def _client_thread(self) -> ClientThread:
        return self._handle.client_thread

    def start(
        self,
        call: str,
        *arguments: Any,
        done: Callable[[Any], object] | None = None,
        failed: Callable[[BaseException], object] | None = None,
        **named: Any,
    ) -> concurrent.futures.Future[Any]:
        """Begin a call, and do not wait for it: for a GUI's thread, and for listeners in the client's own.

        Args:
            call: the name of a method of this object that waits, such as `"send_message"`.
            arguments: for it, as `named`.
            done: called with the result.
            failed: called with the exception. Both are posted to the app's thread where the client has a `post`,
                else they are called in the client's thread. Without it, a failure is logged where there is a `done`.

        Returns:
            A future, with `result(timeout)` and `cancel()`. It has no limit of its own. In the client's own thread,
            where waiting would be waiting for oneself, `result()` and `exception()` raise `RuntimeError` until it has
            ended.

        Raises:
            AttributeError: there is no such method, or it is one that does not wait for a server.
            CometChatException: `ERR_CLIENT_CLOSED`.
        """
        known = isinstance(call, str) and not call.startswith("_") and call != "aclose" and hasattr(type(self), call)
        if not known or not inspect.iscoroutinefunction(inspect.getattr_static(self._target, call, None)):
            hint = "give the name of a method that waits, as text" if not known else "call it: it does not wait long"
            raise AttributeError(f"there is no call {call!r} to start: {hint}")
        done, failed = done or named.pop("on_success", None), failed or named.pop("on_error", None)
        for callback in (done, failed):
            if callback is not None and not callable(callback):
                raise TypeError(f"done and failed are functions, not a {type(callback).__name__}")
        future = self._begin(getattr(self._target, call), *self._prepared(call, arguments, named))
        if done is not None or failed is not None:
            future.add_done_callback(lambda ended: self._ended(call, ended, done, failed))
        return future

    def _prepared(
        self, call: str, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # The arguments as the client's thread is to have them.
        return arguments, named

    def _ended(self, call: str, future: concurrent.futures.Future[Any], done: Any, failed: Any) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            if done is not None:
                self._client_thread.callbacks.tell(done, (future.result(),))
        elif failed is not None:
            self._client_thread.callbacks.tell(failed, (error,))
        else:
            log.error("%s() failed, and start() was given no failed=: %s", call, error)

    def _begin(self, method: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> CallFuture[Any]:
        if named.get("on_progress") is not None:
            named = {**named, "on_progress": self._client_thread.callbacks.newest(named["on_progress"])}

        return self._client_thread.begin(lambda: method(*arguments, **named))

    def _call(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any], *limits: float | None) -> Any:
        # Blocks. What is told of the end of the call is told here, in the thread that waits. A limit that is given
        # stands for the client's; None is none.
        self._client_thread.check_outside(name)
        on_success, on_error = named.pop("on_success", None), named.pop("on_error", None)
        try:
            future = self._begin(getattr(self._target, name), *self._prepared(name, arguments, named))
            result = self._client_thread.wait(future, limits[0] if limits else self._limit, name)
        except CometChatException as e:
            if on_error is None:
                raise
            on_error(e)
            return None
        if on_success is not None:
            on_success(result)
        return result

    def _do(self, name: str, function: Callable[[], Any]) -> Any:
        # A plain method, in the client's thread.
        return self._client_thread.do(function, self._limit, name)


def blocking(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return the blocking method of a `BlockingProxy` that stands for an async one of its target."""
    parameters = inspect.signature(method).parameters
    own = [p for p in parameters if p != "self"].index("timeout") if "timeout" in parameters else None

    @functools.wraps(method)
    def call(self: BlockingProxy, *arguments: Any, **named: Any) -> Any:
        limits: tuple[float | None, ...] = ()
        if own is not None and (len(arguments) > own or "timeout" in named):
            limits = (limit_beyond(arguments[own] if len(arguments) > own else named["timeout"]),)
        return self._call(name, arguments, named, *limits)

    return call


def refused(details: str) -> CometChatException:
    """Return the exception for an argument that is no good."""
    return failure("ERR_INVALID_ARGUMENT", details)
