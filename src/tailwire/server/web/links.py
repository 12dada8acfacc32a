"""The REST operation with which the holder of a REST key creates a link to the console."""

from __future__ import annotations

from typing import Any

from tailwire.server.rest import responses
from tailwire.server.rest.operations import Access, Call, Operation
from tailwire.server.web.sessions import LINK_SECONDS, ConsoleSessions


class LinkRoutes:
    """The routes of the resource `console/links`.

    Args:
        sessions: creates the links.
    """

    def __init__(self, sessions: ConsoleSessions) -> None:
        self._sessions = sessions

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        return [
            Operation("POST", "/console/links", "Create a link to the console, valid once within 60 seconds",
                      self._create, access=Access.ADMIN, response=responses.ConsoleLink),
        ]  # fmt: skip

    async def _create(self, call: Call) -> dict[str, Any]:
        return {"path": self._sessions.create_link(call.header(b"apikey")), "seconds": int(LINK_SECONDS)}
