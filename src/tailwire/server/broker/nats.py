"""The broker over NATS: for more processes than LISTEN and NOTIFY can serve.

Each process subscribes to the subjects of its own sockets, so a message reaches only processes that need it. The
publications of a batch (the writes of one transaction) and the record of its ids are sent together on one connection,
which keeps their order.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import ssl
from collections.abc import Sequence
from urllib.parse import unquote

from tailwire.server.broker.codec import UnknownNews, decode, encode_publication, encode_record
from tailwire.server.broker.nats_connection import Address, CannotConnect, NatsConnection
from tailwire.server.broker.nats_protocol import pub, sub, token, unsub
from tailwire.server.ports.broker import NewsReceiver, Publication, Record
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

DEFAULT_PORT, MAX_PORT = 4222, 65_535
_NEXT_URL = re.compile(r",(?=[a-z]+://)")
_PLACE = re.compile(r"(?:\[(?P<ip>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/?#@,\s]+))(?::(?P<port>[0-9]{1,5}))?")
FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.05, 1.0


def parse_addresses(url: str) -> list[Address]:
    """Return the addresses of NATS servers in the setting `broker`, in their order.

    Args:
        url: one or more URLs, separated by commas: `nats://USER:PASSWORD@HOST:PORT`, `nats://TOKEN@HOST`, or with
            `tls://`. A URL may name several servers as `HOST:PORT,HOST:PORT`, and one without credentials uses those of
            the URL before it.

    Raises:
        ValueError: the text has another form. The message contains no part of it, because any part may be a secret.
    """
    found: list[Address] = []
    credentials = ""
    for one in _NEXT_URL.split(url):
        scheme, separator, rest = one.partition("://")
        if scheme not in ("nats", "tls") or not separator:
            raise ValueError("use nats://HOST or tls://HOST")
        own, at, hosts = rest.rpartition("@")
        if "@" in own:
            raise ValueError("write @ in a user name, password or token as %40, and nats:// or tls:// before each URL")
        credentials = own if at else credentials
        user, colon, password = credentials.partition(":")
        token = "" if colon else unquote(user)
        for place in hosts.split(","):
            parts = _PLACE.fullmatch(place)
            port = int(parts["port"] or DEFAULT_PORT) if parts else 0
            if parts is None or not 0 < port <= MAX_PORT:
                raise ValueError(f"address {len(found) + 1} is not HOST or HOST:PORT")
            host = (parts["ip"] or parts["name"]).lower()
            found.append(Address(host, port, scheme == "tls", unquote(user) if colon else "", unquote(password), token))
    return found


class NatsBroker:
    """Implements `ports.broker.RemoteBroker` over NATS.

    Args:
        servers: the addresses of servers of one NATS cluster. They are tried in turn, in random order.
        context: the TLS context for encrypted connections.
        app_id: part of all NATS subjects, so that several apps can share a NATS server.
        name: the name of this process that NATS shows to its administrators.
        version: the version of this server, which NATS shows too.

    Attributes:
        carries_messages: True: publications of stored messages reach other processes over NATS.
    """

    carries_messages = True

    def __init__(
        self,
        servers: Sequence[Address],
        context: ssl.SSLContext,
        app_id: str,
        name: str,
        version: str,
        metrics: Metrics,
    ) -> None:
        self._servers = itertools.cycle(random.sample(list(servers), len(servers)))
        self._context = context
        self._prefix = f"tw.{token(app_id)}"
        self._name = name
        self._version = version
        self._metrics = metrics
        self._numbers = itertools.count(1)
        self._subjects: dict[str, int] = {}
        self._receiver: NewsReceiver | None = None
        self._connection: NatsConnection | None = None
        self._lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether there is a connection, so that news from other processes arrives."""
        return self._connection is not None

    async def start(self, receiver: NewsReceiver) -> None:
        """Try to connect once, then return. From then on, reconnect in the background whenever there is no connection.

        Args:
            receiver: is called with the news of other processes, and when the connection is lost or restored later.
        """
        self._receiver = receiver
        try:
            await self._open()
        except CannotConnect as e:
            log.warning("NATS cannot be reached: %s. Other servers' messages are read from the database", e)
        self._task = asyncio.get_running_loop().create_task(self._stay_connected(), name="tailwire broker")

    async def close(self) -> None:
        """Stop reconnecting, send what is queued, and disconnect."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    # The connection.

    async def _open(self) -> None:
        self._lost.clear()
        connection = NatsConnection(self._handle_payload, self._lost.set)
        await connection.open(next(self._servers), self._context, self._name, self._version)
        # No await from here on: later changes of the subscriptions go to this connection.
        commands = [sub(f"{self._prefix}.log", next(self._numbers))]
        commands += [sub(self._nats_subject(subject), number) for subject, number in self._subjects.items()]
        connection.send(*commands)
        self._connection = connection
        self._metrics.broker_connected = 1

    async def _stay_connected(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            if self._connection is not None:
                await self._lost.wait()
                log.warning(
                    "the connection to NATS was lost%s: other servers' messages are read from the database",
                    f" ({self._connection.trouble})" if self._connection.trouble else "",
                )
                self._connection = None
                self._metrics.broker_connections_lost += 1
                self._metrics.broker_connected = 0
                self._report_connection_change()
            try:
                await self._open()
            except CannotConnect as e:
                log.debug("NATS cannot be reached: %s", e)
                await asyncio.sleep(pause * (0.5 + random.random() / 2))
                pause = min(2 * pause, LONGEST_RETRY_SECONDS)
                continue
            pause = FIRST_RETRY_SECONDS
            log.info("connected to NATS again")
            self._report_connection_change()

    def _report_connection_change(self) -> None:
        if self._receiver is not None:
            self._receiver.connection_changed()

    # News from other processes.

    def _handle_payload(self, data: bytes) -> None:
        if self._receiver is None:
            return
        try:
            news = decode(data)
        except UnknownNews as e:
            self._metrics.broker_unknown += 1
            log.debug("news from another server is not understood: %s", e)
            return
        if isinstance(news, Record):
            self._receiver.recorded(news)
        else:
            self._receiver.received(*news)

    # News for other processes.

    def _nats_subject(self, subject: str) -> str:
        kind, _, which = subject.partition(".")
        return f"{self._prefix}.{kind}.{token(which)}" if which else f"{self._prefix}.{kind}"

    def record_look(self, *, alone: bool, began: float) -> None:
        """Do nothing: sending costs little with NATS, even if no other process listens."""

    def subscribe(self, subject: str) -> None:
        """Start receiving the publications of a subject. `wait_confirmed` waits until this is in effect."""
        if subject in self._subjects:
            return
        number = self._subjects[subject] = next(self._numbers)
        self._command_server(sub(self._nats_subject(subject), number))

    def unsubscribe(self, subject: str) -> None:
        """Stop receiving the publications of a subject."""
        number = self._subjects.pop(subject, 0)
        if number:
            self._command_server(unsub(number))

    def _command_server(self, command: bytes) -> None:
        # A connection that is too slow would miss the command. It is replaced by a new one, with all subscriptions.
        if self._connection is not None and not self._connection.send(command):
            self._connection.abort()

    async def wait_confirmed(self) -> None:
        """Wait until the subscriptions made so far are in effect, or there is no connection."""
        if self._connection is not None:
            await self._connection.wait_confirmed()

    def publish(self, subject: str, publication: Publication) -> None:
        """Send a publication. If that is impossible (not connected, too large, too much unsent), it is only counted."""
        command = self._command(subject, publication)
        if not (command and self._connection is not None and self._connection.send(command)):
            self._metrics.broker_dropped += 1

    def record(self, record: Record, publications: Sequence[tuple[str, Publication]]) -> None:
        """Send the publications of a batch, each with its subject, and then its record.

        If one of them cannot be sent, none is: other processes then notice the new ids in the store.
        """
        if self._connection is None:
            return  # other processes see the ids in the store
        commands = [self._command(subject, publication) for subject, publication in publications]
        commands.append(pub(f"{self._prefix}.log", encode_record(record)))
        if not (all(commands) and self._connection.send(*commands)):
            self._metrics.broker_dropped += 1

    def _command(self, subject: str, publication: Publication) -> bytes:
        data = encode_publication(subject, publication)
        most = self._connection.max_payload if self._connection is not None else 0
        return pub(self._nats_subject(subject), data) if data and len(data) <= (most or len(data)) else b""
