"""The phases of a client's connection and the transitions between them, which `make table` has found and stored."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from tailwire.sdk.connection.state import Phase

PHASES_FILE = files("tailwire.lab") / "phases.json"


def phase_graph() -> dict[str, Any]:
    """Return the graph of the connection's phases, JSON-ready.

    Returns:
        `phases`, a list of names; and `edges`, a list of dicts: the phases `from` and `to`, and `events`, the names of
        the events that cause this transition.
    """
    edges = json.loads(PHASES_FILE.read_text(encoding="utf-8"))
    return {"phases": [str(phase) for phase in Phase], "edges": edges}
