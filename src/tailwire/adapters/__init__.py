"""Report the app state and the network to a client: one adapter for each framework and platform.

Without an adapter, call `chat.set_app_state(…)`.

Who may import it: bot, testing, cli, tui, and apps. An adapter does not import other adapters, except `find`, which
selects one.
Read more: docs/apps.md.
"""

from tailwire.adapters.loops import LoopClient as LoopClient
from tailwire.adapters.loops import LoopWatch as LoopWatch
from tailwire.adapters.rule import Hidden as Hidden
from tailwire.adapters.rule import Lifecycle as Lifecycle
from tailwire.adapters.rule import State as State
from tailwire.adapters.rule import app_state as app_state
from tailwire.adapters.watching import Ability as Ability
from tailwire.adapters.watching import Network as Network
from tailwire.adapters.watching import Watch as Watch
from tailwire.adapters.watching import WatchedClient as WatchedClient

__all__ = [
    "Ability", "Hidden", "Lifecycle", "LoopClient", "LoopWatch", "Network", "State", "Watch", "WatchedClient",
    "app_state",
]  # fmt: skip
