"""Puts the parts together, and is the only one who knows all of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from tailwire.server.actions.delivery import Delivery
from tailwire.server.actions.directory import Directory
from tailwire.server.actions.groups import Groups
from tailwire.server.actions.live import Live
from tailwire.server.actions.messages import Limits, Messages
from tailwire.server.actions.sessions import AUTH_ONLY, FULL_ACCESS, Sessions
from tailwire.server.actions.users import NewUser, Users
from tailwire.server.auth.certificate import self_signed
from tailwire.server.auth.secrets import fingerprint
from tailwire.server.broker.memory import MemoryBroker
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.gateway.gateway import Gateway
from tailwire.server.gateway.protocol import SocketProtocol
from tailwire.server.limits.buckets import Buckets
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rest.api import Api
from tailwire.server.rest.groups import GroupRoutes
from tailwire.server.rest.messages import MessageRoutes
from tailwire.server.rest.service import ServiceRoutes
from tailwire.server.rest.sessions import SessionRoutes
from tailwire.server.rest.users import UserRoutes
from tailwire.server.shutdown import finish
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics

DEMO_USERS = {"alice": "Alice", "bob": "Bob", "carol": "Carol"}


@dataclass(frozen=True, slots=True)
class Keys:
    """What is made and shown once."""

    app_id: str
    auth_key: str
    api_key: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A server that is put together."""

    store: SqliteStore
    api: Api
    gateway: Gateway
    users: Users
    sessions: Sessions
    keys: Keys
    metrics: Metrics


def database_path(settings: Settings) -> Path:
    """The SQLite file."""
    if settings.database:
        return Path(settings.database.removeprefix("sqlite:///"))
    return Path(settings.data) / "tailwire.db"


async def assemble(settings: Settings, world: World) -> Parts:
    """Open the store and build what stands on it.

    Raises:
        tailwire.server.store.migrate.NewerDatabase: when a newer version wrote the database.
    """
    loop = asyncio.get_running_loop()
    store = await SqliteStore.open(database_path(settings), world)
    keys = await make_keys(store, world) if store.created else Keys(store.app_id, "", "")
    metrics = Metrics()
    broker = MemoryBroker()
    hub = Hub(broker, metrics, loop.call_soon, slow_close=settings.slow_close)
    directory = Directory(store, hub.is_online)
    delivery = Delivery(broker, store.app_id)
    logins = _per_minute(settings.logins_per_minute, loop)
    sessions = Sessions(store, directory, delivery, world, logins, settings.jwt_lifetime)

    def count_message() -> None:
        metrics.messages_stored += 1

    messages = Messages(store, directory, delivery, world, Limits(settings.max_data), count_message)
    users = Users(store, directory, world)
    groups = Groups(store, directory, delivery, world, settings.max_group_members)
    live = Live(store, directory, delivery, world, loop.call_later, settings.receipt_delay)
    upgrades = Buckets(settings.upgrades_per_second, settings.upgrades_per_second, loop.time)
    gateway = Gateway(
        loop, settings, hub, sessions, live, metrics, world, upgrades, store_name=store.name, app_id=store.app_id
    )
    addresses = Addresses(public_url=settings.public_url, app_id=store.app_id, region=settings.region)
    started = loop.time()

    def health() -> dict[str, Any]:
        return {"status": "ok", "sockets": metrics.sockets, "uptime": round(loop.time() - started, 1)}

    hot = MessageRoutes(messages)
    api = Api(
        hot,
        [
            hot.routes(),
            SessionRoutes(sessions).routes(),
            ServiceRoutes(addresses, metrics, health).routes(),
            UserRoutes(users, sessions).routes(),
            GroupRoutes(groups).routes(),
        ],
        sessions,
        metrics,
        app_id=store.app_id,
        most_body=settings.max_body,
        sends=_per_minute(settings.sends_per_minute, loop),
        requests=_per_minute(settings.requests_per_minute, loop),
    )
    return Parts(store, api, gateway, users, sessions, keys, metrics)


def _per_minute(rate: int, loop: asyncio.AbstractEventLoop) -> Buckets:
    # A bucket that holds a quarter of a minute's worth: bursts pass, a loop does not.
    return Buckets(rate / 60, max(1.0, rate / 4), loop.time)


async def make_keys(store: SqliteStore, world: World) -> Keys:
    """Make an auth key and a REST API key; only their hashes are kept."""
    keys = Keys(store.app_id, world.secret(20), world.secret(20))
    await store.add_key(fingerprint(keys.auth_key), "Auth Key", AUTH_ONLY, world.seconds())
    await store.add_key(fingerprint(keys.api_key), "REST API Key", FULL_ACCESS, world.seconds())
    return keys


async def make_demo_users(parts: Parts) -> None:
    """Make the demo users that are not there yet."""
    for uid, name in DEMO_USERS.items():
        try:
            await parts.users.create(NewUser(uid=uid, name=name))
        except Refused as e:
            if e.code != "ERR_UID_ALREADY_EXISTS":
                raise


class _Server(uvicorn.Server):
    """uvicorn, telling when it listens."""

    def __init__(
        self, config: uvicorn.Config, url: str, keys: Keys, ready_file: str, signals: Sequence[signal.Signals]
    ) -> None:
        super().__init__(config)
        self._signals = signals
        self._url, self._keys, self._ready_file = url, keys, ready_file

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT, in order: uvicorn's own way kills the process before the store is closed."""
        loop = asyncio.get_running_loop()
        for signum in self._signals:
            loop.add_signal_handler(signum, self.handle_exit, signum, None)
        try:
            yield
        finally:
            for signum in self._signals:
                loop.remove_signal_handler(signum)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        log.info("listening url=%s app_id=%s", self._url, self._keys.app_id)
        if self._ready_file:
            await asyncio.get_running_loop().run_in_executor(None, self._write_ready_file)
            log.info("ready file written file=%s", self._ready_file)

    def _write_ready_file(self) -> None:
        ready = {
            "url": self._url,
            "app_id": self._keys.app_id,
            "auth_key": self._keys.auth_key,
            "api_key": self._keys.api_key,
            "pid": os.getpid(),
        }
        path = Path(self._ready_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({k: v for k, v in ready.items() if v}, file)
        fresh.replace(path)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is ready to be served by `await server.serve([socket])`."""

    parts: Parts
    server: uvicorn.Server
    listening: socket.socket
    url: str


@asynccontextmanager
async def running(
    settings: Settings, world: World | None = None, signals: Sequence[signal.Signals] = ()
) -> AsyncIterator[Running]:
    """A server, assembled and bound to its port; on the way out everything is finished and closed.

    Args:
        signals: which signals stop it; none where it is embedded.

    Raises:
        OSError: when the port is taken.
    """
    parts = await assemble(settings, world or World())
    try:
        if settings.demo_users:
            await make_demo_users(parts)
        listening = _bind(settings.host, settings.port)
        certificate, key = settings.tls_cert, settings.tls_key
        if settings.tls_self_signed:
            certificate, key = await asyncio.get_running_loop().run_in_executor(
                None, self_signed, Path(settings.data), settings.host
            )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"{'https' if certificate else 'http'}://{host}:{listening.getsockname()[1]}"
        bound = type("BoundSocketProtocol", (SocketProtocol,), {"gateway": parts.gateway, "__slots__": ()})
        config = uvicorn.Config(
            parts.api,
            ws=bound,
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=certificate or None,
            ssl_keyfile=key or None,
            timeout_graceful_shutdown=5,
        )
        server = _Server(config, url, parts.keys, settings.ready_file, signals)
        yield Running(parts, server, listening, url)
    finally:
        await finish(parts.gateway, parts.store)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(2048)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


async def serve(settings: Settings) -> Keys:
    """Serve until a signal says stop."""
    started = time.monotonic()
    async with running(settings, signals=(signal.SIGTERM, signal.SIGINT)) as server:
        log.info("ready after %.0f ms", (time.monotonic() - started) * 1000)
        _say_hello(server, settings)
        await server.server.serve([server.listening])
        return server.parts.keys


def _say_hello(server: Running, settings: Settings) -> None:
    keys = server.parts.keys
    if keys.auth_key and not settings.ready_file:
        log.warning("first start; the keys are shown once, `tailwire keys` makes new ones")
        log.warning("app id       %s", keys.app_id)
        log.warning("auth key     %s", keys.auth_key)
        log.warning("REST API key %s", keys.api_key)
