"""Marks a database file whose contents were moved to PostgreSQL, so that no server continues with the file."""

from __future__ import annotations

from pathlib import Path

from tailwire.server import private_files

MOVED_SUFFIX = ".moved"


class DatabaseMoved(OSError):
    """The database was moved to PostgreSQL."""


def mark_path(database: Path) -> Path:
    """Return the path of the file that marks a database as moved."""
    return database.with_name(database.name + MOVED_SUFFIX)


def mark_moved(database: Path) -> None:
    """Mark a database as moved to PostgreSQL.

    Raises:
        OSError: the mark cannot be written.
    """
    private_files.write_whole(mark_path(database), b"moved to PostgreSQL by `tailwire migrate`\n")


def refuse_if_moved(database: Path) -> None:
    """Raise `DatabaseMoved` if a database is marked as moved.

    Raises:
        DatabaseMoved: the database was moved to PostgreSQL.
    """
    mark = mark_path(database)
    if mark.exists():
        raise DatabaseMoved(
            f"{database} was moved to PostgreSQL: name that database in the setting `database`. To go back to the file,"
            f" without what was written since the move, remove {mark}"
        )
