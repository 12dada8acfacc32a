"""Every reachable state with every input keeps every invariant; the transition table equals the stored one."""

from __future__ import annotations

import pytest

import make_connection_table as made


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.spec("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "T6")
def test_every_state_with_every_input_keeps_the_invariants_and_the_table():
    found = made.explore_all()
    assert found.states > 20_000
    expected, actual = made.TABLE.read_text(), made.table_text(found)
    if expected != actual:
        changed = sorted(set(actual.splitlines()) ^ set(expected.splitlines()))[:20]
        pytest.fail("the table changed; look at it, then run `make table`:\n" + "\n".join(changed))
    assert made.PAGE.read_text() == made.page_text(found)
    assert made.GRAPH.read_text() == made.graph_text(found)
