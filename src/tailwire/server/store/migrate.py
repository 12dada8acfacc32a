"""Upgrades a database to the schema of this version, or refuses one of a newer version."""

from __future__ import annotations

import functools
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool


class NewerDatabase(RuntimeError):
    """The database was written by a newer version. Nothing was changed."""


def upgrade(url: str) -> None:
    """Upgrade the database at a URL to this version's schema.

    Raises:
        NewerDatabase: its schema version is unknown to this version.
    """
    known = _known()
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current == known.get_current_head():
                return
            if current is not None and current not in {s.revision for s in known.walk_revisions()}:
                raise NewerDatabase(
                    f"the database has schema version {current}, this version of tailwire knows up to "
                    f"{known.get_current_head()}: start the newer version, or use another --data folder"
                )
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    finally:
        engine.dispose()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@functools.cache
def _known() -> ScriptDirectory:
    # Reading the migrations takes longer than all else that opens a database of this version.
    return ScriptDirectory.from_config(_config())
