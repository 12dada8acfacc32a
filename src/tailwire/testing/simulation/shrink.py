"""Find the shortest plan that still fails, and print it as a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tailwire.testing.simulation.plan import Plan
from tailwire.testing.simulation.run import RunFailed, simulate
from tailwire.testing.simulation.steps import Step


def fails(plan: Plan, rule: str = "") -> RunFailed | None:
    """Run a plan, and return its failure; None if it passes.

    Args:
        plan: the plan.
        rule: only a failure for this rule counts (`RunFailed.rule`); "" for any.
    """
    try:
        simulate(plan)
    except RunFailed as failed:
        return failed if not rule or failed.rule == rule else None
    return None


def shrink(plan: Plan, rule: str, tried: Callable[[Plan], None] = lambda plan: None, most: int = 300) -> Plan:
    """Return a plan that breaks the same rule with as few steps as can be found, and with rounded waits.

    Args:
        plan: a plan that fails.
        rule: the rule that it breaks (`RunFailed.rule`).
        tried: called with each shorter plan that still fails.
        most: the maximum number of runs; then the best plan so far is returned.
    """
    left = most

    def still_fails(candidate: Plan) -> bool:
        nonlocal left
        left -= 1
        return fails(candidate, rule) is not None

    size = max(1, len(plan.steps) // 2)
    while size and left > 0:
        start = 0
        while start < len(plan.steps) and left > 0:
            shorter = replace(plan, steps=_without(plan.steps, start, size))
            if still_fails(shorter):
                plan = shorter
                tried(plan)
            else:
                start += size
        size //= 2
    for n in range(len(plan.steps)):
        if left <= 0:
            break
        step = plan.steps[n]
        rounder = replace(step, wait=0.0 if step.wait < 0.1 else float(round(step.wait)))
        if rounder != step:
            candidate = replace(plan, steps=(*plan.steps[:n], rounder, *plan.steps[n + 1 :]))
            if still_fails(candidate):
                plan = candidate
    return plan


def _without(steps: tuple[Step, ...], start: int, size: int) -> tuple[Step, ...]:
    # Keep the waits of the removed steps, so that later steps stay at their time.
    gone = sum(step.wait for step in steps[start : start + size])
    rest = steps[start + size :]
    if rest:
        rest = (replace(rest[0], wait=round(rest[0].wait + gone, 5)), *rest[1:])
    return (*steps[:start], *rest)


def as_test(plan: Plan, failed: RunFailed) -> str:
    """Return the code of a test that runs this plan, to paste into `tests/sim/`; a comment contains the failure."""
    history = plan.to_json().replace("\\", "\\\\")
    return (
        f"def test_seed_{plan.seed}():\n"
        f"    # {failed}\n"
        f'    simulate(Plan.from_json("""{history}"""))\n'
    )  # fmt: skip
