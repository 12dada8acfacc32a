"""Simulate the whole system in one process, from one seed: real clients, the real server, and faults.

Who may import it: tests and the command line.
Read more: docs/reliability.md.
"""

from tailwire.testing.simulation.plan import Plan, make_plan
from tailwire.testing.simulation.run import Report, RunFailed, simulate
from tailwire.testing.simulation.shrink import as_test, shrink
from tailwire.testing.simulation.steps import Step

__all__ = ["Plan", "Report", "RunFailed", "Step", "as_test", "make_plan", "shrink", "simulate"]
