"""The store on PostgreSQL. An acknowledged write survives a killed process and a loss of power of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from sqlalchemy.exc import DBAPIError

from tailwire.server.ports.changes import Change, ChangeFeed
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.process_name import process_name
from tailwire.server.store.migrate import upgrade
from tailwire.server.store.postgres.access import DatabaseAccess
from tailwire.server.store.postgres.accompanying import Accompaniment
from tailwire.server.store.postgres.annotations import Annotations
from tailwire.server.store.postgres.audit import Audit
from tailwire.server.store.postgres.change_log import ChangeLog
from tailwire.server.store.postgres.chores import Chores
from tailwire.server.store.postgres.connecting import PATIENT, UNUSABLE, connect, connect_writer
from tailwire.server.store.postgres.conversations import Conversations
from tailwire.server.store.postgres.database import READ_DEADLINE_SECONDS, Database
from tailwire.server.store.postgres.deliveries import Deliveries
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.files import Files
from tailwire.server.store.postgres.groups import Groups
from tailwire.server.store.postgres.keys import Keys
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.postgres.leases import Leases
from tailwire.server.store.postgres.log import Log
from tailwire.server.store.postgres.measures import Measures
from tailwire.server.store.postgres.members import Members
from tailwire.server.store.postgres.messages import Messages
from tailwire.server.store.postgres.presence import PresenceRows
from tailwire.server.store.postgres.processes import Processes
from tailwire.server.store.postgres.pruning import Pruning
from tailwire.server.store.postgres.reactions import Reactions
from tailwire.server.store.postgres.read_state import ReadState
from tailwire.server.store.postgres.receipt_lane import ReceiptLane
from tailwire.server.store.postgres.relations import Blocks, Friends
from tailwire.server.store.postgres.removal import Removal
from tailwire.server.store.postgres.request_numbers import RequestNumbers
from tailwire.server.store.postgres.roles import Roles
from tailwire.server.store.postgres.search import SearchIndex
from tailwire.server.store.postgres.standings import Standings
from tailwire.server.store.postgres.tokens import Tokens
from tailwire.server.store.postgres.unit import Unit
from tailwire.server.store.postgres.upkeep import Upkeep
from tailwire.server.store.postgres.users import Users
from tailwire.server.store.postgres.webhooks import Webhooks
from tailwire.server.store.sql.notifications import NotificationRows
from tailwire.server.store.sql.push_preferences import PushPreferenceRows
from tailwire.server.store.sql.push_tokens import PushTokenRows

_IDENTITY_SQL = "SELECT app_id, store_name FROM app"
_HIGHEST_ID_SQL = "SELECT last_value FROM message_ids"


class PostgresStore:
    """The store on PostgreSQL: an attribute for each kind of object (see `ports.store.Store`). Create it with `open`.

    Attributes:
        database: the connections for reads, and for writes of one statement.
        lane: the queue of all writes that need message ids or depend on what was read.
        index: the full-text index.
        processes: the lease of this process, and what this process knows of the others.
        leases: the leases for work that this process does for all servers.
        presence: which users are online at which process.
        upkeep: renews the lease of this process, and removes old records.
        feed: tells caches which rows have changed.
        log: reads stored messages and changes in the order of their ids.
        lock: None, because several servers may use the database.
    """

    lock = None

    def __init__(self, database: Database, lane: Lane, world: World) -> None:
        self.database = database
        self.lane = lane
        self.feed = ChangeFeed()

        self.processes = Processes(database, lane, world)
        self.presence = PresenceRows(database, lane)
        self.leases = Leases(database, lane)
        self.upkeep = Upkeep(database, self.processes, lane)
        database.accompaniment = Accompaniment(world)
        self.request_numbers = database.numbers = RequestNumbers(database, world)
        self.upkeep.on_cleanup(self.request_numbers.clean)
        access = DatabaseAccess(database, lane, world, database.accompaniment, self.request_numbers, self.feed)
        self.audit = Audit(access)
        self.upkeep.on_cleanup(self.audit.clean)
        self.change_log = log = ChangeLog(access)
        self.upkeep.on_cleanup(log.clean)
        self.measures = Measures(database, lane)
        self.standings = Standings(database)
        self.chores = Chores(access)
        self.files = Files(access, self.chores)
        self.index = SearchIndex(database, world)
        self.deliveries = Deliveries(access)
        self.webhooks = Webhooks(access, self.deliveries)
        self.keys = Keys(access)
        self.tokens = Tokens(access)
        self.users = Users(access, self.chores)
        self.push_tokens = PushTokenRows(database)
        self.push_preferences = PushPreferenceRows(database)
        self.notifications = NotificationRows(database)
        self.roles = Roles(access)
        self.blocks = Blocks(access, self.webhooks, log)
        self.friends = Friends(access)
        self.messages = Messages(access, self.standings, self.index, self.chores, self.webhooks)
        self.log = Log(database, self.messages, lane.starts)
        self.groups = Groups(access, self.standings, self.chores, self.webhooks, log)
        self.members = Members(access, self.standings, self.webhooks, log)
        self.reactions = Reactions(access, self.standings, self.webhooks, log)
        self.annotations = Annotations(access, self.standings, log)
        self.conversations = Conversations(access)
        self._receipts = ReceiptLane(lambda: connect_writer(database.url), lambda: lane.process, lane.errors)
        self.read_state = ReadState(access, self._receipts, self.webhooks, log)
        self.removal = Removal(access, self.standings, self.chores, self.webhooks, log)
        self.upkeep.on_cleanup(self.removal.clean)
        self.pruning = Pruning(access, self.removal, self.chores, log)
        self._app_id = ""
        self._created = False
        lane.on_new_identity(lambda: self.feed.report(None))
        lane.starts.on_new(lambda: self.feed.report(None))
        self.feed.listen(self._on_changes)

    @classmethod
    async def open(
        cls, url: str, world: World, read_deadline: float = READ_DEADLINE_SECONDS, *, serving: bool = False,
        highest: int = 0,
    ) -> PostgresStore:  # fmt: skip
        """Connect to a database, upgrade its schema if necessary, register this process, and return the store.

        Args:
            url: `postgresql://…`.
            world: the clock, and the source of random names.
            read_deadline: seconds that a single statement may take.
            serving: True for a server; False for a command, which may run alongside servers.
            highest: an id above which new ids must be, because lower ones may have been given out; 0 if the database is
                known to be the newest copy.

        Raises:
            tailwire.server.store.migrate.NewerDatabase: a newer version wrote the database.
            tailwire.server.store.migrate.UnsuitableDatabase: the database lacks something that the store needs.
            OSError: the database cannot be used.
        """
        lane = Lane(lambda: connect_writer(url), world, process_name(), serving=serving)
        database = Database(url, read_deadline)
        store: PostgresStore | None = None
        try:
            await asyncio.get_running_loop().run_in_executor(
                None, upgrade, url, partial(connect, url, "migrations", PATIENT)
            )
            lane.starts.begins, lane.starts.highest = serving, highest
            await lane.open()
            store = cls(database, lane, world)
            store.upkeep.start()
            await store._load(world)
            return store
        except BaseException as e:
            if store is not None:
                store.upkeep.stop()
            lane.abandon()
            await database.close()
            if isinstance(e, (DBAPIError, Refused, *UNUSABLE)):
                reason = getattr(e, "orig", None) or database.problem or lane.errors.current or e
                raise OSError(f"the PostgreSQL database cannot be used: {reason}") from e
            raise

    async def _load(self, world: World) -> None:
        app_id, name = world.secret(8), world.secret(8)
        unit = Unit()
        unit.end_if("EXISTS (SELECT FROM app)")
        unit.run(
            "INSERT INTO app (app_id, store_name, created_at) VALUES (:app_id, :name, :now::bigint)",
            app_id=app_id, name=name, now=world.seconds(),
        )  # fmt: skip
        self._created = (await self.lane.submit(Entry(unit=unit))).ended is None
        self._app_id, self.lane.starts.name = await self.database.first_row(_IDENTITY_SQL)
        await self.webhooks.load()
        await self.deliveries.load()

    def _on_changes(self, changes: Sequence[Change] | None) -> None:
        # Another process has begun a new start. Clients must not receive its ids with the trail of the earlier one.
        starts = self.lane.starts
        if any(kind == "start" and key != starts.mark for _, kind, key in changes or ()):
            starts.announce_new()
            self.lane.recheck_start()

    @property
    def name(self) -> str:
        """The store's name. A message id is meaningful only together with it."""
        return self.lane.starts.name

    @property
    def start(self) -> str:
        """The list of recent starts of this database, as text: its trail (see `store.sql.starts`).

        Clients keep it with their position. It is the same in all processes.
        """
        return self.lane.starts.known.trail

    async def known_until(self, start: str, message_id: int) -> int:
        """Return the id up to which the history that a client has received is that of this store.

        Args:
            start: the trail that the client received with its position.
            message_id: the position: the id up to which the client has received everything.

        Returns:
            `message_id` if the histories agree; a lower id if the database was reverted to an older copy since; -1 if
            they have nothing in common.
        """
        starts = self.lane.starts
        if message_id > starts.highest:  # another process may have given it out
            (highest,) = await self.database.first_row(_HIGHEST_ID_SQL)
            return starts.known.known_until(start, message_id, highest)
        return starts.known.known_until(start, message_id, starts.highest)

    async def report_change(self, kind: str, key: str) -> None:
        """Report to all processes a change of something that is not stored in a row, such as a server's settings.

        Args:
            kind, key: as in `ports.changes.Change`.

        Raises:
            Refused: ERR_UNAVAILABLE, the database cannot be written.
        """
        unit = Unit()
        unit.invalidate(kind, key)
        await self.lane.submit(Entry(unit=unit))

    def on_new_start(self, call: Callable[[], None]) -> None:
        """Register a function that is called whenever a new start has begun while this process runs.

        In most cases the reason is that the database was reverted to an older copy.
        """
        self.lane.starts.on_new(call)

    @property
    def app_id(self) -> str:
        """The id of the app that this store belongs to."""
        return self._app_id

    @property
    def created(self) -> bool:
        """Whether `open` found no app in the database, and created one."""
        return self._created

    @property
    def write_error(self) -> str:
        """Why the database cannot be written to; "" when it can."""
        return self.lane.errors.current or self.database.problem

    def try_to_write(self) -> None:
        """Submit a write that changes nothing, and return at once. When it has ended, `write_error` is up to date."""
        with suppress(Refused):  # many writes wait already: `write_error` follows from those
            self.lane.submit(Entry(unit=Unit())).add_done_callback(_retrieve)

    def on_write_failure(self, call: Callable[[], None]) -> None:
        """Set the function that is called after each batch that could not be written."""
        self.lane.errors.on_failure(call)

    async def close(self) -> None:
        """Stop the background tasks, wait for the writes that were submitted, and close the connections."""
        self.index.stop()
        self.webhooks.stop()
        self.deliveries.stop()
        await self.upkeep.close()
        await self._receipts.close()
        await self.lane.close()
        await self.database.close()

    def abandon(self) -> None:
        """Close the connections at once and without waiting, as if the process had been killed."""
        self.index.stop()
        self.webhooks.stop()
        self.deliveries.stop()
        self.upkeep.stop()
        self._receipts.abandon()
        self.lane.abandon()
        self.database.abandon()


def _retrieve(done: asyncio.Future[object]) -> None:
    if not done.cancelled():
        done.exception()  # reported by the lane
