"""Refusals: the exception that carries an error code of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from tailwire.wire.catalogue import entry


class Refused(Exception):
    """The refusal of a request, which the REST API or the gateway converts to a response.

    Args:
        code: a code of the catalogue (`wire.catalogue`), which has its message, its HTTP status and its details.
        details: what the caller can do, as a text or by field if a field is invalid; None for those of the catalogue.
        retry_after: seconds after which a retry may succeed; None if that is not known.
        limit: the name of the setting whose limit was exceeded; "" if none was.
    """

    def __init__(
        self,
        code: str,
        details: str | Mapping[str, Any] | None = None,
        *,
        retry_after: float | None = None,
        limit: str = "",
    ) -> None:
        super().__init__(code)
        self.code = code
        self.entry = entry(code)
        self.details = details if details is not None else self.entry.details
        self.retry_after = retry_after
        self.limit = limit

    def as_error(self) -> dict[str, Any]:
        """Return the error for the caller: `code`, `message` (what went wrong) and `details` (what to do)."""
        return {"code": self.code, "message": self.entry.message, "details": self.details}

    @property
    def is_temporary(self) -> bool:
        """Whether the store or another service failed (status 503), so that the same request may succeed later."""
        return self.status == HTTPStatus.SERVICE_UNAVAILABLE

    @property
    def status(self) -> int:
        """The HTTP status of the response."""
        return self.entry.status


class NotAuthenticated(Refused):
    """The refusal of a token or key.

    Args:
        code: a code of the catalogue.
        reason: why, for the log and the metrics; one of a small number of texts, because it becomes a label.
        uid: the user to whom the token belongs, or belonged; "" if that is unknown.
        details: as in `Refused`.
    """

    def __init__(self, code: str, reason: str, uid: str = "", details: str | None = None) -> None:
        super().__init__(code, details)
        self.reason = reason
        self.uid = uid
