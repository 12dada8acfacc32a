"""Finds the shortest plan that still fails in the same way, and prints it as a test."""

from __future__ import annotations

from dataclasses import replace

from rights.plan import Plan
from rights.run import Deviation, simulate


def fails(plan: Plan, rule: str = "", ignore: frozenset[str] = frozenset(), *, looks: bool = True) -> Deviation | None:
    """Return how a plan fails, or None; with a rule, only a failure of this rule."""
    try:
        simulate(plan, ignore, looks=looks)
    except Deviation as e:
        return e if not rule or e.rule == rule else None
    return None


def shrink(plan: Plan, rule: str, ignore: frozenset[str] = frozenset(), most: int = 300) -> Plan:
    """Return a plan without the steps that the violation of a rule does not need; it takes at most `most` runs."""
    size = max(1, len(plan.steps) // 2)
    while size and most > 0:
        start = 0
        while start < len(plan.steps) and most > 0:
            shorter = replace(plan, steps=(*plan.steps[:start], *plan.steps[start + size :]))
            most -= 1
            if fails(shorter, rule, ignore) is not None:
                plan = shorter
            else:
                start += size
        size //= 2
    return plan


def as_test(plan: Plan, failed: Deviation) -> str:
    """Return a test to paste into `test_rights.py`."""
    text = str(failed).replace("\n", "\n    # ")
    return f'def test_seed_{plan.seed}():\n    # {text}\n    simulate(Plan.from_json("""{plan.to_json()}""", {plan.seed}))\n'
