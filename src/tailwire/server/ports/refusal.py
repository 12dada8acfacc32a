"""How the server says no: an exception with a code of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailwire.wire.catalogue import entry


class Refused(Exception):
    """Something cannot be done. Translated once, at the edge.

    Args:
        code: a code of the catalogue.
        details: what to do, by field where a field is wrong; the catalogue's words by default.
        retry_after: seconds after which it may work.
    """

    def __init__(
        self, code: str, details: str | Mapping[str, Any] | None = None, *, retry_after: float | None = None
    ) -> None:
        super().__init__(code)
        self.code = code
        self.entry = entry(code)
        self.details = details if details is not None else self.entry.details
        self.retry_after = retry_after

    def told(self) -> dict[str, Any]:
        """What somebody is told: code, what went wrong, what to do."""
        return {"code": self.code, "message": self.entry.message, "details": self.details}

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.entry.status
