"""Response bodies that several resources share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tailwire.server.ports.refusal import Refused
from tailwire.server.rest.queries import Paged

SUCCESS: dict[str, Any] = {"success": True}


def confirmation(message: str) -> dict[str, Any]:
    """Return the body of a success that consists of a message only."""
    return {"success": True, "message": message}


def refused_outcome(refused: Refused) -> dict[str, Any]:
    """Return the outcome of a part of a request that was refused."""
    return {"success": False, "error": refused.as_error()}


def outcomes(by_name: Mapping[str, Refused | None], message: str) -> dict[str, Any]:
    """Return the outcomes of several parts of a request, by name.

    Args:
        by_name: the refusal of each part; None for a success.
        message: the message for each success.
    """
    return {
        name: confirmation(message) if refused is None else refused_outcome(refused)
        for name, refused in by_name.items()
    }


def page(query: Paged, rows: list[Any], total: int) -> dict[str, Any]:
    """Return a numbered page of a list as the body of a response, with the total.

    Args:
        rows: the entries of the page, as clients receive them.
        total: the number of entries of the whole list.
    """
    size = query.size
    pagination = {
        "total": total,
        "count": len(rows),
        "per_page": size,
        "current_page": query.page,
        "total_pages": -(-total // size),
    }
    return {"data": rows, "meta": {"pagination": pagination}}
