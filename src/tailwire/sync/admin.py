"""`Admin`: the blocking client of a backend. Its types are in `admin.pyi`, which `scripts/make_sync_face.py` writes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from tailwire.admin import groups, keys, messages, roles, users, webhooks
from tailwire.sync.admin_bridge import AdminBridge, Listing
from tailwire.sync.proxy import BlockingProxy, blocking


def _listing(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(self: BlockingProxy, *arguments: Any, **named: Any) -> Any:
        return Listing(self._handle, getattr(self._target, name)(*arguments, **named), self._limit)

    return call


def _part(kind: type) -> type[BlockingProxy]:
    made: dict[str, Any] = {"__doc__": kind.__doc__, "__module__": __name__}
    for name, method in vars(kind).items():
        if not name.startswith("_"):
            made[name] = (blocking if inspect.iscoroutinefunction(method) else _listing)(name, method)
    return type(kind.__name__, (BlockingProxy,), made)


Groups = _part(groups.Groups)
Keys = _part(keys.Keys)
Messages = _part(messages.Messages)
Roles = _part(roles.Roles)
Tokens = _part(users.Tokens)
Users = _part(users.Users)
Webhooks = _part(webhooks.Webhooks)


class Admin(AdminBridge):
    """The client of a backend without an event loop: `tailwire.admin.Admin` in a thread of its own.

    It has the same parts with the same calls; those that are async there wait here until they are done, and listings
    are walked with `for`. It may be used by any number of threads.

    ```python
    with Admin("app-id", settings, "rest-api-key") as admin:
        admin.users.create("dora", name="Dora")
        token = admin.tokens.create("dora").token
        for message in admin.messages.in_group("hall", newest_first=True):
            print(message)
    ```

    Attributes:
        users, tokens, groups, messages, roles, webhooks, keys: the calls, by what they are about.

    Args:
        app_id: of the app.
        settings: made by `AppSettingsBuilder`: the host, the proxy and the certificate authority count here.
        api_key: a key of scope `fullAccess`. Keep it on your servers.
        timeout: seconds that a call may take; None for ever. See `with_timeout`.
        tls: an SSL context, for a server with a certificate of its own.
        world: time, chance and sockets; for tests.

    Raises:
        ValueError: the app id or the key is empty, or the settings name no usable host or proxy.
    """

    _parts = {
        "users": Users, "tokens": Tokens, "groups": Groups, "messages": Messages, "roles": Roles,
        "webhooks": Webhooks, "keys": Keys,
    }  # fmt: skip
