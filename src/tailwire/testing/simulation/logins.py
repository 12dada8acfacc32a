"""Check what follows when auth tokens end: the session and the push notifications of that device end, and no other's.

Documented in docs/push.md (a registration ends with its auth token), docs/sdk.md and rule C22 (a rejected token ends
the session, unless the app's provider has another one).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tailwire.sdk.calls.parts import parts_of
from tailwire.sdk.connection.state import AppState, Network, Phase, SessionState
from tailwire.sdk.exceptions import CometChatException
from tailwire.server.auth.secrets import fingerprint
from tailwire.testing.simulation.deadlines import state_of
from tailwire.testing.simulation.push_service import PushService
from tailwire.testing.virtual.world import virtual_loop

if TYPE_CHECKING:
    from tailwire.testing.simulation.device import Device
    from tailwire.testing.simulation.simulation import Simulation

END_SECONDS = 30.0
"""Within this time a connected device notices that its token was revoked, unless a fault delays it.

The server closes its socket at once, and rejects the token at the next attempt to connect.
"""
PUSH_SECONDS = 60.0
"""A push notification may still arrive within this time after the device's registration has ended."""
REJECTED = frozenset({"AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "ERR_AUTH_TOKEN_EXPIRED"})


def token_of(device: Device) -> str:
    """Return the fingerprint of the auth token that a device's app uses; "" if it has none or does not run."""
    if device.chat is None:
        return ""
    session = parts_of(device.chat).sessions.current
    return fingerprint(session.auth_token) if session is not None else ""


def _token_of_attempt(device: Device) -> str:
    token = parts_of(device.chat).tokens.socket_token if device.chat is not None else ""
    return fingerprint(token) if token else ""


@dataclass(slots=True)
class _Registration:
    begun: float
    tokens: set[str]
    confirmed: bool = False


@dataclass(slots=True)
class _Watched:
    life: int
    token: str
    requests: int
    errors: int
    asleep: tuple[float, float]


@dataclass
class Logins:
    """Records which tokens were revoked, and checks that the sessions of their devices end, and no others.

    Attributes:
        sim: the run.
        revoked: the fingerprints of tokens that were revoked or logged out, or may have been.
        wrong: for each session that ended without a reason, or did not end in time, a text that begins with the name
            of the broken rule.
        checked: the number of sessions that had to end in time.
        service: the push service that receives the notifications.
    """

    sim: Simulation
    revoked: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    checked: int = 0
    service: PushService = field(default_factory=PushService)
    _registrations: dict[str, list[_Registration]] = field(default_factory=dict)

    # Sessions.

    def expect_revocation(self, device: Device) -> None:
        """Record that the current token of a device may be revoked from now on, by a logout or otherwise."""
        self.revoked.add(token_of(device))

    async def revoke_all(self, uid: str) -> None:
        """Revoke all tokens of a user on the server, which runs, and record them in `revoked`."""
        parts = self.sim.server.parts
        assert parts is not None
        rows, _ = await parts.store.tokens.of_user(uid, limit=1000, offset=0)
        self.revoked |= {row.token_hash for row in rows}
        await parts.actions.keys.delete_tokens(uid)

    def record_rejection(self, name: str) -> None:
        """Record that the server has rejected the token of a device; it is wrong if the token was not revoked.

        Without effect in runs in which tokens expire or a backup was restored.

        Args:
            name: the name of the device.
        """
        device = self.sim.devices.get(name)
        if device is None or self.sim.plan.token_lifetime or self.sim.backup.restored:
            return  # tokens expire, or the restored copy does not know them
        # A request may have replaced the token since the rejected attempt to connect began, so compare both.
        if not self.revoked & {token_of(device), _token_of_attempt(device)}:
            self.wrong.append(f"login: the token of {name} was rejected, and nobody had revoked it")

    def watch_revoked(self, device: Device, token: str) -> None:
        """Check a device, whose token the server has just revoked, once the time to notice that is over.

        Args:
            device: the device.
            token: the fingerprint of the revoked token; nothing is checked if the device uses another one.
        """
        state = state_of(device)
        if state is None or token_of(device) != token or not self._is_undisturbed(device):
            return
        watched = _Watched(
            device.life, token, device.all_token_requests, len(device.errors),
            (device.world.slept, virtual_loop().frozen_seconds),
        )  # fmt: skip
        if state.phase is Phase.OPEN:
            virtual_loop().call_later(END_SECONDS, self._check, device, watched)

    def _is_undisturbed(self, device: Device) -> bool:
        sim, loop, state = self.sim, virtual_loop(), state_of(device)
        network = loop.network
        slow = network.jitter is not float or loop.executor_seconds is not float or bool(device.blocks)
        between = {device.name, ""} & {*network.lines, *network.holding, *network.middleboxes}
        there = state is not None and state.app is AppState.FOREGROUND and state.network is not Network.OFFLINE
        return there and not (slow or between or sim.plan.token_lifetime) and sim.reasons.is_calm(device.name)

    def _check(self, device: Device, watched: _Watched) -> None:
        asleep = device.world.slept, virtual_loop().frozen_seconds
        if (device.life, asleep) != (watched.life, watched.asleep) or not self._is_undisturbed(device):
            return
        if token_of(device) not in (watched.token, ""):
            return  # it has logged in again
        state = state_of(device)
        if state is None or state.session is SessionState.NONE:
            return  # it was logged out meanwhile
        self.checked += 1
        if device.has_provider:
            if device.all_token_requests == watched.requests:
                self.wrong.append(f"login: {device.name} has not asked for a token, though its own was revoked")
        elif state.session is not SessionState.EXPIRED:
            self.wrong.append(f"login: {device.name} has not noticed that its token was revoked")
        elif not any(code in REJECTED for _, code in device.errors[watched.errors :]):
            self.wrong.append(f"login: {device.name} was not notified that its token was revoked: {device.errors}")

    # Push notifications.

    async def register(self, device: Device) -> None:
        """Register a device for push notifications, and record it. Without effect if no user is logged in there."""
        chat = device.chat
        if chat is None or chat.get_logged_in_user() is None:
            return
        registration = _Registration(virtual_loop().time(), {token_of(device)})
        self._registrations.setdefault(device.name, []).append(registration)
        try:
            await chat.register_push_token("web_push", self.service.subscription(device.name))
            registration.confirmed = True
        except CometChatException as error:
            device.log("not registered", error.code)
        finally:
            registration.tokens.add(token_of(device))

    def wrong_pushes(self) -> str:
        """Return a description of a notification that a device got while it was not registered; "" if there is none."""
        ended = self.sim.commits.tokens_ended
        for at, name in self.service.received:
            some = self._registrations.get(name, ())
            if not any(
                one.begun <= at and any(at <= ended.get(t, at) + PUSH_SECONDS for t in one.tokens) for one in some
            ):
                return f"{name} was notified at {at}, and its registrations are {list(self._described(some))}"
        return ""

    def lost_registrations(self, reader: Any) -> str:
        """Return a description of a device that should be registered, and is not in the store; "" if there is none.

        Args:
            reader: reads the server's database.
        """
        known = {row[0] for row in reader.execute("SELECT auth_token FROM push_tokens").fetchall()}
        there = {row[0] for row in reader.execute("SELECT token_hash FROM auth_tokens").fetchall()}
        for name, some in self._registrations.items():
            last = some[-1]
            if last.confirmed and last.tokens <= there and not last.tokens & known:
                return f"{name} is no longer registered, though its token is valid"
        return ""

    def _described(self, some: Any) -> Iterator[tuple[float, list[float | None]]]:
        ended = self.sim.commits.tokens_ended
        return ((one.begun, [ended.get(token) for token in one.tokens]) for one in some)
