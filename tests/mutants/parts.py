"""The parts of the code that are mutated, and the tests that must notice.

A part is a package or a module. Its slow tests are left out, except those that are named here one by one.
"""

from __future__ import annotations


def _spec(names: str) -> list[str]:
    return [f"tests/spec/test_{name}.py" for name in names.split()]


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
    "server/actions": (
        "tests/unit/server/actions",
        "tests/rights",
        "tests/contract/test_consequences.py",
        *_spec("admin audit_log bots catch_up_pages documented_permissions edits extensions growing_drafts"),
        *_spec("socket_frames jwt_sign_in limits missed_changes other_operations refused_values"),
        *_spec("lists_by_cursor personal_data push_calls push_notifications"),
        *_spec("rest_api retention tokens uploads user_content webhooks"),
    ),
    "server/gateway": (
        "tests/unit/server/gateway",
        "tests/rights/test_sockets.py",
        *_spec("acknowledged_events connections_and_stats extensions limits"),
        *_spec("orderly_close socket_frames socket_liveness tokens under_load without_leftovers"),
    ),
    "server/store/sql": (
        "tests/unit/server/store",
        "tests/contract",
        "tests/rights",
        *_spec("missed_changes permissions push_notifications rest_api user_content webhooks"),
    ),
    "server/store/postgres": ("tests/unit/server/store", "tests/contract", "tests/postgres"),
    "server/store/sqlite": (
        "tests/unit/server/store",
        "tests/contract",
        "tests/unit/server/actions/test_roles.py",
        "tests/rights",
        *_spec("missed_changes permissions repeated_requests rest_api retention uploads user_content"),
    ),
}

USING = {"server/store/sql": "server/store"}
"""What uses the constants of a part, if it is more than the part itself."""
