"""`tailwire serve`."""

from __future__ import annotations

import argparse
import asyncio
import sys

from tailwire.server.app import serve as serve_until_stopped
from tailwire.server.config import BadSetting, load
from tailwire.server.store.migrate import NewerDatabase
from tailwire.server.telemetry.logs import configure


def loop_factory() -> asyncio.AbstractEventLoop:
    """uvloop where it is installed, else asyncio's own."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def serve(given: argparse.Namespace) -> int:
    """Run the server until a signal says stop."""
    arguments = {k: v for k, v in vars(given).items() if k not in ("command", "config")}
    try:
        settings = load(arguments, file=given.config)
    except BadSetting as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    configure(settings.log_level)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve_until_stopped(settings))
    except (NewerDatabase, OSError) as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    return 0
