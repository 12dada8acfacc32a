"""Check that a missing message, or the report of a gap, follows in time once a client notices that it is missing.

A message that is missing between two others is called a hole (docs/catch-up.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tailwire.sdk.calls.parts import identity_of
from tailwire.sdk.connection.state import AppState, Phase
from tailwire.server.store.sqlite.store import SqliteStore
from tailwire.testing.simulation.deadlines import state_of
from tailwire.testing.simulation.oracle_of_changes import cleared_by
from tailwire.testing.virtual.world import virtual_loop

if TYPE_CHECKING:
    from tailwire.testing.simulation.device import Device
    from tailwire.testing.simulation.simulation import Simulation

HOLE_SECONDS = 2.0
"""A missing message follows within this time after the client noticed it, if no fault affects the connection."""
MARGIN_SECONDS = 0.5

_Moment = tuple[int, int, float, float]
"""Identifies a connection without a break: the app's life, the connection's epoch, and the seconds that the device and
the loop have slept so far."""


class Holes:
    """Checks that devices receive in time the messages that they notice to be missing.

    Attributes:
        late: for each message that did not follow in time, a text that begins with the name of the broken rule.
        checked: the number of missing messages that had to follow in time.
    """

    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._watched: set[tuple[str, int]] = set()
        self.late: list[str] = []
        self.checked = 0

    def on_delivered(self, number: int, resources: frozenset[str]) -> None:
        """Check the devices that now notice a missing message, once the time in which it must follow is over.

        Args:
            number: the id of a message that the server has delivered.
            resources: the resources of the devices to which it was sent.
        """
        for device in self._sim.devices.values():
            if device.chat is None or (resource := identity_of(device.chat).resource) not in resources:
                continue
            for loss in self._sim.losses.lost:
                missing, key = loss.message, (resource, loss.message)
                if missing >= number or resource not in loss.resources or key in self._watched:
                    continue
                if any(ended >= loss.at for ended in device.ends) or not self._sim.losses.leads_to(number, missing):
                    continue  # a message is known to be missing only on the connection on which it was lost
                moment = self._undisturbed(device)
                if moment is not None:
                    self._watched.add(key)
                    virtual_loop().call_later(
                        HOLE_SECONDS + MARGIN_SECONDS, self._check, device, missing, number, moment
                    )

    def _undisturbed(self, device: Device) -> _Moment | None:
        # Return None if something may slow down the connection, its requests or the app: then there is no deadline.
        sim, loop, state = self._sim, virtual_loop(), state_of(device)
        if state is None or state.phase is not Phase.OPEN or state.app is not AppState.FOREGROUND:
            return None
        network = loop.network
        slow = network.jitter is not float or loop.executor_seconds is not float or bool(device.blocks)
        between = {device.name, ""} & {*network.lines, *network.holding, *network.middleboxes}
        if slow or between or sim.plan.token_lifetime or not sim.reasons.is_calm(device.name):
            return None
        return device.life, state.epoch, device.world.slept, loop.frozen_seconds

    def _check(self, device: Device, missing: int, by: int, moment: _Moment) -> None:
        forgotten = self._sim.losses.is_forgotten(device, missing, by)
        if forgotten or self._undisturbed(device) != moment or not self._is_owed(device, missing):
            return
        self.checked += 1
        reported = any(begin < missing <= end for begin, end in device.gaps)
        if not reported and not any(received.id == missing for received in device.received):
            self.late.append(
                f"hole: {device.name} has noticed with {by} that {missing} is missing, and has not received it "
                f"{HOLE_SECONDS} s later"
            )

    def _is_owed(self, device: Device, missing: int) -> bool:
        # Return whether the device must receive a message: not one of its own, from before its login, deleted since, or
        # of a conversation that the user has deleted since.
        if device.expected and missing <= device.expected[-1].after:
            return False
        send = next((send for send in self._sim.sends.values() if send.id == missing), None)
        if send is None or send.by == device.name or "" in send.texts:
            return False
        if self._sim.backend.has_removed(send) or self._sim.backup.has_removed(missing):
            return False
        parts = self._sim.server.parts
        if parts is None or not isinstance(parts.store, SqliteStore):
            return True
        reader = parts.store.database.reader
        found = reader.execute("SELECT conversation_id FROM messages WHERE id = ?", (missing,)).fetchone()
        return found is None or cleared_by(reader, device.uid).get(found[0], 0) < missing
