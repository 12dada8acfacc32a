"""Listeners of the app, called where the app wants them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from tailwire.sdk.listeners.interfaces import UploadFileListener
from tailwire.sdk.listeners.registry import check_listener
from tailwire.sync.app_callbacks import AppCallbacks
from tailwire.sync.proxy import refused

L = TypeVar("L")


def through(kind: type[L], listener: L, callbacks: AppCallbacks) -> L:
    """Return a listener that calls another one through an callbacks, one callback after the other.

    Args:
        kind: the listener class.

    Raises:
        CometChatException: `ERR_INVALID_ARGUMENT` for one that would hear nothing, or whose callbacks are async where
            they are called by another thread.
    """
    check_listener(kind, listener)
    forwards: dict[str, Any] = {}
    for name, base in vars(kind).items():
        own = getattr(listener, name) if not name.startswith("_") else None
        if own is None or getattr(own, "__func__", None) is base:
            continue  # not overridden
        if callbacks.posts and inspect.iscoroutinefunction(own):
            named = f"{type(listener).__name__}.{name}"
            raise refused(f"{named} is async, and there is no event loop in the thread where post= calls it.")
        forwards[name] = _upload(own, name, callbacks) if kind is UploadFileListener else _waiting(own, callbacks)
    names = {"__qualname__": type(listener).__qualname__, "__module__": type(listener).__module__}
    made: L = type(type(listener).__name__, (kind,), {**forwards, **names})()
    return made


def _waiting(own: Callable[..., Any], callbacks: AppCallbacks) -> Callable[..., Any]:
    async def forward(_: Any, *arguments: Any) -> None:
        await callbacks.call(own, arguments)

    return forward


def _upload(own: Callable[..., Any], name: str, callbacks: AppCallbacks) -> Callable[..., Any]:
    # Not waited for: the app's thread may itself wait for the upload. There are a few for each file.
    if name == "on_file_progress":
        newest = callbacks.newest(own)
        return lambda _, *arguments: newest(*arguments)
    if callbacks.posts:
        return lambda _, *arguments: callbacks.tell(own, arguments)
    return _waiting(own, callbacks)
