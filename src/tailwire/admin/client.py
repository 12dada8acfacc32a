"""`Admin`: the administration client, composed of one object for each kind of resource."""

from __future__ import annotations

import ssl
from dataclasses import replace
from types import TracebackType

from tailwire.admin.groups import Groups
from tailwire.admin.keys import Keys
from tailwire.admin.messages import Messages
from tailwire.admin.requester import Requester
from tailwire.admin.roles import Roles
from tailwire.admin.users import Tokens, Users
from tailwire.admin.webhooks import Webhooks
from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.tls import checked_context
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.world import Identity, World


class Admin:
    """Administration client for a backend. It sends HTTP requests with a REST API key, and opens no WebSocket.

    ```python
    settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:8480").build()

    async with Admin("app-id", settings, "rest-api-key") as admin:
        await admin.users.create("dora", name="Dora")
        token = (await admin.tokens.create("dora")).token
        async for message in admin.messages.in_group("hall", newest_first=True):
            print(message)
    ```

    Every call raises `CometChatException` if it fails; the codes are listed in docs/reference/errors.md. Calls that are
    safe to repeat are retried, such as when the server cannot be reached. Use one `Admin` for the whole process, on one
    event loop.

    Attributes:
        users: users, their blocks and friends.
        tokens: the auth tokens of users.
        groups: groups and their members.
        messages: messages and conversations.
        roles: roles and the features that they may not use.
        webhooks: webhooks and their deliveries.
        keys: API keys.
    """

    def __init__(
        self,
        app_id: str,
        settings: AppSettings,
        api_key: str,
        *,
        tls: ssl.SSLContext | None = None,
        world: World | None = None,
    ) -> None:
        """Create a client. No request is sent yet.

        Args:
            app_id: the id of the app.
            settings: made by `AppSettingsBuilder`. Only the host (`override_admin_host`, else
                `override_client_host`; one of them is needed), the proxy and the certificate authority are used.
            api_key: a REST API key of scope `fullAccess`. Keep it on your servers.
            tls: an SSL context, such as for a server with a self-signed certificate; by default made from `settings`.
            world: the clock, randomness and sockets to use; None, except in tests.

        Raises:
            ValueError: the app id or the key is empty, or the settings have no host (a region is not enough), or an
                invalid one, or an invalid proxy.
        """
        if not app_id or not api_key:
            raise ValueError("the app id or the REST API key is empty: the server's keys.json has both")
        if not (settings.admin_host or settings.client_host):
            raise ValueError(
                "the settings have no host, to which the REST API key would be sent: call override_client_host() with"
                " the URL of your server"
            )
        settings.check_proxy()
        self._app_id = app_id
        world = world or World()
        if settings.admin_host:
            base_url = replace(settings, client_host=settings.admin_host).base_url(app_id)
        else:
            base_url = settings.base_url(app_id)
        context = checked_context(tls) or settings.tls_context()
        identity = Identity(app_id, f"ADMIN-{world.unique()}")
        self._requester = Requester(
            Http(world, base_url, identity, context, Traffic(world.now), settings.proxy_address), api_key, world
        )
        self.users: Users = Users(self._requester)
        self.tokens: Tokens = Tokens(self._requester)
        self.groups: Groups = Groups(self._requester)
        self.messages: Messages = Messages(self._requester)
        self.roles: Roles = Roles(self._requester)
        self.webhooks: Webhooks = Webhooks(self._requester)
        self.keys: Keys = Keys(self._requester)

    def __repr__(self) -> str:
        return f"Admin(app_id={self._app_id!r})"

    async def aclose(self) -> None:
        """Close the connections. Every later call raises `ERR_CLIENT_CLOSED`. May be called more than once."""
        await self._requester.close()

    async def __aenter__(self) -> Admin:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
