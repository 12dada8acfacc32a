"""Adds the entry of the audit log to the first write of a request, so that no other class needs code for it."""

from __future__ import annotations

import re
from typing import Any

from tailwire.server.ports.audit import USE, AuditEntry, current_entry
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.sql.audit import entry_values, insert

_INSERT_SQL = insert(":at::bigint")
_NAMED_PARAMETER = re.compile(r":([a-z_]+)")


class Accompaniment:
    """Hands the entry of the current request to a write.

    Entries of reads and sends are not handed over: their requests store them when they have succeeded. So sends, which
    are by far most writes, do not take longer.

    Attributes:
        keeps: whether entries are stored.
        written: the number of entries that were handed over or added, until it is set to 0.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.keeps = False
        self.written = 0

    def take(self) -> AuditEntry | None:
        """Return the entry that the write takes along; None if there is none, or another write has it.

        If the write fails or does nothing, it sets `taken` to False, and the next write of the request takes the entry.
        """
        entry = current_entry.get()
        if entry is None or entry.taken or entry.over or entry.kind == USE:
            return None
        entry.taken = True
        return entry

    def end_unit(self, unit: Unit, entry: AuditEntry) -> None:
        """Store the entry as the last step of a unit: only if the unit is carried out to its end."""
        if self.keeps:
            self.written += 1
            unit.run(_INSERT_SQL, **entry_values(entry, self._world.seconds()))

    def extended(self, text: str, values: list[Any], entry: AuditEntry, condition: str) -> tuple[str, list[Any]]:
        """Return a statement that also stores the entry if a condition holds, and its values.

        The statement returns the number of rows that the given one changed. In the condition, the table `changed` has
        one row for each of them.
        """
        if not self.keeps:
            return f"WITH changed AS ({text} RETURNING 1) SELECT count(*) FROM changed", values
        self.written += 1
        own_values = entry_values(entry, self._world.seconds())
        places = {name: number for number, name in enumerate(own_values, len(values) + 1)}

        def place(found: re.Match[str]) -> str:
            name = found.group(1)
            return f"CAST(${places[name]} AS {'bigint' if name == 'at' else 'text'})"

        entry_sql = _NAMED_PARAMETER.sub(place, insert(":at"))
        written = f"changed AS ({text} RETURNING 1), noted AS ({entry_sql} WHERE {condition})"
        both = f"WITH {written} SELECT count(*) FROM changed"
        return both, [*values, *own_values.values()]
