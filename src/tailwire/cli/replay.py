"""`tailwire replay FILE`: replays a dump of a connection step by step."""

from __future__ import annotations

import sys
from pathlib import Path

from tailwire.sdk.connection.explain import explain
from tailwire.sdk.connection.history import load_dump
from tailwire.sdk.connection.replay import replay_inputs
from tailwire.sdk.io.untrusted_json import read_object


def replay(file: str) -> int:
    """Replay a dump of a connection, and print each step: its time, input and commands, and the state after it.

    Returns:
        The exit code: 0; 1 if the file cannot be read, or is not a dump of a connection.
    """
    try:
        state, recorded = load_dump(read_object(Path(file)))
        begin = recorded[0].at if recorded else 0.0
        print(f"          start: {explain(state, begin)}")
        for at, after, one, commands in replay_inputs(state, recorded):
            print(f"{at - begin:9.3f} {one.happened}")
            for command in commands:
                print(f"            -> {command}")
            print(f"          {explain(after, at)}")
    except (OSError, ValueError) as e:
        print(f"tailwire: {file}: {e}", file=sys.stderr)
        return 1
    return 0
