"""Tests with two sizes are found by `make thorough`, and each planted fault of the simulation has recorded seeds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sim import fault_seeds, test_faults_are_found, test_servers

TESTS = Path(__file__).parents[1]


def test_modules_with_a_quick_and_a_thorough_size_mark_thorough_tests():
    both, marked = set(), set()
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text()
        if path == Path(__file__):
            continue
        if "from sizes import" in text or "from sim.fault_seeds import require_found" in text:
            both.add(path.name)
        if "pytest.mark.thorough" in text:
            marked.add(path.name)
    assert marked
    assert both - marked == set()


def test_make_thorough_sets_its_variable_and_selects_the_marked_tests():
    shown = subprocess.run(
        ["make", "-n", "thorough"], cwd=TESTS.parent, capture_output=True, text=True, check=True
    ).stdout
    assert "TAILWIRE_THOROUGH=1" in shown
    assert "-m thorough" in shown


def test_every_planted_fault_has_recorded_seeds():
    searches = [*test_faults_are_found.searches(), *test_servers.searches()]
    names = {fault_seeds.name_of(plant) for plant, _ in searches}
    assert names <= set(fault_seeds.recorded_seeds())
    assert [name for name, seeds in fault_seeds.recorded_seeds().items() if not seeds] == []


@pytest.mark.parametrize("thorough", [False, True])
def test_fault_that_only_another_seed_finds_fails_only_the_thorough_run_which_names_the_seed(monkeypatch, thorough):
    monkeypatch.setattr(fault_seeds, "THOROUGH", thorough)
    monkeypatch.setattr(fault_seeds, "recorded_seeds", lambda: {"a fault": [3]})
    fault_seeds.require_found("a fault", lambda seed: seed == 3)
    if thorough:
        with pytest.raises(pytest.fail.Exception, match="17"):
            fault_seeds.require_found("a fault", lambda seed: seed == 17)
    else:
        fault_seeds.require_found("a fault", lambda seed: seed == 17)


def test_fault_that_no_seed_finds_fails_the_run(monkeypatch):
    monkeypatch.setattr(fault_seeds, "recorded_seeds", lambda: {"a fault": [3]})
    with pytest.raises(AssertionError, match=f"no seed below {fault_seeds.MAX_SEEDS} finds it"):
        fault_seeds.require_found("a fault", lambda seed: False)
