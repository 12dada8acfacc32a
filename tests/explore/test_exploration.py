"""Every reachable state with every input keeps every invariant; the transition table equals the stored one."""

from __future__ import annotations

import pytest

import make_connection_table as made
from sizes import THOROUGH

NEAR_STATES = 1_500
"""From each initial state: reaches nine in ten rows of the table, in a twentieth of the time."""


def _require_no_change(rows: set[str]) -> None:
    if rows:
        listed = "\n".join(sorted(rows)[:20])
        pytest.fail("the table changed; look at it, then run `make table`:\n" + listed)


@pytest.mark.slow
@pytest.mark.spec("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "T6")
def test_states_near_the_start_keep_the_invariants_and_the_table():
    found = made.explore_near(NEAR_STATES)
    assert found.states > NEAR_STATES * 7
    expected, actual = (set(text.splitlines()) for text in (made.TABLE.read_text(), made.table_text(found)))
    assert len(actual) > 0.85 * len(expected)
    _require_no_change(actual - expected)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.timeout(400)
@pytest.mark.skipif(not THOROUGH, reason="a minute and a half of computing: see `make thorough`")
@pytest.mark.spec("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "T6")
def test_every_state_with_every_input_keeps_the_invariants_and_the_table():
    found = made.explore_all()
    assert found.states > 20_000
    _require_no_change(set(made.table_text(found).splitlines()) ^ set(made.TABLE.read_text().splitlines()))
    assert made.TABLE.read_text() == made.table_text(found)
    assert made.PAGE.read_text() == made.page_text(found)


def test_stored_graph_and_page_show_the_transition_table():
    table = made.read_table(made.TABLE.read_text())
    assert made.table_text(table) == made.TABLE.read_text()
    assert made.GRAPH.read_text() == made.graph_text(table)
    rows = [f"| {a} → {b} | {', '.join(sorted(events))} |" for (a, b), events in made.changes_of_phase(table).items()]
    assert rows
    assert [row for row in rows if row not in made.PAGE.read_text()] == []
