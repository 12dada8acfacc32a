"""`tailwire migrate`: move a server's database from SQLite to PostgreSQL."""

from __future__ import annotations

import argparse
import math
import sys
import time
from typing import TYPE_CHECKING

from tailwire.extras import how_to_install
from tailwire.server.app.opening import database_path, on_postgres, postgres_url
from tailwire.server.config import BadSetting, load
from tailwire.server.store.migrate import NewerDatabase

if TYPE_CHECKING:
    from tailwire.server.app.moving import Pass

SECONDS_BETWEEN_LINES = 60.0
PASSES_LEFT = 3
"""How many passes over the data remain when the server has stopped: the current one, the last, and the verification."""


def migrate(args: argparse.Namespace) -> int:
    """Copy a database from SQLite to PostgreSQL, and print the number of rows of each table.

    With `--follow`, the server may run meanwhile. Passes over changed rows are repeated until it has stopped. Finally,
    the SQLite database is marked as moved, so that servers refuse to start on it.

    Returns:
        The exit code: 0; 1 if the command was refused or failed; 2 for an invalid setting.
    """
    try:
        target = load({"data": args.data, "database": args.to})
        if not on_postgres(target):
            raise BadSetting("name the PostgreSQL database with --to, or in TAILWIRE_DATABASE")
        named = load({"data": args.data, "database": args.source or ""})
        if on_postgres(named):
            raise BadSetting(
                "--from names the SQLite database that is moved: sqlite:///FILE. PostgreSQL is named with --to"
            )
        source = database_path(named)
        from tailwire.server.app import moving  # needs packages that only `tailwire[postgres]` installs

        def report(table: str, rows: int) -> None:
            print(f"{rows:10,} {table}", flush=True)

        url = postgres_url(target)
        follow = args.follow
        last = (
            moving.follow(source, url, report, _PassPrinter().print_pass)
            if follow
            else moving.move(source, url, report)
        )
    except BadSetting as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as e:
        print(f"tailwire: {e.name} is missing; run {how_to_install('postgres')}", file=sys.stderr)
        return 1
    except (NewerDatabase, OSError) as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tailwire: interrupted; nothing is kept in the PostgreSQL database", file=sys.stderr)
        return 1
    print(f"{source} is moved; ids continue after {last}.")
    print("Start the server with the same data folder, and with the PostgreSQL database as its `database`.")
    print(f"Keep {source} until you are sure. Servers refuse to start on it from now on.")
    return 0


class _PassPrinter:
    """Prints a line for each pass of `--follow`; after the line that the server can be stopped, only one per minute."""

    def __init__(self) -> None:
        self._near = False
        self._printed_at = -math.inf

    def print_pass(self, done: Pass) -> None:
        """Print a line about a finished pass; at most one per minute once the server can be stopped."""
        if done.last:
            print(f"last pass: {done.rows:,} rows in {done.seconds:.1f} s", flush=True)
            return
        now = time.monotonic()
        if not self._near or now - self._printed_at >= SECONDS_BETWEEN_LINES:
            print(f"pass {done.number}: {done.rows:,} rows had changed, {done.seconds:.1f} s", flush=True)
            self._printed_at = now
        if done.near and not self._near:
            self._near = True
            rest = math.ceil(done.seconds * PASSES_LEFT)
            print(f"Stop the server when you like; what is left takes about {rest} s.", flush=True)
