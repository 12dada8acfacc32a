"""The app's settings and their builder (documented classes `AppSettings`, `AppSettingsBuilder`; S4, S24)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from urllib.parse import urlsplit

from tailwire.sdk.connection.timings import Timings
from tailwire.sdk.io.proxies import check_library, parse_proxy
from tailwire.wire.constants import PresenceSubscription


@dataclass(frozen=True, slots=True)
class AppSettings:
    """What an app decides once.

    Attributes:
        region: `us`, `eu`, `in`, or any name that a server of your own uses; needed where no client host is given.
        presence: whose presence is heard of. Not set: nobody's.
        roles: for `PresenceSubscription.ROLES`.
        auto_establish: True: auto mode; False: manual mode.
        admin_host: replaces the admin URL.
        client_host: replaces the client URL: scheme optional (https), port and path may follow.
        web_socket_host: replaces the WebSocket's host that the server names.
        web_socket_port: replaces its port; 0 keeps it.
        connect_timeout: how long one attempt to connect may go without a byte that moves, in seconds; 60 s in all.
        max_reconnection_attempts: give up after so many failures in a row; None: never.
        catch_up: hand over what was missed, after each reconnect.
        catch_up_limit: the most messages that are handed over so; more is told as a gap.
        poll_interval: how often history is read while a proxy refuses WebSockets, in seconds; None: it is not.
        outbox_limit: messages that may wait for a network; 0: there is no outbox.
        proxy_address: the proxy for everything that this client asks for; "": none, whatever the environment says;
            None: as the environment or the system says.
        ca_file: certificates to trust instead of the system's (PEM); "" for the system's.
    """

    region: str = ""
    presence: PresenceSubscription = PresenceSubscription.NONE
    roles: tuple[str, ...] = ()
    auto_establish: bool = True
    admin_host: str = ""
    client_host: str = ""
    web_socket_host: str = ""
    web_socket_port: int = 0
    connect_timeout: float = 10.0
    max_reconnection_attempts: int | None = None
    catch_up: bool = True
    catch_up_limit: int = 1000
    poll_interval: float | None = 30.0
    outbox_limit: int = 0
    proxy_address: str | None = field(default=None, repr=False)  # it may hold a password
    ca_file: str = ""

    def base_url(self, app_id: str) -> str:
        """The client API's URL, without a slash at its end.

        Raises:
            ValueError: when neither a region nor a usable host is set.
        """
        if not self.client_host:
            if not self.region or not self.region.isascii() or not self.region.isalnum():
                raise ValueError("set a region (us, eu, in) or override the client host")
            return f"https://{app_id}.apiclient-{self.region}.cometchat.io/v3"
        host = self.client_host if "://" in self.client_host else f"https://{self.client_host}"
        parts = urlsplit(host)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.client_host!r} is no host: use [http[s]://]name[:port][/path]")
        _ = parts.port  # raises ValueError for a port that is none
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v3'}"

    def check_proxy(self) -> None:
        """Check the app's own proxy.

        Raises:
            UnusableProxy: saying what to correct or to install.
        """
        if self.proxy_address:
            check_library(parse_proxy(self.proxy_address))

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the context that trusts the app's own authority, or None when the app has named none.

        Raises:
            ValueError: when the file cannot be read or has no certificates.
        """
        if not self.ca_file:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as e:
            raise ValueError(f"{self.ca_file} has no certificates in PEM form that can be read: {e}") from e

    def timings(self, others: Timings) -> Timings:
        """Return the durations of the connection: those that the app has set, and others."""
        return replace(
            others,
            attempt=self.connect_timeout,
            max_attempts=self.max_reconnection_attempts,
            poll_interval=self.poll_interval,
        )

    def presence_on_the_wire(self) -> str | Sequence[str] | None:
        """`presenceSubscription` of the auth frame."""
        if self.presence is PresenceSubscription.ALL_USERS:
            return "ALL_USERS"
        if self.presence is PresenceSubscription.FRIENDS:
            return "FRIENDS"
        return list(self.roles) if self.presence is PresenceSubscription.ROLES else None


class AppSettingsBuilder:
    """Builds `AppSettings`; each method returns the builder."""

    def __init__(self) -> None:
        self._settings = AppSettings()

    def _with(self, **changes: object) -> AppSettingsBuilder:
        self._settings = replace(self._settings, **changes)  # type: ignore[arg-type]
        return self

    def set_region(self, region: str) -> AppSettingsBuilder:
        """The app's region: `us`, `eu` or `in`."""
        return self._with(region=region.strip().lower())

    def subscribe_presence_for_all_users(self) -> AppSettingsBuilder:
        """Hear of everybody's presence."""
        return self._with(presence=PresenceSubscription.ALL_USERS)

    def subscribe_presence_for_roles(self, roles: Sequence[str]) -> AppSettingsBuilder:
        """Hear of the presence of users with these roles."""
        return self._with(presence=PresenceSubscription.ROLES, roles=tuple(roles))

    def subscribe_presence_for_friends(self) -> AppSettingsBuilder:
        """Hear of friends' presence."""
        return self._with(presence=PresenceSubscription.FRIENDS)

    def auto_establish_socket_connection(self, auto: bool = True) -> AppSettingsBuilder:
        """True (default): the SDK decides when it is connected. False: `connect()` and `disconnect()` do (S4)."""
        return self._with(auto_establish=bool(auto))

    def override_admin_host(self, host: str) -> AppSettingsBuilder:
        """Another admin host."""
        return self._with(admin_host=host.strip())

    def override_client_host(self, host: str) -> AppSettingsBuilder:
        """Another client host: a server of your own. Scheme optional (https), port and path may follow."""
        return self._with(client_host=host.strip())

    def set_web_socket_host(self, host: str) -> AppSettingsBuilder:
        """Another host for the WebSocket than the one that the server names."""
        return self._with(web_socket_host=host.strip())

    def set_web_socket_port(self, port: int) -> AppSettingsBuilder:
        """Another port for the WebSocket than the one that the server names."""
        return self._with(web_socket_port=int(port))

    def set_web_socket_timeout(self, seconds: float) -> AppSettingsBuilder:
        """How long one attempt may go without a byte that moves, in seconds (10); in all it gets 60 s."""
        return self._with(connect_timeout=float(seconds))

    def set_max_reconnection_attempts(self, attempts: int | None) -> AppSettingsBuilder:
        """Give up after so many failures in a row. None (default): never."""
        return self._with(max_reconnection_attempts=attempts)

    def catch_up_after_reconnect(self, on: bool = True, *, limit: int = 1000) -> AppSettingsBuilder:
        """Hand over what was missed while there was no connection (default). Off: it is only in history.

        Args:
            limit: the most messages that are handed over; of more, as many are, and `on_history_gap` names the rest.
        """
        return self._with(catch_up=bool(on), catch_up_limit=int(limit))

    def poll_where_web_sockets_are_refused(self, on: bool = True, *, every: float = 30.0) -> AppSettingsBuilder:
        """Where a proxy refuses WebSockets, read what is new from history, in seconds `every` so often (default: on).

        The status stays `disconnected` or `connecting`; `connection.explain()` says that messages are polled.
        """
        return self._with(poll_interval=float(every) if on else None)

    def keep_unsent_messages(self, on: bool = True, *, limit: int = 1000) -> AppSettingsBuilder:
        """Have an outbox: `queue_message` keeps what cannot be sent yet, over a restart of the process too (K5)."""
        return self._with(outbox_limit=int(limit) if on else 0)

    def proxy(self, address: str | None) -> AppSettingsBuilder:
        """Use this proxy: `[http|https|socks5|socks5h://][user:password@]host[:port]`, checked by `init()`.

        "" for none at all; None (default): as the environment (`HTTPS_PROXY` …) or the system says. SOCKS needs
        `tailwire[socks]`.
        """
        return self._with(proxy_address=None if address is None else address.strip())

    def certificate_authority(self, file: str | PathLike[str]) -> AppSettingsBuilder:
        """Trust the certificates in this file (PEM) and no others: for a server whose certificate no one else knows.

        `init()` checks it. The certificate of `tailwire serve --tls-self-signed` is `development-cert.pem` in the
        server's data folder.
        """
        return self._with(ca_file=fspath(file))

    def build(self) -> AppSettings:
        """The settings."""
        return self._settings
