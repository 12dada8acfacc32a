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

    Entries of reads and sends are not handed over: their requests store them when they have succeeded. So sends, by far
    the most frequent writes, do not take longer.

    Attributes:
        keeps: whether entries are stored; `Audit.set_limits` sets it.
        written: the number of entries that were added to writes since `Audit.clean` last set it to 0.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.keeps = False
        self.written = 0

    def take(self) -> AuditEntry | None:
        """Return the entry of the current request for a write that is about to store it, and mark it as taken.

        A caller whose write fails or does nothing must set `taken` to False, so that the next write of the request
        takes the entry.

        Returns:
            None if the request has no entry or has failed, is a read or a send, or if another write has its entry.
        """
        entry = current_entry.get()
        if entry is None or entry.taken or entry.over or entry.kind == USE:
            return None
        entry.taken = True
        return entry

    def add_last_step(self, unit: Unit, entry: AuditEntry) -> None:
        """Add to a unit the step that stores the entry. It must be the last one, so that only a whole unit is recorded.

        Adds nothing while `keeps` is False.
        """
        if self.keeps:
            self.written += 1
            unit.run(_INSERT_SQL, **entry_values(entry, self._world.seconds()))

    def extend(self, text: str, values: list[Any], entry: AuditEntry, condition: str) -> tuple[str, list[Any]]:
        """Return a statement that also stores the entry if a condition holds, and its values.

        Args:
            text: a statement that changes rows, with `$1` and so on for the values.
            condition: SQL, in which the table `changed` has one row for each row that the statement changed.

        Returns:
            A statement that returns the number of rows changed, and its values. It only counts while `keeps` is False.
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
