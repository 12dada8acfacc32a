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

from tailwire.server import private_files
from tailwire.server.ports.world import World
from tailwire.server.store.conversations import Conversations
from tailwire.server.store.lineage import Lineage
from tailwire.server.store.lock import ServerLock
from tailwire.server.store.marks import Marks
from tailwire.server.store.migrate import upgrade
from tailwire.server.store.reactions import Reactions
from tailwire.server.store.readers import Readers, Short
from tailwire.server.store.removal import Removal
from tailwire.server.store.standing import Look
from tailwire.server.store.users import Users
from tailwire.server.store.writer import Writer

READ_DEADLINE = 1.0
BESIDE = ("", "-wal", "-shm", "-journal", ".ids", ".lock")


class SqliteStore(Removal, Users, Marks, Conversations, Reactions, Look):
    """The embedded store.

    Args:
        read_deadline: seconds that a read may take that is not by key.

    Attributes:
        lock: held while a server has this store.
    """

    lock: ServerLock | None = None

    def __init__(self, path: Path, world: World, read_deadline: float) -> None:
        self._world = world
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tailwire-store")
        self._writing = _connect(path)
        self._writing.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not only let go
        self._reader = _connect(path)
        self._reader.execute("PRAGMA query_only = ON")
        self._writer = Writer(self._writing, self._executor, self._rolled_back, self._committed)
        self._lineage = Lineage(path)
        self._short = Short(self._reader)
        self._readers = Readers(lambda: _connect_reader(path), read_deadline)
        self._last_id = self._read_last_id(self._reader)
        self._owners = {}
        self._pairs = self._read_pairs(self._reader)
        self._clearers = {row[0] for row in self._reader.execute("SELECT DISTINCT uid FROM marks WHERE cleared_id > 0")}
        self._savers = {row[0] for row in self._reader.execute("SELECT DISTINCT uid FROM saves")}
        self._indexed_id = self._read_indexed_id(self._reader)
        self._by_trigger = self._read_triggers(self._reader)
        self._seconds = world.seconds
        self._count_deliveries(self._reader)
        self._app_id, self._name, self._created = self._identity(world)

    @classmethod
    async def open(
        cls, path: Path, world: World, read_deadline: float = READ_DEADLINE, *, serving: bool = False
    ) -> SqliteStore:
        """Open the file, or make it, and bring it to this version's schema.

        Args:
            serving: a server starts on it, of which there is one; else a command beside one.

        Raises:
            tailwire.server.store.lock.InUse: when another server has it.
            tailwire.server.store.migrate.NewerDatabase: when a newer version wrote it.
            OSError: when the file cannot be opened, read or written.
        """
        private_files.make_folder(path.parent)
        lock = ServerLock(path) if serving else None
        try:
            # SQLite gives the files beside it the mode of the database.
            private_files.create(path)
            private_files.tighten(path.with_name(path.name + end) for end in BESIDE)
            await asyncio.get_running_loop().run_in_executor(None, upgrade, f"sqlite:///{path}")
            store = cls(path, world, read_deadline)
            if lock is not None:
                store._begin(world)
                store.lock = lock
            return store
        except BaseException as e:
            if lock is not None:
                lock.release()
            if isinstance(e, DBAPIError | sqlite3.Error | OSError):
                raise OSError(f"the database {path} cannot be used: {getattr(e, 'orig', e)}") from e
            raise

    @property
    def name(self) -> str:
        """The name of this store: ids mean nothing in one of another name."""
        return self._name

    @property
    def start(self) -> str:
        """The trail of this start of the server, for positions; "" for a command."""
        return self._lineage.trail

    def _begin(self, world: World) -> None:
        # An older copy of the database, or one from elsewhere, goes on as another store, with ids above those that were
        # given out.
        self._name, self._last_id = self._lineage.begin(self._writing, world, self._name, self._last_id)

    def known_until(self, start: str, message_id: int) -> int:
        """How far a client's position belongs to this store: to its id, to a smaller one, or not at all (-1)."""
        return self._lineage.known_until(start, message_id, self._last_id)

    @property
    def app_id(self) -> str:
        """The app that this store belongs to."""
        return self._app_id

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
        await self._readers.close()
        self._reader.close()
        await asyncio.get_running_loop().run_in_executor(self._executor, self._writing.close)
        self._let_go()

    def _let_go(self) -> None:
        self._lineage.file.close()
        if self.lock is not None:
            self.lock.release()
        self._executor.shutdown()

    def _identity(self, world: World) -> tuple[str, str, bool]:
        c = self._writing
        row = c.execute("SELECT app_id, store_name FROM app").fetchone()
        if row:
            return row[0], row[1], False
        made = (world.secret(8), world.secret(8))
        sql = "INSERT INTO app (app_id, store_name, created_at) VALUES (?, ?, ?)"
        c.execute(sql, (*made, world.seconds()))
        return (*made, True)

    def _committed(self) -> None:
        self._lineage.file.given(self._last_id)

    def _rolled_back(self) -> None:
        self._last_id = self._read_last_id(self._writing)
        self._indexed_id = self._read_indexed_id(self._writing)
        self._count_deliveries(self._writing)

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


def _connect_reader(path: Path) -> sqlite3.Connection:
    c = _connect(path)
    c.execute("PRAGMA query_only = ON")
    c.execute("PRAGMA cache_size = -8192")
    return c
