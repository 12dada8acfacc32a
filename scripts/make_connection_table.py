"""Explore the connection machine; write its transition table, the docs page and the lab's graph."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tailwire.sdk.connection.state import State
from tailwire.testing.explore import Found, explore, starts

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "tests" / "explore" / "connection_table.tsv"
PAGE = ROOT / "docs" / "connection-states.md"
GRAPH = ROOT / "src" / "tailwire" / "lab" / "phases.json"


def explore_one(start: State) -> Found:
    """Explore from one start state (in a process of its own)."""
    return explore([start])


def explore_all() -> Found:
    """Explore from all start states, on all cores."""
    whole = Found()
    with ProcessPoolExecutor() as pool:
        for part in pool.map(explore_one, starts()):
            whole.states += part.states
            whole.steps += part.steps
            for key, results in part.table.items():
                whole.table.setdefault(key, set()).update(results)
    return whole


def table_text(found: Found) -> str:
    """Return the table as sorted text: state, event, next state, commands."""
    rows = sorted(
        f"{state}\t{event}\t{after}\t{commands}"
        for (state, event), results in found.table.items()
        for after, commands in results
    )
    return "\n".join(["state\tevent\tstate after\tcommands", *rows]) + "\n"


def changes_of_phase(found: Found) -> dict[tuple[str, str], set[str]]:
    """Return the events that lead from one phase to another, by the two phases."""
    phases: dict[tuple[str, str], set[str]] = {}
    for (state, event), results in found.table.items():
        for after, _ in results:
            a, b = _phase(state), _phase(after)
            if a != b and "older socket" not in event:
                phases.setdefault((a, b), set()).add(event.split(":")[0].split(",")[0])
    return dict(sorted(phases.items()))


def graph_text(found: Found) -> str:
    """Return the edges between the phases, for the lab."""
    lines = [
        json.dumps({"from": a, "to": b, "events": sorted(events)}) for (a, b), events in changes_of_phase(found).items()
    ]
    return "[\n  " + ",\n  ".join(lines) + "\n]\n"


def page_text(found: Found) -> str:
    """Return the docs page."""
    lines = [f"    {a} --> {b}: {_label(events)}" for (a, b), events in changes_of_phase(found).items()]
    return f"""# The states of a connection

Made by `make table` from an exploration of the connection machine: {found.states:,} states and {found.steps:,} steps,
each checked against the invariants I1 to I10. The whole table, state by state and event by event, is
`tests/explore/connection_table.tsv`; a test fails when the code no longer agrees with it.

| phase | what is under way | status that listeners see |
| --- | --- | --- |
| idle | nothing: no socket is wanted | `disconnected` |
| waiting | a timer for the next attempt | `disconnected` |
| renewing | the token provider is asked | `connecting` |
| connecting | bootstrap, socket and authentication; ends after 10 s without a byte, or 60 s | `connecting` |
| open | the socket is up; heartbeats watch it | `connected` or `featureThrottled` |

```mermaid
stateDiagram-v2
    [*] --> idle
{chr(10).join(lines)}
```
"""


def _phase(state: str) -> str:
    return state.rsplit(", ", 1)[-1].split(" ")[0]


def _label(events: set[str]) -> str:
    names = sorted(events)
    return ", ".join(names[:4]) + (f", {len(names) - 4} more" if len(names) > 4 else "")


def main() -> int:
    """Write the files."""
    found = explore_all()
    TABLE.write_text(table_text(found))
    GRAPH.write_text(graph_text(found))
    PAGE.write_text(page_text(found))
    print(f"{found.states:,} states, {found.steps:,} steps, {len(found.table):,} rows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
