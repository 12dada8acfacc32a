"""The settings of an app and their builder (CometChat's classes `AppSettings`, `AppSettingsBuilder`)."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from os import PathLike, fspath
from urllib.parse import urlsplit

from tailwire.sdk.connection.timings import Timings
from tailwire.sdk.io.proxies import check_library, parse_proxy
from tailwire.wire.constants import PresenceSubscription

DEFAULT_CATCH_UP_LIMIT = 1000
"""The `catch_up_limit` of a client whose settings name none."""
_HOST_FORM = "use [http[s]://]name[:port][/path]"


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The settings of a client. Built with `AppSettingsBuilder`.

    Attributes:
        region: `us`, `eu`, `in`, or another region of CometChat; part of the URL, and required, unless `client_host`
            is set.
        presence: the users whose presence is subscribed to; nobody by default.
        roles: the roles to whose users' presence the client subscribes; used only if `presence` is `ROLES`.
        auto_establish: True for auto mode (the SDK connects by itself), False for manual mode (`connect()` does).
        admin_host: the host of the administration API, in the form of `client_host`. Only `tailwire.admin` uses it, in
            place of `client_host`; "" for `client_host`.
        client_host: the host of your own server, instead of the region's: `[http[s]://]name[:port][/path]`, https and
            `/v3` by default.
        web_socket_host: replaces the WebSocket host that the server names; "" keeps it.
        web_socket_port: replaces the WebSocket port that the server names; 0 keeps it.
        connect_timeout: seconds without received or sent bytes after which an attempt to connect fails; it fails after
            60 seconds in any case.
        max_reconnection_attempts: consecutive failures after which the client gives up; None for never.
        catch_up: whether missed messages are handed over after each reconnect.
        catch_up_limit: the maximum number of missed messages that are handed over after one reconnect; older ones are
            reported as a gap. None for the default: 1,000, and 10,000 for a bot.
        poll_interval: seconds between two reads of history while a proxy refuses WebSockets; None disables it.
        outbox_limit: the maximum number of queued messages; 0 disables the outbox.
        proxy_address: the proxy for all connections; "" for no proxy; None uses that of the environment or the system.
        ca_file: a PEM file of certificates to trust instead of the system's; "" for the system's.
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
    catch_up_limit: int | None = None
    poll_interval: float | None = 30.0
    outbox_limit: int = 0
    proxy_address: str | None = field(default=None, repr=False)  # it may hold a password
    ca_file: str = ""

    def base_url(self, app_id: str) -> str:
        """Return the URL of the client API, without a trailing slash.

        Args:
            app_id: the id of the app; part of the URL unless `client_host` is set.

        Raises:
            ValueError: when the host is invalid, or when without a host the region is empty or not alphanumeric.
        """
        if not self.client_host:
            if not self.region or not self.region.isascii() or not self.region.isalnum():
                raise ValueError("set a region (us, eu, in) or override the client host")
            return f"https://{app_id}.apiclient-{self.region}.cometchat.io/v3"
        host = self.client_host if "://" in self.client_host else f"https://{self.client_host}"
        try:
            parts = urlsplit(host)
            _ = parts.port  # raises ValueError when the port is invalid
        except ValueError as e:
            raise ValueError(f"{self.client_host!r} is not a client host: {e}; {_HOST_FORM}") from e
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{self.client_host!r} is not a client host: {_HOST_FORM}")
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/') or '/v3'}"

    def check_proxy(self) -> None:
        """Check that `proxy_address`, if it is set, is valid, and that the library for this kind of proxy is installed.

        Raises:
            UnusableProxy: the proxy cannot be used; the message says what to correct or to install.
        """
        if self.proxy_address:
            check_library(parse_proxy(self.proxy_address))

    def tls_context(self) -> ssl.SSLContext | None:
        """Return an SSL context that trusts only the certificates in `ca_file`, or None when it is not set.

        Raises:
            ValueError: when the file cannot be read or contains no certificates.
        """
        if not self.ca_file:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as e:
            raise ValueError(f"{self.ca_file} contains no readable certificates in PEM format: {e}") from e

    def timings(self, others: Timings) -> Timings:
        """Return a copy of `others` with the durations and the maximum of attempts that these settings contain.

        Args:
            others: the durations of the connection.
        """
        return replace(
            others,
            attempt=self.connect_timeout,
            max_attempts=self.max_reconnection_attempts,
            poll_interval=self.poll_interval,
        )

    def presence_on_the_wire(self) -> str | Sequence[str] | None:
        """Return the value of `presenceSubscription` in the auth frame; None for nobody."""
        if self.presence is PresenceSubscription.ALL_USERS:
            return "ALL_USERS"
        if self.presence is PresenceSubscription.FRIENDS:
            return "FRIENDS"
        return list(self.roles) if self.presence is PresenceSubscription.ROLES else None


class AppSettingsBuilder:
    """Builds `AppSettings`. Each method returns the builder.

    ```python
    settings = AppSettingsBuilder().set_region("eu").subscribe_presence_for_all_users().build()
    ```
    """

    def __init__(self) -> None:
        self._settings = AppSettings()

    def _with(self, **changes: object) -> AppSettingsBuilder:
        self._settings = replace(self._settings, **changes)  # type: ignore[arg-type]
        return self

    def set_region(self, region: str) -> AppSettingsBuilder:
        """Set the region of the app: `us`, `eu` or `in`. Not used with `override_client_host`.

        Args:
            region: the name of the region; case and surrounding whitespace are ignored.
        """
        return self._with(region=region.strip().lower())

    def subscribe_presence_for_all_users(self) -> AppSettingsBuilder:
        """Subscribe to the presence of all users."""
        return self._with(presence=PresenceSubscription.ALL_USERS)

    def subscribe_presence_for_roles(self, roles: Sequence[str]) -> AppSettingsBuilder:
        """Subscribe to the presence of users with one of these roles.

        Args:
            roles: the roles; an empty list subscribes to nobody.
        """
        return self._with(presence=PresenceSubscription.ROLES, roles=tuple(roles))

    def subscribe_presence_for_friends(self) -> AppSettingsBuilder:
        """Subscribe to the presence of friends."""
        return self._with(presence=PresenceSubscription.FRIENDS)

    def auto_establish_socket_connection(self, auto: bool = True) -> AppSettingsBuilder:
        """Set auto mode (True, default: the SDK connects by itself) or manual mode (False: `connect()` does).

        Args:
            auto: True for auto mode.
        """
        return self._with(auto_establish=bool(auto))

    def override_admin_host(self, host: str) -> AppSettingsBuilder:
        """Set the host of the administration API, to which `tailwire.admin` connects; a `ChatClient` does not use it.

        Args:
            host: as for `override_client_host`.
        """
        return self._with(admin_host=host.strip())

    def override_client_host(self, host: str) -> AppSettingsBuilder:
        """Set the host of your own server: `[http[s]://]name[:port][/path]`, https by default.

        Args:
            host: the host; surrounding whitespace is ignored, and `init()` checks it.
        """
        return self._with(client_host=host.strip())

    def set_web_socket_host(self, host: str) -> AppSettingsBuilder:
        """Use this host for the WebSocket, and for counts of online users, instead of the one that the server names.

        Args:
            host: a name or an address, without scheme and port.
        """
        return self._with(web_socket_host=host.strip())

    def set_web_socket_port(self, port: int) -> AppSettingsBuilder:
        """Use this port for the WebSocket, and for counts of online users, instead of the one that the server names.

        Args:
            port: 1 to 65,535; 0 keeps the server's.
        """
        return self._with(web_socket_port=int(port))

    def set_web_socket_timeout(self, seconds: float) -> AppSettingsBuilder:
        """Set the seconds without traffic after which an attempt to connect fails (default: 10).

        Whatever is set, an attempt fails after 60 seconds.

        Args:
            seconds: the time without a received or sent byte.
        """
        return self._with(connect_timeout=float(seconds))

    def set_max_reconnection_attempts(self, attempts: int | None) -> AppSettingsBuilder:
        """Give up after this number of consecutive failures. None (default) never gives up.

        Args:
            attempts: at least 1, or None. `connect()`, `login()`, a report of the network or a return to the
                foreground starts again.
        """
        return self._with(max_reconnection_attempts=attempts)

    def catch_up_after_reconnect(self, on: bool = True, *, limit: int | None = None) -> AppSettingsBuilder:
        """Set whether messages that were missed without a connection are handed over (default), or stay in history.

        Args:
            on: False leaves them in history.
            limit: the maximum number of messages that are handed over: the newest ones. `on_history_gap` reports the
                rest. None for the default: 1,000, and 10,000 for a bot.
        """
        return self._with(catch_up=bool(on), catch_up_limit=None if limit is None else int(limit))

    def poll_where_web_sockets_are_refused(self, on: bool = True, *, every: float = 30.0) -> AppSettingsBuilder:
        """Set whether new messages are read from history while a proxy refuses WebSockets (default: on).

        The status stays `disconnected` or `connecting`; `connection.explain()` says that messages are polled.

        Args:
            on: False waits for the WebSocket.
            every: seconds between two reads.
        """
        return self._with(poll_interval=float(every) if on else None)

    def keep_unsent_messages(self, on: bool = True, *, limit: int = 1000) -> AppSettingsBuilder:
        """Enable the outbox: `queue_message` keeps messages until they are sent, even across a restart of the process.

        Args:
            on: False disables the outbox (the builder's default).
            limit: the maximum number of messages that wait to be sent; those that failed do not count.
        """
        return self._with(outbox_limit=int(limit) if on else 0)

    def proxy(self, address: str | None) -> AppSettingsBuilder:
        """Use a proxy: `[(http|https|socks5|socks5h)://][user:password@]host[:port]`. `init()` checks it.

        Args:
            address: "" for no proxy; None (default) for that of the environment (`HTTPS_PROXY` …) or the system. SOCKS
                needs `tailwire[socks]`.
        """
        return self._with(proxy_address=None if address is None else address.strip())

    def certificate_authority(self, file: str | PathLike[str]) -> AppSettingsBuilder:
        """Trust only the certificates in this PEM file, for a server with a private certificate.

        `init()` checks it. The certificate of `tailwire serve --tls-self-signed` is `development-cert.pem` in the
        server's data folder.

        Args:
            file: the path of the file.
        """
        return self._with(ca_file=fspath(file))

    def build(self) -> AppSettings:
        """Return the settings."""
        return self._settings
