"""The parts of the code that are mutated, and the tests that must notice.

A part is a package or a module. Its slow tests are left out, except those that are named here one by one.
"""

from __future__ import annotations

PARTS: dict[str, tuple[str, ...]] = {
    "sdk/connection": (
        "tests/unit/sdk/connection",
        "tests/explore",
        "tests/explore/test_exploration.py::test_states_near_the_start_keep_the_invariants_and_the_table",
    ),
    "sdk/continuity": ("tests/unit/sdk/continuity",),
    "sdk/live": ("tests/unit/sdk/live",),
    "wire": ("tests/unit/wire",),
    "server/rules": ("tests/unit/server/rules",),
    "server/fanout": ("tests/unit/server/fanout",),
    "server/limits": ("tests/unit/server/limits",),
    "server/auth": ("tests/unit/server/auth",),
    "server/gateway": ("tests/unit/server/gateway",),
    "server/store/sql": ("tests/unit/server/store", "tests/contract"),
    "server/store/sqlite": ("tests/unit/server/store", "tests/contract"),
}
