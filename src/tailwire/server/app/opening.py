"""Opens the store that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tailwire.server.config import Settings
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from tailwire.server.store.postgres.store import PostgresStore

AnyStore: TypeAlias = "SqliteStore | PostgresStore"


def on_postgres(settings: Settings) -> bool:
    """Return whether the settings name a PostgreSQL database."""
    return settings.database.startswith(("postgresql://", "postgres://"))


def postgres_url(settings: Settings) -> str:
    """Return the URL of the PostgreSQL database."""
    return settings.database.replace("postgres://", "postgresql://", 1)


def database_path(settings: Settings) -> Path:
    """Return the path of the SQLite file."""
    if settings.database:
        return Path(settings.database.removeprefix("sqlite:///"))
    return Path(settings.data) / "tailwire.db"


async def open_store(settings: Settings, world: World, *, serving: bool = False) -> AnyStore:
    """Open the database that the settings name, and bring it to this version's schema.

    Args:
        serving: True for a server, which needs the database for itself; False for a command that runs beside it.

    Raises:
        tailwire.server.store.migrate.NewerDatabase: if a newer version wrote the database.
        OSError: if the database cannot be used.
    """
    if not on_postgres(settings):
        return await SqliteStore.open(database_path(settings), world, settings.read_deadline, serving=serving)
    try:
        from tailwire.server.store.postgres.store import PostgresStore
    except ModuleNotFoundError as e:
        raise OSError(f"database: {e.name} is missing; install it with pip install 'tailwire[postgres]'") from e
    return await PostgresStore.open(postgres_url(settings), world, settings.read_deadline, serving=serving)
