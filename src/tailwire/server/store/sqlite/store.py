"""The store on a SQLite file: one writer, which commits many writes at once, and reads that never wait for it (WAL).

With `synchronous=FULL` an acknowledged write survives a killed process and a loss of power.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from tailwire.server import private_files
from tailwire.server.ports.changes import ChangeFeed
from tailwire.server.ports.world import World
from tailwire.server.store.migrate import upgrade
from tailwire.server.store.sql.keys import KeyRows
from tailwire.server.store.sql.notifications import NotificationRows
from tailwire.server.store.sql.push_preferences import PushPreferenceRows
from tailwire.server.store.sql.push_tokens import PushTokenRows
from tailwire.server.store.sqlite.annotations import Annotations
from tailwire.server.store.sqlite.audit import Audit
from tailwire.server.store.sqlite.change_log import ChangeLog
from tailwire.server.store.sqlite.chores import Chores
from tailwire.server.store.sqlite.conversations import Conversations
from tailwire.server.store.sqlite.database import Database
from tailwire.server.store.sqlite.deliveries import Deliveries
from tailwire.server.store.sqlite.files import Files
from tailwire.server.store.sqlite.groups import Groups
from tailwire.server.store.sqlite.lock import ServerLock
from tailwire.server.store.sqlite.measures import Measures
from tailwire.server.store.sqlite.members import Members
from tailwire.server.store.sqlite.messages import Messages
from tailwire.server.store.sqlite.moved import DatabaseMoved, refuse_if_moved
from tailwire.server.store.sqlite.pruning import Pruning
from tailwire.server.store.sqlite.reactions import Reactions
from tailwire.server.store.sqlite.read_state import ReadState
from tailwire.server.store.sqlite.relations import Blocks, Friends
from tailwire.server.store.sqlite.removal import Removal
from tailwire.server.store.sqlite.request_numbers import RequestNumbers
from tailwire.server.store.sqlite.roles import Roles
from tailwire.server.store.sqlite.search_index import SearchIndex
from tailwire.server.store.sqlite.standings import Standings
from tailwire.server.store.sqlite.starts import Starts
from tailwire.server.store.sqlite.tokens import Tokens
from tailwire.server.store.sqlite.users import Users
from tailwire.server.store.sqlite.webhooks import Webhooks
from tailwire.server.store.sqlite.writer import Operation

READ_DEADLINE_SECONDS = 1.0
FILE_SUFFIXES = ("", "-wal", "-shm", "-journal", ".ids", ".lock")


class SqliteStore:
    """The store on a SQLite file: an attribute for each kind of object (see `ports.store.Store`).

    Create it with `open`.

    Args:
        path: the database, whose schema must be that of this version.
        world: the clock, and the source of random names.
        read_deadline: seconds that a read in another thread may take.

    Attributes:
        database: the connections and the writer, which all parts of the store share.
        feed: reports nothing, because no other process changes what this one caches.
        index: the full-text index.
        lock: keeps other servers from using the database; None in a command.
    """

    def __init__(self, path: Path, world: World, read_deadline: float) -> None:
        self.database = database = Database(path, read_deadline)
        self.lock: ServerLock | None = None
        self.feed = ChangeFeed()
        self.feed.complete_at = math.inf  # no other process changes what this one keeps in memory
        self._starts = Starts(path)
        database.on_commit(self._starts.file.write)
        self.audit = Audit(database, world)
        self.request_numbers = RequestNumbers(database, world)
        self.measures = Measures(database, path)
        self.change_log = log = ChangeLog(database, world)
        self.chores = Chores(database, world)
        self.files = Files(database, self.chores, world)
        self.index = SearchIndex(database, self.chores, world)
        self.deliveries = Deliveries(database, world)
        self.webhooks = Webhooks(database, self.deliveries)
        self.keys = KeyRows(database)
        self.tokens = Tokens(database)
        self.users = Users(database, self.tokens, self.files)
        self.push_tokens = PushTokenRows(database)
        self.push_preferences = PushPreferenceRows(database)
        self.notifications = NotificationRows(database)
        self.roles = Roles(database)
        self.blocks = Blocks(database, self.webhooks, log, world)
        self.friends = Friends(database)
        self.messages = Messages(database, self.index, self.files, self.webhooks, world)
        self.groups = Groups(database, self.files, self.webhooks, log)
        self.members = Members(database, self.messages, log)
        self.reactions = Reactions(database, self.webhooks, log)
        self.annotations = Annotations(database, log)
        self.conversations = Conversations(database)
        self.read_state = ReadState(database, self.webhooks, log)
        self.standings = Standings(database)
        self.removal = Removal(
            database,
            tokens=self.tokens,
            blocks=self.blocks,
            files=self.files,
            index=self.index,
            chores=self.chores,
            read_state=self.read_state,
            webhooks=self.webhooks,
            log=log,
            world=world,
        )
        self.pruning = Pruning(database, self.removal, self.chores)
        self._app_id, self._name, self._created = _identity(database.writing, world)

    @classmethod
    async def open(
        cls, path: Path, world: World, read_deadline: float = READ_DEADLINE_SECONDS, *, serving: bool = False
    ) -> SqliteStore:
        """Open or create a database, upgrade its schema if necessary, and return the store.

        Args:
            path: the file. Its folder is created if it is missing.
            world: the clock, and the source of random names.
            read_deadline: seconds that a read in another thread may take.
            serving: True for a server, which keeps other servers away; False for a command, which may run alongside it.

        Raises:
            tailwire.server.store.sqlite.lock.DatabaseInUse: another server uses the file.
            tailwire.server.store.sqlite.moved.DatabaseMoved: the contents were moved to PostgreSQL.
            tailwire.server.store.migrate.NewerDatabase: a newer version wrote the file.
            OSError: the file cannot be opened, read or written.
        """
        private_files.make_folder(path.parent)
        lock = ServerLock(path) if serving else None
        try:
            refuse_if_moved(path)
            # SQLite gives the files next to the database the same mode.
            private_files.create(path)
            private_files.tighten(path.with_name(path.name + suffix) for suffix in FILE_SUFFIXES)
            await asyncio.get_running_loop().run_in_executor(None, upgrade, f"sqlite:///{path}")
            store = cls(path, world, read_deadline)
            if lock is not None:
                store._begin(world)
                store.lock = lock
            else:
                store._refuse_writes_after_move(path)
            return store
        except BaseException as e:
            if lock is not None:
                lock.release()
            if isinstance(e, DBAPIError | sqlite3.Error | OSError) and not isinstance(e, DatabaseMoved):
                raise OSError(f"the database {path} cannot be used: {getattr(e, 'orig', e)}") from e
            raise

    @property
    def name(self) -> str:
        """The store's name. A message id is meaningful only together with it."""
        return self._name

    @property
    def start(self) -> str:
        """The trail of this start (see `store.sql.starts`), which clients keep with their position; "" in a command."""
        return self._starts.known.trail

    def _begin(self, world: World) -> None:
        # A restored older copy, or a database from elsewhere, continues as a new store, above all ids given out.
        database = self.database
        self._name, database.last_id = self._starts.begin(database.writing, world, self._name, database.last_id)

    def _refuse_writes_after_move(self, path: Path) -> None:
        # A command may have opened the file before it was moved, and have waited for its turn to write.
        def accompany(operation: Operation[Any], future: asyncio.Future[Any]) -> Operation[Any]:
            def run_unless_moved(c: sqlite3.Connection) -> Any:
                refuse_if_moved(path)
                return operation(c)

            return run_unless_moved

        self.database.writer.accompaniments.append(accompany)

    async def known_until(self, start: str, message_id: int) -> int:
        """Return the id up to which the history that a client has received is that of this store.

        Args:
            start: the trail that the client received with its position.
            message_id: the position: the id up to which the client has received everything.

        Returns:
            `message_id` if the histories agree; a lower id if an older copy of the database was restored since; -1 if
            they have nothing in common.
        """
        return self._starts.known.known_until(start, message_id, self.database.last_id)

    def on_new_start(self, call: Callable[[], None]) -> None:
        """Do nothing: an older copy of a file can only be restored while no server runs."""

    @property
    def app_id(self) -> str:
        """The id of the app that this store belongs to."""
        return self._app_id

    @property
    def created(self) -> bool:
        """Whether the database was empty, so that an app was created in it."""
        return self._created

    @property
    def write_error(self) -> str:
        """Why the file cannot be written to; "" when it can."""
        return self.database.writer.errors.current

    def try_to_write(self) -> None:
        """Submit a write that changes nothing, and return at once. When it has ended, `write_error` is up to date."""
        self.database.writer.submit(_write_again).add_done_callback(_retrieve)

    def on_write_failure(self, call: Callable[[], None]) -> None:
        """Set the function that is called after each transaction that could not be written."""
        self.database.writer.errors.on_failure(call)

    async def close(self) -> None:
        """Wait for the writes that were submitted, and close the file."""
        self.index.stop()
        await self.database.close()
        self._release()

    def abandon(self) -> None:
        """Close the file at once, as if the process had been killed. No read or write may be in progress."""
        self.index.stop()
        self.database.abandon()
        self._release()

    def _release(self) -> None:
        self._starts.file.close()
        if self.lock is not None:
            self.lock.release()


def _identity(c: sqlite3.Connection, world: World) -> tuple[str, str, bool]:
    # Return the app's id, the store's name, and whether they were created just now.
    row = c.execute("SELECT app_id, store_name FROM app").fetchone()
    if row:
        return row[0], row[1], False
    app_id, name = world.secret(8), world.secret(8)
    sql = "INSERT INTO app (app_id, store_name, created_at) VALUES (?, ?, ?)"
    c.execute(sql, (app_id, name, world.seconds()))
    return app_id, name, True


def _write_again(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE app SET app_id = app_id")


def _retrieve(done: asyncio.Future[None]) -> None:
    if not done.cancelled():
        done.exception()  # reported by the writer
