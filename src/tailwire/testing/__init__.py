"""Tools for testing: the pytest plugin and its parts; simulation, state exploration, fault proxy.

Who may import it: cli, tui, and tests (ours and our users').
Read more: docs/testing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailwire.testing.bots import bot_test as bot_test


def __getattr__(name: str) -> Any:
    if name != "bot_test":
        raise AttributeError(f"module 'tailwire.testing' has no attribute {name!r}")
    # Imported late, because pytest loads this package wherever tailwire is installed.
    from tailwire.testing.bots import bot_test

    return bot_test
