"""`tailwire backup DIR` and `tailwire restore DIR`: copies of a server's database and files."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tailwire.extras import how_to_install
from tailwire.server.app.backup import backup, restore
from tailwire.server.app.opening import database_path, on_postgres, postgres_url
from tailwire.server.config import BadSetting, Settings, load


def back_up_or_restore(args: argparse.Namespace) -> int:
    """Run the command `backup` or `restore`, and print where the copies are.

    Returns:
        The exit code: 0; 1 if the command was refused or failed; 2 for an invalid setting.
    """
    try:
        settings = load({"data": args.data}, file=args.config)
        run = _run_on_postgres if on_postgres(settings) else _run_on_sqlite
        print(run(args, settings, Path(settings.data) / "uploads", Path(args.folder)))
        if args.command == "backup" and settings.uploads:
            print(f"The files in {settings.uploads} are not included: use versioning or replication of the bucket.")
    except BadSetting as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as e:
        print(f"tailwire: {e.name} is missing; run {how_to_install('postgres')}", file=sys.stderr)
        return 1
    except OSError as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    return 0


def _run_on_sqlite(args: argparse.Namespace, settings: Settings, uploads: Path, folder: Path) -> str:
    if args.command == "backup":
        return _backed_up_text(
            folder, *backup(database_path(settings), uploads, folder, in_folder=not settings.uploads)
        )
    return _restored_text(folder, restore(folder, database_path(settings), uploads, replace=args.replace))


def _run_on_postgres(args: argparse.Namespace, settings: Settings, uploads: Path, folder: Path) -> str:
    from tailwire.server.app import postgres_backup  # needs packages that only `tailwire[postgres]` installs

    if args.command == "backup":
        return _backed_up_text(
            folder, *postgres_backup.back_up(postgres_url(settings), uploads, folder, in_folder=not settings.uploads)
        )
    done = postgres_backup.restore(folder, postgres_url(settings), uploads, replace=args.replace)
    return f"{_restored_text(folder, (done.aside,) if done.aside else ())}; ids continue after {done.ids_after}"


def _backed_up_text(folder: Path, size: int, files: int) -> str:
    return f"{folder}: database of {size} bytes, verified; {files} uploaded files"


def _restored_text(folder: Path, asides: tuple[Path, ...]) -> str:
    previous = f"; the previous files are in {' and '.join(map(str, asides))}" if asides else ""
    return f"{folder} is restored{previous}; start the server"
