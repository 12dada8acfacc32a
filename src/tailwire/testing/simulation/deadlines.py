"""Check deadlines of docs/project/specification.md: a dead line is detected in time (T3), a hint ends a wait (T4, T7).

A hint is a report of the platform or the app that connecting is worth a try, such as that the network is back.
"""

from __future__ import annotations

import asyncio

from tailwire.sdk.calls.parts import made_parts
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.state import AppState, Mode, Network, Phase, SessionState, State
from tailwire.testing.simulation.device import Device
from tailwire.testing.simulation.reasons import DETECTION_SECONDS, EXTRA_DETECTION_SECONDS
from tailwire.testing.virtual.world import virtual_loop

ATTEMPT_SECONDS = 10.0
"""An attempt to connect ends within this time after the last bytes were sent or received (T7)."""
MARGIN_SECONDS = 1.0


def state_of(device: Device) -> State | None:
    """Return the state of a device's connection machine; None if its app does not run or its client is not ready."""
    parts = made_parts(device.chat) if device.chat is not None else None
    return parts.driver.state if parts is not None else None


class DeadLines:
    """Checks that devices detect in time that no data arrives on their connection.

    Attributes:
        late: for each connection on which that was not detected in time, a text that begins with the broken rule.
        checked: the number of connections that were still open at their deadline, although nothing excused that.
    """

    def __init__(self) -> None:
        self.late: list[str] = []
        self.checked = 0

    def watch(self, device: Device) -> None:
        """Check a device, whose connections have just become half-open, once the time to detect that is over.

        It is not checked if it is not connected in the foreground, or if something else can delay the detection.
        """
        state = state_of(device)
        if state is None or not self._is_watched(device, state):
            return
        loop = virtual_loop()
        watched = device.life, state.epoch, (device.world.slept, loop.frozen_seconds)
        loop.call_later(DETECTION_SECONDS + MARGIN_SECONDS, self._check, device, watched, loop.time())

    def _is_watched(self, device: Device, state: State) -> bool:
        # A device whose app is slow, or whose delays have no bound here, may detect it later.
        loop = virtual_loop()
        network = loop.network
        slow = network.jitter is not float or loop.executor_seconds is not float or device.blocks > 0
        behind = {device.name, ""} & {*network.lines, *network.holding}
        return state.phase is Phase.OPEN and state.app is AppState.FOREGROUND and not slow and not behind

    def _check(self, device: Device, watched: tuple[int, int, tuple[float, float]], since: float | None) -> None:
        loop, state = virtual_loop(), state_of(device)
        if state is None or (device.life, state.epoch, (device.world.slept, loop.frozen_seconds)) != watched:
            return
        if not self._is_watched(device, state):
            return
        if since is not None:
            network = loop.network
            others = any(not transport.half_open for transport in network.of(device.name))
            if others or network.joined_at.get(device.name, 0.0) > since:
                # Bytes may move on another connection, or have moved on one that was closed meanwhile.
                loop.call_later(EXTRA_DETECTION_SECONDS, self._check, device, watched, None)
                return
        self.checked += 1
        self.late.append(f"late: {device.name} has not detected that its line is dead")


def is_trying(device: Device) -> bool:
    """Return whether an attempt to connect is in progress that continues after a hint, instead of being replaced.

    A hint replaces an attempt only if the platform had reported that the network was gone (C20), and never while the
    token is renewed, because the token provider is called once for each attempt (C22). An attempt that continues may
    last as long as bytes move (T7).
    """
    state = state_of(device)
    if state is None:
        return False
    return state.phase is Phase.RENEWING or (state.phase is Phase.CONNECTING and state.network is not Network.OFFLINE)


async def disconnected_devices(devices: list[Device]) -> list[str]:
    """Wait as long as an attempt may take, and return a text about each device that should be connected and is not.

    Call it after all faults have ended and a hint was given. Each text begins with the name of the broken rule.
    """
    await asyncio.sleep(ATTEMPT_SECONDS + MARGIN_SECONDS)
    missing = [why for why in map(why_not_back, devices) if why]
    return [f"return: {why} {ATTEMPT_SECONDS} s after it was notified that the network is back" for why in missing]


def is_request_ended(device: Device) -> bool:
    """Return whether a device in manual mode stays disconnected because its token was rejected (C22).

    The app was notified; only its `connect()` begins another attempt.
    """
    state = state_of(device)
    if state is None or state.requested:
        return False
    return state.mode is Mode.MANUAL and state.cause is Cause.TOKEN_REJECTED


def why_not_back(device: Device) -> str:
    """Describe a device that should be connected by now, after a hint, and is not; "" if it is or need not be."""
    state = state_of(device)
    if state is None or state.phase is Phase.OPEN:
        return ""
    # The app's backend may take any time for a token. An attempt that waits too long for it fails, and a wait follows.
    waited = virtual_loop().time() - device.token_requested_until < ATTEMPT_SECONDS + MARGIN_SECONDS
    asks = device.token_requests[device.life] > 0 or waited
    waits = state.not_before is not None or asks or device.blocks
    excused = state.session is not SessionState.VALID or waits or is_request_ended(device)
    return "" if excused else f"{device.name} is {state.phase} ({state.cause})"
