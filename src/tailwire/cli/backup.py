"""`tailwire backup DIR` and `tailwire restore DIR`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tailwire.server.app.backup import backup, restore
from tailwire.server.app.opening import database_path, on_postgres
from tailwire.server.config import BadSetting, load


def back_up_or_restore(given: argparse.Namespace) -> int:
    """Run the command and print where the copies are.

    Returns:
        0; 1 if it was refused or failed; 2 for an invalid setting.
    """
    try:
        settings = load({"data": given.data})
        if on_postgres(settings):
            raise BadSetting(f"database: tailwire {given.command} copies SQLite files; use pg_dump and pg_restore")
        database, uploads, folder = database_path(settings), Path(settings.data) / "uploads", Path(given.folder)
        if given.command == "backup":
            size, files = backup(database, uploads, folder)
            print(f"{folder}: database of {size} bytes, verified; {files} uploaded files")
            if settings.uploads:
                print(f"The files in {settings.uploads} are not included: use versioning or replication of the bucket.")
        else:
            aside = restore(folder, database, uploads, replace=given.replace)
            print(f"{folder} is restored{f'; the previous files are in {aside}' if aside else ''}; start the server")
    except BadSetting as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    except OSError as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    return 0
