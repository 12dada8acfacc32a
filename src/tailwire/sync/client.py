"""`Client`: the blocking `ChatClient`. Its types are in `client.pyi`, which `scripts/make_sync_face.py` writes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tailwire.sdk.client import ChatClient
from tailwire.sync.bridge import Bridge
from tailwire.sync.proxy import blocking

_LEFT_OUT = frozenset({"aclose"})
"""Of `ChatClient`: `close` stands for it."""


def _plain(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: Bridge, *arguments: Any, **named: Any) -> Any:
        return self._do(name, lambda: getattr(self._target, name)(*arguments, **named))

    return call


class Client(Bridge):
    """A chat client for programs without an event loop: `ChatClient` in a thread of its own.

    It has the methods of `ChatClient`; those that are async there wait here until they are done. It may be used by any
    number of threads.

    ```python
    with Client("app-id", settings) as chat:
        chat.login("alice", auth_key="…")
        chat.send_message(TextMessage(receiver="bob", receiver_type="user", text="hello"))
    ```

    The constructor does `init()`, and raises what that raises.

    Args:
        app_id: of the app.
        settings: made by `AppSettingsBuilder`.
        post: how the app is called back in a thread of its own, such as a GUI's: a function that is given a function,
            and has it called there, soon and in order; it must not wait. `post_tk(root)` and `post_qt()` make one.
            Without it, listeners and other callbacks are called in the client's thread, where no call may wait.
        timeout: seconds that a call may take; None for ever. See `with_timeout`.
        on_event: called with every event from the first on (see `on_event`).
        session_store: where the session is kept; a file in the platform's user data folder by default.
        auth_token_provider: gives a new auth token; a plain function (called in a thread of its own) or an async one.
        tls: an SSL context, for a server with a certificate of its own.
        timings: other durations than the documented ones; for tests and demonstrations.
        world: time, chance and sockets; for tests.

    Raises:
        CometChatException: as `ChatClient.init`.
    """


for _name in dir(ChatClient):
    _method = inspect.getattr_static(ChatClient, _name)
    if not _name.startswith("_") and _name not in _LEFT_OUT and not hasattr(Bridge, _name):
        _made = blocking if inspect.iscoroutinefunction(_method) else _plain
        setattr(Client, _name, _made(_name, _method))
