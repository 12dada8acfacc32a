"""`Admin`: puts the parts of the backend's client together."""

from __future__ import annotations

import ssl
from dataclasses import replace
from types import TracebackType

from tailwire.admin.asking import Asking
from tailwire.admin.groups import Groups
from tailwire.admin.keys import Keys
from tailwire.admin.messages import Messages
from tailwire.admin.roles import Roles
from tailwire.admin.users import Tokens, Users
from tailwire.admin.webhooks import Webhooks
from tailwire.sdk.app_settings import AppSettings
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.tls import checked_context
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.world import Identity, World


class Admin:
    """The client of a backend. It asks over HTTP with a REST API key, and keeps no socket.

    ```python
    settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:8480").build()

    async with Admin("app-id", settings, "rest-api-key") as admin:
        await admin.users.create("dora", name="Dora")
        token = (await admin.tokens.create("dora")).token
        async for message in admin.messages.in_group("hall", newest_first=True):
            print(message)
    ```

    All calls raise `CometChatException`, whose `code` is one of the catalogue (docs/reference/errors.md). They are
    tried several times where that is safe, as those of `ChatClient` are. One `Admin` serves a whole process, on one
    event loop.

    Attributes:
        users, tokens, groups, messages, roles, webhooks, keys: the calls, by what they are about.
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
        """Make a client; nothing is asked yet.

        Args:
            app_id: of the app.
            settings: made by `AppSettingsBuilder`: the host (`override_admin_host`, else `override_client_host`), the
                proxy and the certificate authority count here.
            api_key: a key of scope `fullAccess`. Keep it on your servers.
            tls: an SSL context, for a server with a certificate of its own.
            world: time, chance and sockets; for tests.

        Raises:
            ValueError: the app id or the key is empty, or the settings name no usable host or proxy.
        """
        if not app_id or not api_key:
            raise ValueError("the app id and the REST API key are needed: the server's keys.json has both")
        settings.check_proxy()
        world = world or World()
        if settings.admin_host:
            base_url = replace(settings, client_host=settings.admin_host).base_url(app_id)
        else:
            base_url = settings.base_url(app_id)
        context = checked_context(tls) or settings.tls_context()
        identity = Identity(app_id, f"ADMIN-{world.unique()}")
        self._asking = Asking(
            Http(world, base_url, identity, context, Traffic(world.now), settings.proxy_address), api_key, world
        )
        self.users = Users(self._asking)
        self.tokens = Tokens(self._asking)
        self.groups = Groups(self._asking)
        self.messages = Messages(self._asking)
        self.roles = Roles(self._asking)
        self.webhooks = Webhooks(self._asking)
        self.keys = Keys(self._asking)

    async def aclose(self) -> None:
        """Close the connections. Every call fails with `ERR_CLIENT_CLOSED` then."""
        await self._asking.close()

    async def __aenter__(self) -> Admin:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
