"""The gate of a client: every public call passes it before it does anything.

A closed client takes no call, and a call belongs to the event loop on which `init()` ran. What only looks, or takes a
listener away, is open to all; a property, when the client is closed, or on its own event loop.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from tailwire.sdk.calls.access import Access
from tailwire.sdk.exceptions import CometChatException

C = TypeVar("C", bound=type[Access])
_OPEN = frozenset({"get_logged_in_user", "get_connection_status", "aclose"})


def gated(kind: C) -> C:
    """Have all public methods of a client class pass its gate (a class decorator)."""
    for name in dir(kind):
        if name.startswith("_") or (name.startswith("remove_") and name.endswith("_listener")) or name in _OPEN:
            continue
        method = inspect.getattr_static(kind, name)
        if inspect.isfunction(method):
            setattr(kind, name, _behind(method))
        elif isinstance(method, property) and method.fget is not None:
            setattr(kind, name, property(_looking(method.fget), doc=method.__doc__))
    return kind


def _looking(look: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(look)
    def looked(self: Access) -> Any:
        self._check_open_loop()
        return look(self)

    return looked


def _behind(method: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def call(self: Access, *arguments: Any, **named: Any) -> Any:
            try:
                self._check_usable()
            except CometChatException as e:
                on_error = named.get("on_error")
                if on_error is None:
                    raise
                on_error(e)
                return None
            return await method(self, *arguments, **named)

        return call

    @functools.wraps(method)
    def plain(self: Access, *arguments: Any, **named: Any) -> Any:
        self._check_usable()
        return method(self, *arguments, **named)

    return plain
