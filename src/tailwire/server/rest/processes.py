"""REST operations on the processes of a database and on the settings of this one. They need a REST key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tailwire.server.actions.payloads import without_none
from tailwire.server.config import Settings, redacted
from tailwire.server.ports.processes import ListProcesses
from tailwire.server.rest import responses
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.setting_sources import DEFAULT_SOURCE, meanings


class ProcessRoutes:
    """The REST operations that list the processes on the database and the settings of this process.

    Args:
        processes: lists the processes on the database.
        settings: the settings of this process.
        sources: where the value of a setting comes from, by its name. Settings with their default value are not in it.
    """

    def __init__(self, processes: ListProcesses, settings: Settings, sources: Mapping[str, str]) -> None:
        self._processes, self._settings, self._sources = processes, settings, sources

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        return [
            Operation("GET", "/processes", "List the servers and commands on the database", self._list,
                      access=Access.ADMIN, response=list[responses.ListedProcess]),
            Operation("GET", "/configuration", "List the settings of the process that answers, without secrets",
                      self._list_settings, access=Access.ADMIN, response=list[responses.Setting]),
        ]  # fmt: skip

    async def _list(self, call: Call) -> list[dict[str, Any]]:
        return [without_none({**row._asdict(), "id": str(row.id)}) for row in await self._processes()]

    async def _list_settings(self, call: Call) -> list[dict[str, Any]]:
        meant = meanings()
        return [
            {
                "name": field.name, "value": redacted(self._settings, field.name), "default": str(field.default),
                "source": self._sources.get(field.name, DEFAULT_SOURCE), "meaning": meant.get(field.name, ""),
            }
            for field in dataclasses.fields(Settings)
        ]  # fmt: skip
