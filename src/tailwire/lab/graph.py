"""The phases of the connection and the edges between them, as `make table` found them."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from tailwire.sdk.connection.state import Phase

PHASES_FILE = files("tailwire.lab") / "phases.json"


def phase_graph() -> dict[str, Any]:
    """Return the phases and the edges between them: `from`, `to`, and the `events` that lead along it."""
    edges = json.loads(PHASES_FILE.read_text(encoding="utf-8"))
    return {"phases": [str(phase) for phase in Phase], "edges": edges}
