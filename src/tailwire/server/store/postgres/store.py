"""The store on PostgreSQL. An acknowledged write survives a killed process and a loss of power of the database."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.migrate import upgrade
from tailwire.server.store.postgres.accompanying import Accompaniment
from tailwire.server.store.postgres.annotations import Annotations
from tailwire.server.store.postgres.audit import Audit
from tailwire.server.store.postgres.change_log import ChangeLog
from tailwire.server.store.postgres.chores import Chores
from tailwire.server.store.postgres.connecting import UNUSABLE, connect_writer
from tailwire.server.store.postgres.conversations import Conversations
from tailwire.server.store.postgres.database import READ_DEADLINE_SECONDS, Database
from tailwire.server.store.postgres.deliveries import Deliveries
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.files import Files
from tailwire.server.store.postgres.groups import Groups
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.postgres.measures import Measures
from tailwire.server.store.postgres.members import Members
from tailwire.server.store.postgres.messages import Messages
from tailwire.server.store.postgres.reactions import Reactions
from tailwire.server.store.postgres.read_state import ReadState
from tailwire.server.store.postgres.relations import Blocks, Friends
from tailwire.server.store.postgres.removal import Removal
from tailwire.server.store.postgres.roles import Roles
from tailwire.server.store.postgres.search import SearchIndex
from tailwire.server.store.postgres.standings import Standings
from tailwire.server.store.postgres.tokens import Tokens
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.upkeep import DatabaseInUse, Upkeep
from tailwire.server.store.postgres.users import Users
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.postgres.work import Work
from tailwire.server.store.sql.keys import Keys

_IDENTITY = "SELECT app_id, store_name FROM app"


class PostgresStore:
    """The store on PostgreSQL: one object for each noun (see `ports.store.Store`). `open` makes it.

    Attributes:
        database: the connections for reads and single statements.
        lane: carries all writes that get ids or depend on what was read.
        index: the full-text index.
        upkeep: renews the lease of this process, and removes what is old.
        lock: None; that of a server is kept by `upkeep`.
    """

    lock = None

    def __init__(self, database: Database, lane: Lane, world: World, *, serving: bool = False) -> None:
        self.database = database
        self.lane = lane
        self.upkeep = Upkeep(database, lane, serving=serving)
        database.accompaniment = Accompaniment(world)
        work = Work(database, lane, world, database.accompaniment)
        self.audit = Audit(work)
        self.upkeep.on_cleanup(self.audit.clean)
        self.change_log = log = ChangeLog(work)
        self.upkeep.on_cleanup(log.clean)
        self.measures = Measures(database, lane)
        self.standings = Standings(database)
        self.chores = Chores(work)
        self.files = Files(work, self.chores)
        self.index = SearchIndex(database, world)
        self.deliveries = Deliveries(work)
        self.webhooks = Webhooks(work, self.deliveries)
        self.keys = Keys(database)
        self.tokens = Tokens(work)
        self.users = Users(work, self.chores)
        self.roles = Roles(work)
        self.blocks = Blocks(work, self.webhooks)
        self.friends = Friends(work)
        self.messages = Messages(work, self.standings, self.index, self.chores, self.webhooks)
        self.groups = Groups(work, self.standings, self.chores, self.webhooks)
        self.members = Members(work, self.standings, self.webhooks, log)
        self.reactions = Reactions(work, self.standings, self.webhooks, log)
        self.annotations = Annotations(work, self.standings, log)
        self.conversations = Conversations(work)
        self.read_state = ReadState(work, self.webhooks, log)
        self.removal = Removal(work, self.standings, self.chores, self.webhooks, log)
        self._app_id = self._name = ""
        self._created = False

    @classmethod
    async def open(
        cls, url: str, world: World, read_deadline: float = READ_DEADLINE_SECONDS, *, serving: bool = False
    ) -> PostgresStore:
        """Connect to a database, and bring it to this version's schema.

        Args:
            read_deadline: seconds that a read may take.
            serving: True for a server; False for a command that runs beside it.

        Raises:
            tailwire.server.store.migrate.NewerDatabase: a newer version wrote the database.
            tailwire.server.store.postgres.upkeep.DatabaseInUse: another server uses it.
            OSError: the database cannot be used.
        """
        lane = Lane(lambda: connect_writer(url), world, f"{socket.gethostname()}:{os.getpid()}")
        database = Database(url, read_deadline)
        store: PostgresStore | None = None
        try:
            await asyncio.get_running_loop().run_in_executor(None, upgrade, url)
            await lane.open()
            store = cls(database, lane, world, serving=serving)
            await store.upkeep.start()
            await store._load(world)
            return store
        except BaseException as e:
            if store is not None:
                store.upkeep.stop()
            lane.abandon()
            await database.close()
            if isinstance(e, DatabaseInUse):
                raise
            if isinstance(e, (DBAPIError, Refused, *UNUSABLE)):
                reason = getattr(e, "orig", None) or e
                raise OSError(f"the PostgreSQL database cannot be used: {reason}") from e
            raise

    async def _load(self, world: World) -> None:
        app_id, name = world.secret(8), world.secret(8)
        unit = Unit()
        unit.until("EXISTS (SELECT FROM app)")
        unit.do(
            "INSERT INTO app (app_id, store_name, created_at) VALUES (:app_id, :name, :now::bigint)",
            app_id=app_id, name=name, now=world.seconds(),
        )  # fmt: skip
        self._created = (await self.lane.submit(Entry(unit=unit))).ended is None
        self._app_id, self._name = await self.database.one(_IDENTITY)
        await self.webhooks.load()
        await self.deliveries.load()

    @property
    def name(self) -> str:
        """Return the store's name. A message id is meaningful only together with it."""
        return self._name

    @property
    def start(self) -> str:
        """Return what clients keep with their positions for `known_until`: the same for all processes."""
        return f"{self._name}-0"

    def known_until(self, start: str, message_id: int) -> int:
        """Return up to which id a client's position belongs to this store: -1 if no part of it does."""
        return message_id if start == self.start else -1

    @property
    def app_id(self) -> str:
        """Return the id of the app that this store belongs to."""
        return self._app_id

    @property
    def created(self) -> bool:
        """Return whether the store was created by this start."""
        return self._created

    @property
    def write_error(self) -> str:
        """Return why the database cannot be written; "" when it can."""
        return self.lane.errors.current or self.database.problem

    def on_write_failure(self, call: Callable[[], None]) -> None:
        """Call a function after each batch that could not be written."""
        self.lane.errors.on_failure(call)

    async def close(self) -> None:
        """Finish the writes that were submitted, and close the connections."""
        self.index.stop()
        await self.upkeep.close()
        await self.lane.close()
        await self.database.close()

    def abandon(self) -> None:
        """Close the connections at once, as the end of the process would."""
        self.index.stop()
        self.upkeep.stop()
        self.lane.abandon()
        self.database.abandon()
