"""Opens the store that the settings name."""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import parse_qsl

from tailwire.extras import how_to_install
from tailwire.server.app.sealing_key import sealing_key
from tailwire.server.auth.secrets import signing_key
from tailwire.server.config import Settings
from tailwire.server.ports.world import World
from tailwire.server.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from tailwire.server.store.postgres.store import PostgresStore

AnyStore: TypeAlias = "SqliteStore | PostgresStore"
MAX_PORT = 65_535
_SESSION_PARAMETER = "target_session_attrs"
_PLACE = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::(?P<port>[0-9]{0,5}))?")


def on_postgres(settings: Settings) -> bool:
    """Return whether the settings name a PostgreSQL database."""
    return settings.database.startswith(("postgresql://", "postgres://"))


def postgres_url(settings: Settings) -> str:
    """Return the URL of the PostgreSQL database.

    If the URL names several servers without `target_session_attrs`, that parameter is added, so that all connections go
    to the primary server.

    Raises:
        OSError: the host and port cannot be read from the URL. The message contains no part of the URL, because any
            part may be the password.
    """
    url = settings.database.replace("postgres://", "postgresql://", 1)
    places = re.split("[/?#]", url.partition("://")[2])[0].rpartition("@")[2].split(",")
    for place in places:
        parts = _PLACE.fullmatch(place)
        if parts is None or int(parts["port"] or 0) > MAX_PORT:
            raise OSError(
                "database: write postgresql://USER:PASSWORD@HOST:PORT/NAME, and / : @ ? # , % in the user name and the"
                " password as %2F %3A %40 %3F %23 %2C %25"
            )
    # Otherwise a connection that is made while the first one restarts would read from a standby, which may be behind.
    parameters = dict(parse_qsl(url.partition("?")[2]))
    if _SESSION_PARAMETER in parameters or (len(places) == 1 and "," not in parameters.get("host", "")):
        return url
    return f"{url}{'&' if '?' in url else '?'}{_SESSION_PARAMETER}=primary"


def database_path(settings: Settings) -> Path:
    """Return the path of the SQLite file that the settings name; by default `tailwire.db` in the data folder."""
    if settings.database:
        return Path(settings.database.removeprefix("sqlite:///"))
    return Path(settings.data) / "tailwire.db"


async def open_store(settings: Settings, world: World, *, serving: bool = False) -> AnyStore:
    """Open the database that the settings name, and bring it to this version's schema.

    Args:
        serving: True for a server, which locks a SQLite file against other servers; False for a command, which may run
            alongside a server.

    Raises:
        tailwire.server.store.migrate.NewerDatabase: if a newer version wrote the database.
        OSError: if the database cannot be used, or another server uses the SQLite file (`DatabaseInUse`).
    """
    if not on_postgres(settings):
        return await SqliteStore.open(database_path(settings), world, settings.read_deadline, serving=serving)
    _check_packages()
    from tailwire.server.store.postgres.store import PostgresStore

    return await PostgresStore.open(postgres_url(settings), world, settings.read_deadline, serving=serving)


def starting_alone(settings: Settings) -> AbstractAsyncContextManager[None]:
    """Return the context in which a server opens its database and creates keys.

    On PostgreSQL only one server of a database is in it at a time; others wait. On SQLite the context does nothing,
    because `open_store` lets only one server use a file.

    Raises:
        OSError: if the database cannot be used, or another server has been starting for too long.
    """
    if not on_postgres(settings):
        return nullcontext()
    _check_packages()
    from tailwire.server.store.postgres import starting

    return starting.starting_alone(postgres_url(settings))


async def agree_on_keys(settings: Settings, store: AnyStore, world: World) -> None:
    """Check that all servers of a PostgreSQL database have the same signing and sealing keys in their data folders.

    Keys that are missing are created. On SQLite, which has one server, nothing is done.

    Raises:
        OSError: if a key cannot be read or written, or a running server has other keys.
    """
    if isinstance(store, SqliteStore):
        return

    def hashed() -> str:
        keys = signing_key(Path(settings.data), world).encode() + sealing_key(settings.data)
        return hashlib.sha256(b"keys of servers" + keys).hexdigest()

    await store.processes.agree_on(await asyncio.get_running_loop().run_in_executor(None, hashed))


def _check_packages() -> None:
    try:
        import tailwire.server.store.postgres.store  # noqa: F401 - only to see whether it can be imported
    except ModuleNotFoundError as e:
        raise OSError(f"database: {e.name} is missing; run {how_to_install('postgres')}") from e
