"""Open an authenticated socket for a session.

The steps: get a pass (a signed proof of the auth token) and the server's settings by HTTP, open a WebSocket, and send
the auth frame with the pass. `failures` and `websocket` map HTTP errors and refused upgrades to causes.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tailwire import __version__
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.io.addresses import host_and_port
from tailwire.sdk.io.failures import AttemptError, WireClosed, attempt_error_of
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.reading import read_json
from tailwire.sdk.io.world import Identity, Wire, World
from tailwire.wire.frames import CLIENT_HEADER, PROOF_HEADER, FrameType, auth_frame, proof_of
from tailwire.wire.server_settings import ServerSettings

MIN_SECONDS, MAX_SECONDS = 1.0, 1e9
"""Limits of durations that the server announces: shorter ones are raised to the minimum, longer ones ignored."""
_BY_INTERMEDIARIES = frozenset({Cause.CAPTIVE_PORTAL, Cause.PROXY_REFUSED, Cause.NOT_OUR_SERVER})
"""The causes that mean that an intermediary responded instead of the server.

If an HTTP request reached the server in the same attempt, the intermediary refuses only WebSockets.
"""


@dataclass(frozen=True, slots=True)
class Granted:
    """What the server announced when it accepted the authentication, beyond CometChat's protocol.

    Servers other than Tailwire's announce nothing: all attributes have their defaults.

    Attributes:
        features: the features that both sides support.
        interval: heartbeat interval in seconds; None if the server named none.
        timeout: heartbeat timeout in seconds; None if the server named none.
        token_seconds_left: seconds until the token expires; None if it does not, or the server named none.
        store: name of the server's store, to which message ids belong; "" if unknown.
        mark: identifies the run of the server from one start to the next; part of a position. "" if unknown.
        shed: the names of the features that the server has turned off because of its load, such as `receipts`.
    """

    features: frozenset[str] = frozenset()
    interval: float | None = None
    timeout: float | None = None
    token_seconds_left: float | None = None
    store: str = ""
    mark: str = ""
    shed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """An authenticated socket.

    Attributes:
        wire: the open WebSocket.
        granted: what the server announced.
        round_trip: seconds that the answer to the auth frame took; None if it was not measured.
    """

    wire: Wire
    granted: Granted
    round_trip: float | None = None


class Connector:
    """Opens authenticated sockets for one client. Caches the pass and the settings between attempts.

    Args:
        presence: `presenceSubscription` of the auth frame: whose presence events are received; None for nobody's.
        tls: the app's own TLS context; None for the default.
        host, port: the host and port of the WebSocket; "" and 0 for those in the server's settings.
        proxy: the argument of `World.open_wire`.
    """

    def __init__(
        self,
        world: World,
        http: Http,
        identity: Identity,
        presence: str | Sequence[str] | None,
        tls: ssl.SSLContext | None,
        host: str = "",
        port: int = 0,
        proxy: str | None = None,
    ) -> None:
        self._proxy = proxy
        self._host = host
        self._port = port
        self._world = world
        self._http = http
        self._identity = identity
        self._presence = presence
        self._tls = tls
        self._pass = ""
        self._settings: ServerSettings | None = None

    @property
    def settings(self) -> ServerSettings | None:
        """The server's settings as last read; None before that."""
        return self._settings

    @property
    def chat_address(self) -> str:
        """The host and port of the WebSocket as they are part of a URL; "" before the server's settings are known.

        What the app has set takes precedence over the server's settings.
        """
        if self._settings is None:
            return ""
        return host_and_port(self._host or self._settings.chat_host, self._port or self._settings.chat_port)

    def clear_cache(self) -> None:
        """Drop the cached pass and settings, because the user or the token has changed."""
        self._pass = ""
        self._settings = None

    async def renewal_frame(self, uid: str, token: str) -> dict[str, Any]:
        """Return the frame that renews the token of an open socket (feature `renew`).

        Requests a pass for the new token if none is cached.

        Args:
            token: the new auth token of the user.

        Raises:
            CometChatException: if the request for a pass fails.
        """
        if not self._pass:
            _, self._pass = await self.fetch_me(token)
        return self._auth_frame(uid, None)

    def cache_pass(self, signed_pass: str) -> None:
        """Use this pass of the current token from now on; "" makes the next attempt request one."""
        self._pass = signed_pass

    async def fetch_me(self, token: str) -> tuple[Mapping[str, Any], str]:
        """Request `PUT /me`, and return its `data` (the user's JSON object) and the pass in it; "" without a pass.

        Raises:
            CometChatException: if the request fails; `ERR_BAD_ERROR_RESPONSE` if the response names no user.
        """
        body = {"platform": "python", "deviceId": self._identity.resource, "appInfo": {"version": __version__}}
        user = await self._http.ask("PUT", "/me", token=token, body=body)
        if not isinstance(user, dict) or not isinstance(user.get("uid"), str):
            raise CometChatException("ERR_BAD_ERROR_RESPONSE", "The server's answer names no user.")
        return user, str(user.get("jwt") or "")

    async def open(self, uid: str, token: str, last: Mapping[str, Any] | None = None) -> Link:
        """Open an authenticated socket. If the server rejects a cached pass, try once more with a new one.

        Args:
            last: what `ConnectionStats.count_attempt` returned, for the auth frame; None for the first socket.

        Raises:
            AttemptError: if no socket could be opened and authenticated; its `cause` says why.
        """
        try:
            had_pass = bool(self._pass)
            link = await self._attempt(uid, token, last)
            if link is None and had_pass:
                self._pass = ""  # it may have expired: try once more with a new one
                link = await self._attempt(uid, token, last)
        except AttemptError:
            self._settings = None
            raise
        if link is None:
            raise AttemptError(Cause.TOKEN_REJECTED)
        return link

    async def _attempt(self, uid: str, token: str, last: Mapping[str, Any] | None) -> Link | None:
        secure = urlsplit(self._http.base_url).scheme == "https"
        server_answered = not self._pass or self._settings is None  # the server itself, in this attempt
        try:
            if not self._pass:
                _, self._pass = await self.fetch_me(token)
            if self._settings is None:
                data = await self._http.ask("GET", "/settings", token=token)
                self._settings = ServerSettings.from_wire(data, secure=secure)
        except CometChatException as e:
            raise attempt_error_of(e) from e
        except (ValueError, TypeError, AttributeError) as e:
            raise AttemptError(Cause.BAD_ANSWER) from e
        url = f"{'wss' if secure else 'ws'}://{self.chat_address}/"
        moved = self._http.traffic.record_movement
        try:
            headers = {CLIENT_HEADER: __version__, PROOF_HEADER: proof_of(self._pass)}
            wire = await self._world.open_wire(url, headers, self._tls, self._proxy, moved)
        except AttemptError as e:
            if server_answered and (e.unexplained or e.cause in _BY_INTERMEDIARIES):
                raise AttemptError(Cause.WEBSOCKET_REFUSED, e.wait, details=e.details) from e
            raise
        try:
            return await self._authenticate(wire, uid, last)
        except BaseException:
            wire.abort()
            raise

    def _auth_frame(self, uid: str, last: Mapping[str, Any] | None) -> dict[str, Any]:
        return auth_frame(
            self._identity.app_id,
            uid,
            self._identity.resource,
            self._pass,
            self._presence,
            version=f"tailwire/{__version__}",
            last=last,
        )

    async def _authenticate(self, wire: Wire, uid: str, last: Mapping[str, Any] | None) -> Link | None:
        begin = self._world.now()
        try:
            await wire.send(json.dumps(self._auth_frame(uid, last)))
            while True:
                answer = read_json(await wire.receive())
                if isinstance(answer, dict) and answer.get("type") == FrameType.AUTH:
                    break
        except WireClosed as e:
            if e.cause is Cause.TOKEN_REJECTED:
                return None
            raise AttemptError(e.cause) from e
        except ValueError as e:
            raise AttemptError(Cause.BAD_ANSWER) from e
        body = answer.get("body")
        if not isinstance(body, dict) or body.get("status") != "OK":
            wire.abort()
            return None
        return Link(wire, parse_granted(body.get("tailwire")), self._world.now() - begin)


def parse_granted(value: Any) -> Granted:
    """Decode the `tailwire` object in the server's answer to an auth frame. Missing or invalid values are left out."""
    if not isinstance(value, dict):
        return Granted()
    beat = value.get("heartbeat")
    beat = beat if isinstance(beat, dict) else {}
    features, shed = value.get("features"), value.get("shed")
    return Granted(
        features=frozenset(f for f in features if isinstance(f, str)) if isinstance(features, list) else frozenset(),
        interval=_duration(beat.get("interval")),
        timeout=_duration(beat.get("timeout")),
        store=str(value.get("epoch") or ""),
        mark=str(value.get("mark") or ""),
        token_seconds_left=_duration(value.get("tokenLeft")),
        shed=tuple(str(s) for s in shed) if isinstance(shed, list) else (),
    )


def _duration(value: Any) -> float | None:
    # None for anything but a plausible number of seconds.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(MIN_SECONDS, float(value)) if is_number and 0 < value < MAX_SECONDS else None
