"""The store on a SQLite file: WAL, one writer with group commit, readers that never wait.

`synchronous=FULL`: an answer to a write means that it survives kill -9 and a loss of power.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from tailwire.server.ports.world import World
from tailwire.server.store.conversations import Conversations
from tailwire.server.store.marks import Marks
from tailwire.server.store.migrate import upgrade
from tailwire.server.store.reactions import Reactions
from tailwire.server.store.removal import Removal
from tailwire.server.store.users import Users
from tailwire.server.store.writer import Writer


class SqliteStore(Removal, Users, Marks, Conversations, Reactions):
    """The embedded store.

    Args:
        most_counted: the largest group whose unread messages are counted; 0 for any.
    """

    def __init__(self, path: Path, world: World, most_counted: int) -> None:
        self._most_counted = most_counted
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tailwire-store")
        self._writing = _connect(path)
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._writer = Writer(self._writing, self._executor, self._rolled_back)
        self._last_id = self._read_last_id(self._reader)
        self._owners = {}
        self._pairs = self._read_pairs(self._reader)
        self._clearers = {row[0] for row in self._reader.execute("SELECT DISTINCT uid FROM marks WHERE cleared_id > 0")}
        self._savers = {row[0] for row in self._reader.execute("SELECT DISTINCT uid FROM saves")}
        self._indexed_id = self._read_indexed_id(self._reader)
        self._by_trigger = self._read_triggers(self._reader)
        self._seconds = world.seconds
        self._count_deliveries(self._reader)
        self._app_id, self._name, self._secret, self._created = self._identity(world)

    @classmethod
    async def open(cls, path: Path, world: World, most_counted: int = 0) -> SqliteStore:
        """Open the file, or make it, and bring it to this version's schema.

        Raises:
            tailwire.server.store.migrate.NewerDatabase: when a newer version wrote it.
            OSError: when the file cannot be opened, read or written.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, upgrade, f"sqlite:///{path}")
            return cls(path, world, most_counted)
        except (DBAPIError, sqlite3.Error) as e:
            raise OSError(f"the database {path} cannot be used: {getattr(e, 'orig', e)}") from e

    @property
    def name(self) -> str:
        """The name of this store: ids mean nothing in one of another name."""
        return self._name

    @property
    def app_id(self) -> str:
        """The app that this store belongs to."""
        return self._app_id

    @property
    def secret(self) -> str:
        """What tokens for WebSockets are signed with."""
        return self._secret

    @property
    def created(self) -> bool:
        """Whether this was the first start on this file."""
        return self._created

    @property
    def trouble(self) -> str:
        """Why the file cannot be written; "" when it can."""
        return self._writer.trouble.now

    def on_failure(self, told: Callable[[], None]) -> None:
        """Name the one who is told of each transaction that could not be written."""
        self._writer.trouble.listen(told)

    async def close(self) -> None:
        """Finish the writes and close the file."""
        self._stop_indexing()
        await self._writer.close()
        self._reader.close()
        await asyncio.get_running_loop().run_in_executor(self._executor, self._writing.close)
        self._executor.shutdown()

    def _identity(self, world: World) -> tuple[str, str, str, bool]:
        c = self._writing
        row = c.execute("SELECT app_id, store_name, secret FROM app").fetchone()
        if row:
            return row[0], row[1], row[2], False
        made = (world.secret(8), world.secret(8), world.secret(32))
        c.execute("INSERT INTO app VALUES (?, ?, ?, ?, 0)", (*made, world.seconds()))
        return (*made, True)

    def _rolled_back(self) -> None:
        self._last_id = self._read_last_id(self._writing)
        self._indexed_id = self._read_indexed_id(self._writing)
        self._by_trigger = self._read_triggers(self._writing)
        self._count_deliveries(self._writing)
        self._pairs = self._read_pairs(self._writing)

    @staticmethod
    def _read_last_id(c: sqlite3.Connection) -> int:
        last = "max((SELECT coalesce(max(id), 0) FROM messages), (SELECT coalesce(max(last_id), 0) FROM app))"
        return int(c.execute(f"SELECT {last}").fetchone()[0])


def _connect(path: Path) -> sqlite3.Connection:
    c = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=5)
    c.execute("PRAGMA journal_mode = WAL")
    c.execute("PRAGMA synchronous = FULL")
    c.execute("PRAGMA cache_size = -32768")
    c.execute("PRAGMA temp_store = MEMORY")
    c.execute("PRAGMA journal_size_limit = 67108864")
    return c
