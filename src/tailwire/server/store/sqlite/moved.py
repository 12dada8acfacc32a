"""The mark of a database that was moved to PostgreSQL, so that no server continues with the file left behind."""

from __future__ import annotations

from pathlib import Path

from tailwire.server import private_files

MOVED_SUFFIX = ".moved"


class DatabaseMoved(OSError):
    """The database was moved to PostgreSQL."""


def mark_path(database: Path) -> Path:
    """Return the path of the mark of a database."""
    return database.with_name(database.name + MOVED_SUFFIX)


def mark_moved(database: Path) -> None:
    """Create the mark of a database.

    Raises:
        OSError: it cannot be written.
    """
    private_files.write_whole(mark_path(database), b"moved to PostgreSQL by `tailwire migrate`\n")


def refuse_if_moved(database: Path) -> None:
    """Refuse a database that was moved.

    Raises:
        DatabaseMoved: the database has the mark.
    """
    mark = mark_path(database)
    if mark.exists():
        raise DatabaseMoved(
            f"{database} was moved to PostgreSQL: name that database in the setting `database`. To go back to the file,"
            f" without what was written since the move, remove {mark}"
        )
