"""The whole system in one process on one seed: real clients, the real server, and everything that can go wrong.

Who may import it: tests and the command line.
Design page: connection.md (Invariants); Nothing is lost.
"""

from tailwire.testing.simulation.plan import Plan, make_plan
from tailwire.testing.simulation.run import Failed, Report, simulate
from tailwire.testing.simulation.shrink import as_test, shrink
from tailwire.testing.simulation.steps import Step

__all__ = ["Failed", "Plan", "Report", "Step", "as_test", "make_plan", "shrink", "simulate"]
