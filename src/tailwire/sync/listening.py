"""Listeners of the async client that call the app's listeners, in the thread that the app has chosen."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from tailwire.sdk.listeners.interfaces import UploadFileListener
from tailwire.sdk.listeners.registry import check_listener
from tailwire.sync.app_callbacks import AppCallbacks
from tailwire.sync.proxy import invalid_argument

L = TypeVar("L")
_APPS_LISTENER = "_apps_listener"  # the attribute of a forwarding listener that holds the app's listener


def forwarding_listener(
    kind: type[L], listener: L, callbacks: AppCallbacks, registered: Callable[[], L | None] | None = None
) -> L:
    """Return a listener for the async client that forwards its callbacks to the app's listener, one at a time.

    Only methods that the app's listener overrides are forwarded. A callback that waits for the app's thread is dropped
    if the listener was removed meanwhile, and goes to the new one if it was replaced.

    Args:
        kind: the class of listener, such as `MessageListener`.
        listener: the app's listener.
        callbacks: calls functions of the app in its thread.
        registered: returns what this function made for the listener that is now registered under the same id, or None
            without one. None for a listener that cannot be removed.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` if the listener is of another class, a method cannot be called with
            its arguments, or a method is async although the client has a `post`.
    """
    check_listener(kind, listener)
    forwards: dict[str, Any] = {}
    for name, base in vars(kind).items():
        own = getattr(listener, name) if not name.startswith("_") else None
        if own is None or getattr(own, "__func__", None) is base:
            continue  # not overridden
        if callbacks.posts and inspect.iscoroutinefunction(own):
            named = f"{type(listener).__name__}.{name}"
            raise invalid_argument(f"{named} is async, but there is no event loop in the thread where post= calls it.")
        forwards[name] = (
            _forward_upload_callback(own, name, callbacks)
            if kind is UploadFileListener
            else _forward_and_wait(own, name, callbacks, registered)
        )
    names = {"__qualname__": type(listener).__qualname__, "__module__": type(listener).__module__}
    forwards[_APPS_LISTENER] = listener
    made: L = type(type(listener).__name__, (kind,), {**forwards, **names})()
    return made


def _forward_and_wait(
    own: Callable[..., Any], name: str, callbacks: AppCallbacks, registered: Callable[[], Any] | None = None
) -> Callable[..., Any]:
    @functools.wraps(own)  # errors are logged under its name
    def call_registered(*arguments: Any) -> Any:
        if registered is None:
            return own(*arguments)
        made = registered()
        return None if made is None else getattr(getattr(made, _APPS_LISTENER), name)(*arguments)

    async def forward(_: Any, *arguments: Any) -> None:
        await callbacks.call(call_registered, arguments)

    return forward


def _forward_upload_callback(own: Callable[..., Any], name: str, callbacks: AppCallbacks) -> Callable[..., Any]:
    # Must not wait: the app's thread may be blocked in the upload call. There are only a few callbacks for each file.
    if name == "on_file_progress":
        newest = callbacks.latest_only(own)
        return lambda _, *arguments: newest(*arguments)
    if callbacks.posts:
        return lambda _, *arguments: callbacks.call_soon(own, arguments)
    return _forward_and_wait(own, name, callbacks)
