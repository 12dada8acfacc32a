"""Authenticates sockets by their auth frames, and renews the token of an open socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tailwire.server.actions.sessions import Admitted, Sessions
from tailwire.server.config import Settings, offered_features
from tailwire.server.fanout.overload import Overload
from tailwire.server.gateway.frames import Auth, presence_subscription
from tailwire.server.gateway.server_frames import auth_result
from tailwire.server.gateway.sockets import Socket
from tailwire.server.limits.cooldowns import Cooldowns
from tailwire.server.limits.failed_authentications import TOO_MANY_GUESSES, FailedAuthentications
from tailwire.server.limits.guess_limiter import GuessLimiter
from tailwire.server.ports.refusal import NotAuthenticated, Refused
from tailwire.server.ports.world import World
from tailwire.server.telemetry.connections import add_event
from tailwire.server.telemetry.metrics import Metrics
from tailwire.wire.close_codes import CloseCode

FLOOD_COOLDOWN_SECONDS = 5.0
MAX_DEVICE_CHARACTERS = 200
REJECTED_BODY = {"status": "ERROR", "code": "401"}


class Authenticator:
    """Handles auth frames.

    Args:
        guesses: limits how many wrong tokens an address may try.
        failures: records failed authentications for the log and the metrics.
        epoch: returns fields that identify the store and the part of its history that began at its last start. They
            are sent to clients with the feature `epoch`.
        app_id: the id of the app, for replies.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: Settings,
        sessions: Sessions,
        metrics: Metrics,
        world: World,
        overload: Overload,
        guesses: GuessLimiter,
        failures: FailedAuthentications,
        *,
        epoch: Callable[[], dict[str, str]],
        app_id: str,
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._sessions = sessions
        self._metrics = metrics
        self._world = world
        self._overload = overload
        self._guesses = guesses
        self._failures = failures
        self._epoch = epoch
        self._app_id = app_id
        self._cooldowns = Cooldowns(FLOOD_COOLDOWN_SECONDS, loop.time)
        self._offered = offered_features(settings)

    def record_flooding(self, socket: Socket) -> None:
        """Record that a socket is closed because it sent too many frames.

        New sockets with the same token have to wait until `FLOOD_COOLDOWN_SECONDS` have passed.
        """
        self._cooldowns.start(socket.token)

    async def admit(self, socket: Socket, auth: Auth) -> bool:
        """Authenticate a socket by its auth frame, and store in it who it is and which features it has.

        Returns:
            True if the socket is authenticated: the caller then calls `confirm` and `welcome`. Otherwise the socket was
            closed, after a reply if the token is not valid. If a socket with this token was closed for flooding a
            moment ago, it is not closed yet, but held (see `SocketProtocol.hold`).
        """
        address = socket.address
        if self._guesses.seconds_until_allowed(address, auth.auth):
            self._failures.record(TOO_MANY_GUESSES, address, on="socket")
            self._metrics.refusals["wrong_tokens_per_minute"] += 1
            socket.close(CloseCode.TRY_AGAIN_LATER, "too many wrong tokens from this address; retry later")
            return False
        device = auth.device_id[:MAX_DEVICE_CHARACTERS]
        admitted = await self._verify(address, auth)
        if admitted is None:
            return self._reject(socket, device)
        if wait := self._cooldowns.seconds_left(admitted.token):
            socket.hold(self._loop.time() + wait)
            return False
        self._store_token(socket, admitted)
        socket.device, socket.platform = device, auth.platform
        socket.features = self._offered.intersection(auth.client.features)
        socket.chained = "chain" in socket.features
        socket.presence = presence_subscription(auth.presence_subscription, auth.roles)
        socket.uid = admitted.uid
        if socket.unauthenticated_slot is not None:
            socket.unauthenticated_slot.free()
        return True

    async def confirm(self, socket: Socket) -> bool:
        """Ask once more whether the token of a socket is valid, and close the socket if it is not, or not known.

        The token may have been revoked after it was read, and the revocation has closed only the sockets that were
        known by this token then. Call this once the hub has the socket with its token: later revocations find it.

        Returns:
            Whether the token is valid.
        """
        try:
            if not await self._sessions.is_revoked(socket.token):
                return True
            socket.close(CloseCode.NORMAL, "logged out")
        except Refused:
            socket.close(CloseCode.TRY_AGAIN_LATER, "the store cannot be read; reconnect later")
        return False

    async def _verify(self, address: str, auth: Auth) -> Admitted | None:
        try:
            admitted = await self._sessions.admit(auth.auth)
        except NotAuthenticated as e:
            if e.code != "ERR_AUTH_TOKEN_EXPIRED":  # an expired token is not a guess
                self._guesses.record_failure(address)
            self._failures.record(e.reason, address, on="socket", uid=e.uid)
            return None
        self._guesses.record_success(address, auth.auth)
        return admitted

    def record_timeout(self, socket: Socket) -> None:
        """Record as a failed authentication that a socket sent no auth frame in time."""
        self._failures.record("no auth frame in time", socket.address, on="socket")

    def _store_token(self, socket: Socket, admitted: Admitted) -> None:
        socket.token = admitted.token
        left = admitted.token_seconds_left
        socket.token_until = self._loop.time() + left if left is not None else 0.0

    def _reject(self, socket: Socket, device: str) -> bool:
        socket.write(auth_result(self._app_id, device, "", REJECTED_BODY))
        self._metrics.closes["token rejected"] += 1
        socket.close(CloseCode.TOKEN_REJECTED, "the token is not valid: log in again")
        return False

    async def renew(self, socket: Socket, auth: Auth) -> None:
        """Replace the token of an authenticated socket (feature `renew`), and send its client the outcome.

        If the new token is invalid or belongs to another user, the socket stays open with the old one. If it is revoked
        meanwhile, the socket is closed.
        """
        address = socket.address
        admitted = (
            None if self._guesses.seconds_until_allowed(address, auth.auth) else await self._verify(address, auth)
        )
        if admitted is None or admitted.uid != socket.uid:
            socket.write(auth_result(self._app_id, socket.device, "", REJECTED_BODY))
            return
        self._store_token(socket, admitted)
        if not await self.confirm(socket):
            return
        self._metrics.renewals += 1
        add_event(socket.history, self._loop.time(), "token renewed")
        self.welcome(socket)

    def welcome(self, socket: Socket) -> None:
        """Send a client the successful reply to its auth frame, with the features that it was granted."""
        socket.write(auth_result(self._app_id, socket.device, socket.uid, self._granted_body(socket)))

    def _granted_body(self, socket: Socket) -> dict[str, Any]:
        body: dict[str, Any] = {"status": "OK", "code": "200"}
        if not socket.features:
            return body
        s = self._settings
        granted: dict[str, Any] = {"features": sorted(socket.features), "time": self._world.milliseconds()}
        if "heartbeat" in socket.features:
            granted["heartbeat"] = {"interval": s.heartbeat_interval, "timeout": s.heartbeat_timeout}
        if "epoch" in socket.features:
            granted |= self._epoch()
        if "throttled" in socket.features and self._overload.level:
            granted["shed"] = self._overload.shed_names
        if "renew" in socket.features and socket.token_until:
            granted["tokenLeft"] = round(max(0.001, socket.token_until - self._loop.time()), 3)
        return {**body, "tailwire": granted}
