"""Adds the entry of the audit log to the first write of a request, so that no noun of the store knows the log."""

from __future__ import annotations

from typing import Any

from tailwire.server.ports.audit import AuditEntry, current_entry
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.parameters import call
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.audit import entry_values, insert

_STEP = insert(":at::bigint")
_STATEMENT = insert(":at")


class Accompaniment:
    """Hands the entry of the current request to a write.

    Attributes:
        keeps: whether entries are stored.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.keeps = False

    def take(self) -> AuditEntry | None:
        """Return the entry that the write takes along; None if there is none, or another write has it.

        If the write fails or does nothing, it sets `taken` to False, and the next write of the request takes the entry.
        """
        entry = current_entry.get()
        if entry is None or entry.taken or entry.over:
            return None
        entry.taken = True
        return entry

    def end_unit(self, unit: Unit, entry: AuditEntry) -> None:
        """Store the entry as the last step of a unit, so only if the unit is carried out to its end."""
        if self.keeps:
            unit.do(_STEP, **entry_values(entry, self._world.seconds()))

    def statement(self, entry: AuditEntry) -> tuple[str, list[Any]] | None:
        """Return the statement that stores the entry, and its values; None if entries are not stored."""
        return call(_STATEMENT, entry_values(entry, self._world.seconds())) if self.keeps else None
