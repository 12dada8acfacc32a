"""Tools for testing: the pytest plugin and its parts; simulation, state exploration, fault proxy.

Who may import it: lab, cli, tui, and tests (ours and our users').
Read more: docs/testing.md.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailwire.sdk.io.world import Timer as Timer
    from tailwire.sdk.io.world import Wire as Wire
    from tailwire.sdk.io.world import World as World
    from tailwire.testing.bots import BotTest as BotTest
    from tailwire.testing.bots import bot_test as bot_test

_HOMES = {"sdk.io.world": ("Timer", "Wire", "World"), "testing.bots": ("BotTest", "bot_test")}
_LAZY = {name: f"tailwire.{module}" for module, names in _HOMES.items() for name in names}
__all__ = ["BotTest", "Timer", "Wire", "World", "bot_test"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'tailwire.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)  # only now: the plugin loads this package with pytest
