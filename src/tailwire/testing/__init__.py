"""Tools for testing: the pytest plugin (docs/testing.md) and what it stands on; simulation, exploration, fault proxy.

Who may import it: cli, tui, and tests (ours and our users').
Design page: architecture.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailwire.testing.bots import bot_test as bot_test


def __getattr__(name: str) -> Any:
    if name != "bot_test":
        raise AttributeError(f"module 'tailwire.testing' has no attribute {name!r}")
    from tailwire.testing.bots import bot_test  # only here: the plugin loads this package wherever pytest runs

    return bot_test
