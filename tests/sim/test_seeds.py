"""Runs of the whole system, one per seed: every promise holds at the end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sizes import size
from tailwire.sdk.io.link import Connector
from tailwire.testing.simulation import Plan, RunFailed, Step, as_test, make_plan, oracle, simulate
from tailwire.testing.simulation.__main__ import run_batch

# Killed processes leave coroutines that were never awaited; they may be collected in the next test.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
SEEDS = size(5, 200)
SEEDS_PER_TEST = 5


@pytest.mark.parametrize("first", range(0, SEEDS, SEEDS_PER_TEST))
@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.timeout(240)
def test_promises_hold_on_a_batch_of_seeds(first):
    ran = run_batch(list(range(first, first + SEEDS_PER_TEST)))
    assert len(ran) == SEEDS_PER_TEST
    assert [(seed, what) for seed, report, _, what in ran if report is None] == []


@pytest.mark.thorough
def test_equal_seeds_give_equal_runs_in_another_process():
    seeds = size((1,), (1, 11))
    code = f"from tailwire.testing.simulation import *; print(*(simulate(make_plan(s)).digest for s in {seeds}))"
    salt = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"  # not that of this process
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": salt}, capture_output=True, text=True
    ).stdout
    assert run == " ".join(simulate(make_plan(s)).digest for s in seeds) + "\n"


def test_unexpected_exception_fails_the_seed(monkeypatch):
    def broken(play):
        raise ZeroDivisionError("not foreseen")

    monkeypatch.setattr(oracle, "check", broken)
    with pytest.raises(RunFailed, match="raised: ZeroDivisionError"):
        simulate(Plan(1, ()))


def test_plan_read_from_its_json_is_equal():
    plan = make_plan(5)
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.thorough
@pytest.mark.timeout(600)
def test_plan_without_any_one_of_its_steps_holds_every_promise():
    plan = make_plan(5)
    for n in range(0, len(plan.steps), size(60, 1)):
        simulate(Plan(plan.seed, (*plan.steps[:n], *plan.steps[n + 1 :])))


def test_report_counts_messages():
    plan = Plan(1, (Step(1.0, "alice-phone", "say", "bob"), Step(3600.0, "alice-phone", "say group")))
    report = simulate(plan)
    assert (report.stored, report.received) == (2, 2 + 3)  # bob and alice's desk; carol, bob and the desk
    assert 3600 < report.seconds < 3600 + 700


def test_failure_is_printed_as_a_test():
    plan = Plan(7, (Step(1.0, "alice-phone", "say", "bob"),))
    printed = as_test(plan, RunFailed("lost: this", []))
    scope: dict = {"simulate": lambda p: scope.__setitem__("seen", p), "Plan": Plan}
    exec(printed, scope)
    scope["test_seed_7"]()
    assert scope["seen"] == plan


def test_error_logged_by_the_sdk_fails_the_run(monkeypatch):
    honest, opened = Connector.open, []

    async def open_(self, uid, token, last=None):
        opened.append(uid)
        if len(opened) == 5:  # the first four were there at the start
            raise ZeroDivisionError("not foreseen")
        return await honest(self, uid, token, last)

    monkeypatch.setattr(Connector, "open", open_)
    plan = Plan(1, (Step(1.0, "alice-phone", "drop"), Step(60.0, "alice-phone", "say", "bob")))
    with pytest.raises(RunFailed, match=r"died: .*unexpected error.*ZeroDivisionError"):
        simulate(plan)
