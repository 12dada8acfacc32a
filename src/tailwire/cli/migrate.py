"""`tailwire migrate`: move a server's database from SQLite to PostgreSQL."""

from __future__ import annotations

import argparse
import sys

from tailwire.server.app.opening import database_path, on_postgres, postgres_url
from tailwire.server.config import BadSetting, load
from tailwire.server.store.migrate import NewerDatabase


def migrate(given: argparse.Namespace) -> int:
    """Run the command, and print what was copied.

    Returns:
        0; 1 if it was refused or failed; 2 for an invalid setting.
    """
    try:
        target = load({"data": given.data, "database": given.to})
        if not on_postgres(target):
            raise BadSetting("name the PostgreSQL database with --to, or in TAILWIRE_DATABASE")
        source = database_path(load({"data": given.data, "database": given.source or ""}))
        from tailwire.server.app.moving import move  # needs packages that only `tailwire[postgres]` installs

        last = move(source, postgres_url(target), lambda table, rows: print(f"{rows:10,} {table}"))
    except BadSetting as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as e:
        print(f"tailwire: {e.name} is missing; install it with pip install 'tailwire[postgres]'", file=sys.stderr)
        return 1
    except (NewerDatabase, OSError) as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    print(f"{source} is moved; ids continue after {last}.")
    print("Start the server with the same data folder, and with the PostgreSQL database as its `database`.")
    print(f"Keep {source} until you are sure, and never start a server on it again.")
    return 0
