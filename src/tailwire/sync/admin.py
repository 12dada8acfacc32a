"""`Admin`: the blocking administration client. `scripts/make_sync_face.py` writes its types to `admin.pyi`."""

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


def _blocking_part(kind: type) -> type[BlockingProxy]:
    members: dict[str, Any] = {"__doc__": kind.__doc__, "__module__": __name__}
    for name, method in vars(kind).items():
        if not name.startswith("_"):
            members[name] = (blocking if inspect.iscoroutinefunction(method) else _listing)(name, method)
    return type(kind.__name__, (BlockingProxy,), members)


Groups = _blocking_part(groups.Groups)
Keys = _blocking_part(keys.Keys)
Messages = _blocking_part(messages.Messages)
Roles = _blocking_part(roles.Roles)
Tokens = _blocking_part(users.Tokens)
Users = _blocking_part(users.Users)
Webhooks = _blocking_part(webhooks.Webhooks)


class Admin(AdminBridge):
    """Administration client for programs without an event loop: runs a `tailwire.admin.Admin` in its own thread.

    It has the same attributes and methods as that client. The async methods block until they are done, and listings are
    iterated with `for`. It may be used from several threads.

    ```python
    with Admin("app-id", settings, "rest-api-key") as admin:
        admin.users.create("dora", name="Dora")
        token = admin.tokens.create("dora").token
        for message in admin.messages.in_group("hall", newest_first=True):
            print(message)
    ```

    Attributes:
        users: users, their blocks and friends.
        tokens: the auth tokens of users.
        groups: groups and their members.
        messages: messages and conversations.
        roles: roles and the features that they may not use.
        webhooks: webhooks and their deliveries.
        keys: API keys.

    Args:
        app_id: the id of the app.
        settings: made by `AppSettingsBuilder`. Only the host, the proxy and the certificate authority are used.
        api_key: a REST API key of scope `fullAccess`. Keep it on your servers.
        timeout: seconds after which a call raises `TimeoutError`; None for no limit. See `with_timeout`.
        tls: an SSL context, such as for a server with a self-signed certificate; by default made from `settings`.
        world: the clock, randomness and sockets to use; None, except in tests.

    Raises:
        TypeError: `timeout` is not a number.
        ValueError: the app id or the key is empty, the settings have no host (a region is not enough), or an invalid
            host or proxy, or `timeout` is not above 0 or is infinite.
    """

    _parts = {
        "users": Users, "tokens": Tokens, "groups": Groups, "messages": Messages, "roles": Roles,
        "webhooks": Webhooks, "keys": Keys,
    }  # fmt: skip
