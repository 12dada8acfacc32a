"""Adds the audit log entry of a request to its first write, so that no other class needs code for the audit log."""

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
    """Adds the audit log entry of the current request to the write that stores it.

    Only for entries of changes. Those of reads and sends are stored with `Audit.add` after the request has succeeded,
    so that sends, by far the most frequent writes, do not take longer.

    Attributes:
        keeps: whether entries are stored at all; `Audit.set_limits` sets it.
        written: how many entries were added to writes since `Audit.clean` last set this to 0.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.keeps = False
        self.written = 0

    def take(self) -> AuditEntry | None:
        """Return the entry of the current request, for the write that will store it, and mark it as taken.

        A caller whose write fails or changes nothing must set the entry's `taken` to False. Then the next write of the
        request takes it.

        Returns:
            None if there is nothing to store: the request has no entry or has failed, it is a read or a send, or
            another write has taken the entry.
        """
        entry = current_entry.get()
        if entry is None or entry.taken or entry.over or entry.kind == USE:
            return None
        entry.taken = True
        return entry

    def add_last_step(self, unit: Unit, entry: AuditEntry) -> None:
        """Add to a unit the step that stores the entry.

        Call this after all other steps: then a unit that ends early stores no entry. Adds nothing while `keeps` is
        False.
        """
        if self.keeps:
            self.written += 1
            unit.run(_INSERT_SQL, **entry_values(entry, self._world.seconds()))

    def extend(self, text: str, values: list[Any], entry: AuditEntry, condition: str) -> tuple[str, list[Any]]:
        """Extend a statement so that it also stores the entry if a condition holds.

        While `keeps` is False, the entry is left out.

        Args:
            text: a statement that changes rows, with `$1` and so on for the values.
            condition: SQL, in which the table `changed` has one row for each row that the statement changed.

        Returns:
            The extended statement, which returns the number of rows that `text` changed, and its values.
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
