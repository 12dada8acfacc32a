"""Calls of an async object in the client's thread from other threads, with or without waiting for their end."""

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
HANDOVER_SECONDS = 5.0
"""How long it may take to pass a call to the client's thread and its result back, in addition to its own timeout."""
MAX_TIMEOUT_SECONDS = threading.TIMEOUT_MAX - HANDOVER_SECONDS
"""The longest time that a thread can wait."""


class ClientHandle:
    """Keeps a client open: a client and each object made by it refer to the same handle.

    When the handle is garbage-collected, the client is closed if the app has not done so, with a `ResourceWarning`.
    """

    def __init__(self, client_thread: ClientThread) -> None:
        self.client_thread = client_thread
        weakref.finalize(self, client_thread.close_dropped).atexit = False


def checked_seconds(seconds: float | None) -> float | None:
    """Check a timeout, and return it, at most `MAX_TIMEOUT_SECONDS`; None for no limit.

    Raises:
        TypeError: `seconds` is not a number.
        ValueError: `seconds` is not above 0, or is infinite.
    """
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"the timeout is a {type(seconds).__name__}: give seconds, or None for no limit")
    if not seconds > 0 or math.isinf(seconds):
        raise ValueError(f"the timeout is {seconds}: give seconds above 0, or None for no limit")
    return min(seconds, MAX_TIMEOUT_SECONDS)


def limit_beyond(seconds: float | None) -> float | None:
    """Return how long to wait for a call that has a `timeout` argument of its own: somewhat longer; None for no limit.

    Args:
        seconds: the value of that argument; 0 or less ends the call immediately.

    Raises:
        TypeError: `seconds` is not a number.
        ValueError: `seconds` is `nan`.
    """
    if seconds is None or seconds == math.inf:
        return None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds <= 0:
        return HANDOVER_SECONDS
    return cast(float, checked_seconds(seconds)) + HANDOVER_SECONDS


class BlockingProxy(NotCopied):
    """The blocking counterpart of an async object that lives in the client's thread.

    Args:
        handle: keeps the client open.
        target: the async object.
        limit: the timeout of a call in seconds; None for no limit.
    """

    def __init__(self, handle: ClientHandle, target: Any, limit: float | None) -> None:
        self._handle = handle
        self._target = target
        self._limit = limit

    def __repr__(self) -> str:
        return f"<{type(self).__module__.rpartition('.')[0]}.{type(self).__name__} of {self._target!r}>"

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
        """Start a call without waiting for it. Use this in a GUI's thread, and in listeners in the client's own thread.

        ```python
        chat.start("send_message", message, done=show, failed=show_error)
        ```

        Args:
            call: the name of a blocking method of this object, such as `"send_message"`.
            arguments: its positional arguments.
            done: called with the result.
            failed: called with the exception. Without it, an exception is logged if there is a `done`. Both functions
                are called in the app's thread if the client has a `post`, else in the client's. Neither is called if
                the call is cancelled or the client is closed.
            named: its keyword arguments.

        Returns:
            A future with `result(timeout)` and `cancel()`. The client's timeout does not apply to it. In the client's
            own thread, `result()` and `exception()` raise `RuntimeError` until the call has ended.

        Raises:
            AttributeError: there is no blocking method of this name.
            TypeError: `done` or `failed` is not callable.
            CometChatException: `ERR_CLIENT_CLOSED` if the client is closed, or `ERR_INVALID_ARGUMENT` for a listener
                that could not be called.
            RuntimeError: this is a forked process.
        """
        known = isinstance(call, str) and not call.startswith("_") and call != "aclose" and hasattr(type(self), call)
        if not known or not inspect.iscoroutinefunction(inspect.getattr_static(self._target, call, None)):
            hint = "it does not block: call it directly" if known else "give the name of a blocking method as a string"
            raise AttributeError(f"{call!r} cannot be started: {hint}")
        for callback in (done, failed):
            if callback is not None and not callable(callback):
                raise TypeError(f"done and failed must be functions, not a {type(callback).__name__}")
        future = self._begin(getattr(self._target, call), *self._prepare_arguments(call, arguments, named))
        if done is not None or failed is not None:
            future.add_done_callback(lambda ended: self._report_end(call, ended, done, failed))
        return future

    def _prepare_arguments(
        self, call: str, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # Overridden to convert arguments, such as listeners, before they are passed to the client's thread.
        return arguments, named

    def _report_end(self, call: str, future: concurrent.futures.Future[Any], done: Any, failed: Any) -> None:
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            if done is not None:
                self._client_thread.callbacks.call_soon(done, (future.result(),))
        elif failed is not None:
            self._client_thread.callbacks.call_soon(failed, (error,))
        else:
            log.error("%s() failed, and start() was called without failed=: %s", call, error)

    def _begin(self, method: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]) -> CallFuture[Any]:
        if named.get("on_progress") is not None:
            named = {**named, "on_progress": self._client_thread.callbacks.latest_only(named["on_progress"])}
        return self._client_thread.begin(lambda: method(*arguments, **named))

    def _call(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any], *limits: float | None) -> Any:
        # Block until the call has ended. A given limit replaces the client's.
        self._client_thread.check_outside(name)
        future = self._begin(getattr(self._target, name), *self._prepare_arguments(name, arguments, named))
        return self._client_thread.wait(future, limits[0] if limits else self._limit, name)

    def _run(self, name: str, function: Callable[[], Any]) -> Any:
        # Call a plain function in the client's thread.
        return self._client_thread.call(function, self._limit, name)


def blocking(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of a `BlockingProxy` that calls an async method of its target, and waits for the result.

    Args:
        name: the name of the async method.
        method: the async method, as it is defined in its class.
    """
    parameters = inspect.signature(method).parameters
    own = [p for p in parameters if p != "self"].index("timeout") if "timeout" in parameters else None

    @functools.wraps(method)
    def call(self: BlockingProxy, *arguments: Any, **named: Any) -> Any:
        limits: tuple[float | None, ...] = ()
        if own is not None and (len(arguments) > own or "timeout" in named):
            limits = (limit_beyond(arguments[own] if len(arguments) > own else named["timeout"]),)
        return self._call(name, arguments, named, *limits)

    return call


def invalid_argument(details: str) -> CometChatException:
    """Return a `CometChatException` with the code `ERR_INVALID_ARGUMENT`."""
    return failure("ERR_INVALID_ARGUMENT", details)
