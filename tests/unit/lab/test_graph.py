"""The lab's graph contains every phase, and each edge joins two of them."""

from __future__ import annotations

import re
from importlib.resources import files

from tailwire.lab.graph import phase_graph
from tailwire.sdk.connection.state import Phase


def test_edges_of_the_graph_join_all_phases_and_nothing_else():
    graph = phase_graph()
    assert graph["phases"] == [p.value for p in Phase]
    pairs = {(e["from"], e["to"]) for e in graph["edges"]}
    assert {("idle", "connecting"), ("connecting", "open"), ("open", "waiting")} <= pairs
    assert {phase for pair in pairs for phase in pair} == set(graph["phases"])
    assert all(e["events"] for e in graph["edges"])


def test_page_draws_each_phase():
    script = (files("tailwire.lab") / "page" / "machine.js").read_text()
    places = re.search(r"const PLACES = \{(.*?)\};", script, re.DOTALL)[1]
    assert set(re.findall(r"^\s*(\w+): \[", places, re.MULTILINE)) == {p.value for p in Phase}
