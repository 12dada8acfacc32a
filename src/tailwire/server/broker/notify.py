"""The broker over PostgreSQL: LISTEN and NOTIFY on a connection of its own.

When the store commits a batch, its transaction itself notifies other processes of the ids; they read the messages from
the store. All other publications are sent by this broker as payloads of notifications. This suits only a few
processes, because each one receives everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from tailwire.server.broker.codec import UnknownNews, decode, encode_publication
from tailwire.server.broker.outgoing import OutgoingQueue
from tailwire.server.broker.pieces import BadPiece, Pieces, payloads_of
from tailwire.server.ports.broker import NewsReceiver, Publication, Record
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

RECORDS, PUBLICATIONS, ARRIVALS = "tailwire", "tailwire_publications", "tailwire_arrivals"
"""The channels of NOTIFY: for records (the ids of committed batches), for publications, and for the names of processes
that have just connected.
"""
CALL_SECONDS = 5.0
CHECK_SECONDS = 2.0
CLOSE_SECONDS = 1.0
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.05, 1.0
PUBLICATIONS_PER_CALL = 200
_NOTIFY_SQL = f"SELECT pg_notify('{PUBLICATIONS}', payload) FROM unnest($1::text[]) AS t (payload)"
_UNUSABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class NotifyBroker:
    """Implements `ports.broker.RemoteBroker` over LISTEN and NOTIFY.

    While no other process shares the store, nothing is sent. A process that connects notifies the others of itself, so
    that they begin to send at once.

    Args:
        connect: returns a new connection to the database.
        name: a random name that identifies this process.
        own_backend: returns the process id of the PostgreSQL backend that commits this process's batches. Records from
            it are ignored.

    Attributes:
        carries_messages: False: other processes read stored messages from the store.
    """

    carries_messages = False

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        name: str,
        own_backend: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        self._connect = connect
        self._name = name
        self._own_backend = own_backend
        self._metrics = metrics
        self._pieces = Pieces(name)
        self._outgoing: OutgoingQueue[list[str]] = OutgoingQueue()
        self._number = 0
        self._subjects: set[str] = set()
        self._receiver: NewsReceiver | None = None
        self._connection: Connection | None = None
        self._call_lock = asyncio.Lock()  # a connection carries out one call at a time
        self._lost = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._alone = False
        self._arrived_at = -math.inf  # when another process announced itself last

    @property
    def connected(self) -> bool:
        """Whether there is a connection, so that news from other processes arrives."""
        return self._connection is not None

    def record_look(self, *, alone: bool, began: float) -> None:
        """Record whether other processes share the store, so that nothing is sent while none does.

        Args:
            alone: whether the store listed this process as the only one.
            began: when that was read, as a time of the event loop. It is ignored if a process has connected since.
        """
        self._alone = alone and began > self._arrived_at

    async def start(self, receiver: NewsReceiver) -> None:
        """Try to connect once, then return. From then on, reconnect in the background whenever there is no connection.

        Args:
            receiver: is called with the news of other processes, and when the connection is lost or restored later.
        """
        self._receiver = receiver
        with contextlib.suppress(*_UNUSABLE):
            await self._open()
        loop = asyncio.get_running_loop()
        for work, what in ((self._stay_connected(), "connection"), (self._send_queued(), "sending")):
            self._tasks.append(loop.create_task(work, name=f"tailwire broker {what}"))

    async def close(self) -> None:
        """Wait up to `CLOSE_SECONDS` until what is queued has been sent, and disconnect."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS if self.connected else 0):
                await self._outgoing.wait_sent()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    # The connection.

    async def _open(self) -> None:
        connection = await self._connect()
        try:
            await connection.add_listener(RECORDS, self._take_record)
            await connection.add_listener(PUBLICATIONS, self._take_publication)
            await connection.add_listener(ARRIVALS, self._take_arrival)
            await connection.execute("SELECT pg_notify($1, $2)", ARRIVALS, self._name, timeout=CALL_SECONDS)
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(self._on_terminated)
        self._lost.clear()
        self._connection = connection
        self._metrics.broker_connected = 1

    def _on_terminated(self, connection: Any) -> None:
        if connection is self._connection:
            self._lost.set()

    async def _stay_connected(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            if self._connection is not None:
                await self._wait_until_lost(self._connection)
                log.warning("the connection for LISTEN was lost: other servers' messages are read from the database")
                self._drop_connection()
            try:
                await self._open()
            except _UNUSABLE as e:
                log.debug("no connection for LISTEN yet: %s", e)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
                continue
            pause = FIRST_RETRY_SECONDS
            self._report_connection_change()

    async def _wait_until_lost(self, connection: Connection) -> None:
        # A connection that was cut off reports nothing, so it is tested with a query.
        while not self._lost.is_set():
            try:
                async with asyncio.timeout(CHECK_SECONDS):
                    await self._lost.wait()
            except TimeoutError:
                try:
                    async with self._call_lock:
                        await connection.fetchval("SELECT 1", timeout=CALL_SECONDS)
                except _UNUSABLE:
                    return

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
        self._pieces.clear()
        self._metrics.broker_connections_lost += 1
        self._metrics.broker_connected = 0
        self._metrics.broker_dropped += self._outgoing.clear()
        self._report_connection_change()

    def _report_connection_change(self) -> None:
        if self._receiver is not None:
            self._receiver.connection_changed()

    # News from other processes.

    def _take_record(self, connection: Any, backend: int, channel: str, payload: object) -> None:
        if connection is not self._connection or self._receiver is None or backend == self._own_backend():
            return
        first, _, last = str(payload).partition(" ")
        if first.isdecimal() and last.isdecimal():
            self._receiver.recorded(Record(int(first), int(last)))
        else:
            self._metrics.broker_unknown += 1

    def _take_arrival(self, connection: Any, backend: int, channel: str, payload: object) -> None:
        if payload != self._name:
            self._alone, self._arrived_at = False, asyncio.get_running_loop().time()

    def _take_publication(self, connection: Any, backend: int, channel: str, payload: object) -> None:
        if connection is not self._connection or self._receiver is None:
            return
        try:
            data = self._pieces.add(str(payload))
            news = decode(data) if data is not None else None
        except (BadPiece, UnknownNews) as e:
            self._metrics.broker_unknown += 1
            log.debug("a notification from another server is not understood: %s", e)
            return
        if news is not None and not isinstance(news, Record) and news[0] in self._subjects:
            self._receiver.received(*news)

    # News for other processes.

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject."""
        self._subjects.add(subject)

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""
        self._subjects.discard(subject)

    async def wait_confirmed(self) -> None:
        """Return at once: this process receives all publications and filters them itself."""

    def publish(self, subject: str, publication: Publication) -> None:
        """Queue a publication to be sent. It is lost, and counted, if there is no connection or room in the queue."""
        if self._alone:
            return
        data = encode_publication(subject, publication)
        self._number += 1
        if not (data and self.connected and self._outgoing.put(payloads_of(self._name, self._number, data), len(data))):
            self._metrics.broker_dropped += 1

    def record(self, record: Record, publications: Sequence[tuple[str, Publication]]) -> None:
        """Do nothing: the transaction of the batch has notified other processes, and they read its messages."""

    async def _send_queued(self) -> None:
        while True:
            news = await self._outgoing.take(PUBLICATIONS_PER_CALL)
            connection = self._connection
            if connection is None:
                self._metrics.broker_dropped += len(news)
                self._outgoing.mark_sent()
                continue
            payloads = [payload for pieces in news for payload in pieces]
            try:
                async with self._call_lock:
                    await connection.execute(_NOTIFY_SQL, payloads, timeout=CALL_SECONDS)
            except _UNUSABLE as e:
                self._metrics.broker_dropped += len(news)
                log.debug("notifications were not sent: %s", e)
                self._lost.set()
            self._outgoing.mark_sent()
