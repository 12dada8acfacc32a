"""`Client`: the blocking `ChatClient`. `scripts/make_sync_face.py` writes its types to `client.pyi`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tailwire.sdk.calls.listings import ListingCalls
from tailwire.sdk.client import ChatClient
from tailwire.sync.bridge import Bridge
from tailwire.sync.iterating import Iterating
from tailwire.sync.proxy import blocking

_LEFT_OUT = frozenset({"aclose"})
"""Methods of `ChatClient` that the blocking client does not have. `close` replaces `aclose`."""


def _plain_call(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Bridge, *arguments: Any, **named: Any) -> Any:
        return self._run(name, lambda: getattr(self._target, name)(*arguments, **named))

    return call


def _iterating_call(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Bridge, *arguments: Any, **named: Any) -> Iterating[Any]:
        source = self._run(name, lambda: getattr(self._target, name)(*arguments, **named))
        # The source repeats a request that failed, so it is read again after an error.
        return Iterating(self._handle, source, name, self._limit, ends=False, again=lambda last: source)

    return call


def _adapt(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    if name in vars(ListingCalls):
        return _iterating_call(name, method)
    return (blocking if inspect.iscoroutinefunction(method) else _plain_call)(name, method)


class Client(Bridge):
    """Chat client for programs without an event loop: runs a `ChatClient` in its own thread.

    It has the methods of `ChatClient`. The async ones block until they are done, and lists are plain iterators. It may
    be used from several threads.

    ```python
    with Client("app-id", settings) as chat:
        chat.login("alice", auth_key="…")
        chat.send_message(TextMessage(receiver="bob", receiver_type="user", text="hello"))
    ```

    The constructor calls `init()`, and raises its errors.

    Args:
        app_id: the id of the app.
        settings: made by `AppSettingsBuilder`.
        post: a function that schedules callbacks in another thread, such as that of the GUI. It is called with a
            function, and must schedule it in that thread, soon and in order, without waiting for it. `post_tk(root)`
            and `post_qt()` return one. Without it, callbacks run in the client's thread, where no blocking call is
            allowed.
        timeout: seconds after which a call raises `TimeoutError`; None for no limit. See `with_timeout`.
        on_event: called with every event from the first one on (see `on_event`).
        session_store: stores the session; by default a file in the platform's user data folder.
        auth_token_provider: returns a new auth token. A plain function is called in a separate thread; it may also be
            async.
        tls: an SSL context, such as for a server with a self-signed certificate; by default made from `settings`.
        timings: durations of the connection, in place of the default ones; for tests and demonstrations.
        world: the clock, randomness and sockets to use; None, except in tests.

    Raises:
        TypeError: `post` or `on_event` is not callable, or `timeout` is not a number.
        ValueError: `timeout` is not above 0, or is infinite.
        CometChatException: as for `ChatClient.init`.
        TimeoutError: `init()` took longer than `timeout`.
    """


for _name in dir(ChatClient):
    _method = inspect.getattr_static(ChatClient, _name)
    if not _name.startswith("_") and _name not in _LEFT_OUT and not hasattr(Bridge, _name):
        setattr(Client, _name, _adapt(_name, _method))
