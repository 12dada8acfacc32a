"""The running server: assembled, bound to its port, and shut down gracefully."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvicorn

from tailwire import __version__
from tailwire.server import private_files
from tailwire.server.actions.sessions import AUTH_ONLY, FULL_ACCESS
from tailwire.server.actions.users import NewUser
from tailwire.server.app.accept_loop import AcceptLoop
from tailwire.server.app.agreement import SettingsComparison
from tailwire.server.app.apis import make_apis, observing_operations, processes_on, servers_on
from tailwire.server.app.assembly import Actions, build
from tailwire.server.app.brokers import make_broker, start_broker
from tailwire.server.app.checks import bind, check_certificate, check_folder
from tailwire.server.app.housekeeping import Housekeeping
from tailwire.server.app.http_server import STDIN_DESCRIPTOR, HttpServer
from tailwire.server.app.internal_server import InternalServer
from tailwire.server.app.key_file import Keys, key_file, read_keys, write_keys
from tailwire.server.app.observing import Observers, changed_settings, observe
from tailwire.server.app.opening import AnyStore, agree_on_keys, open_store, starting_alone
from tailwire.server.app.pages import DEMO_USERS, is_shown, pages_of
from tailwire.server.app.process import (
    max_connections,
    raise_descriptor_limit,
    share_with_the_writer,
    tune_collector,
)
from tailwire.server.app.pushing import Push, PushAssembly
from tailwire.server.app.reloading import Reloader
from tailwire.server.app.sealing_key import sealing_key
from tailwire.server.app.several import ServerCooperation, make_presence
from tailwire.server.app.uploads import check_uploads
from tailwire.server.app.webhooks import make_webhooks
from tailwire.server.auth.certificate import self_signed
from tailwire.server.auth.sealing import Sealer
from tailwire.server.auth.secrets import fingerprint
from tailwire.server.config import Settings
from tailwire.server.fanout.holding import FlushHolding
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.log import MessageLog
from tailwire.server.fanout.overload import Overload
from tailwire.server.fanout.presence import SingleProcessPresence
from tailwire.server.gateway.admission import Admission
from tailwire.server.gateway.authentication import Authenticator
from tailwire.server.gateway.gateway import Gateway
from tailwire.server.gateway.protocol import SocketProtocol
from tailwire.server.gateway.revocation import Revocation
from tailwire.server.limits.allowed_hosts import AllowedHosts
from tailwire.server.limits.forwarded import TrustedProxies
from tailwire.server.limits.guess_limiter import GuessLimiter
from tailwire.server.limits.pacer import Pacer
from tailwire.server.limits.rates import Rates
from tailwire.server.limits.slots import ConnectionSlots
from tailwire.server.ports.key_records import KeyRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.process_name import process_name
from tailwire.server.rest.api import Api
from tailwire.server.rest.protocol import HttpConnections
from tailwire.server.rest.stats import ProcessFacts
from tailwire.server.shutdown import shut_down
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.telemetry.logs import log
from tailwire.server.telemetry.metrics import Metrics
from tailwire.server.web.front import Front
from tailwire.server.web.links import LinkRoutes
from tailwire.server.web.sessions import ConsoleSessions
from tailwire.server.webhooks.sender import WebhookSender

MAX_UPGRADE_DELAY_SECONDS = 3.0
CONNECTIONS_PER_CLIENT = 2  # one for requests, and one that becomes its WebSocket
NO_SOURCES: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of an assembled server that its start, its end or a test needs."""

    store: AnyStore
    api: Api
    front: Front
    http: HttpConnections
    gateway: Gateway
    actions: Actions
    webhooks: WebhookSender
    push: Push
    keys: Keys
    metrics: Metrics
    overload: Overload
    observers: Observers
    internal_api: Api
    revocation: Revocation
    console: ConsoleSessions
    several: ServerCooperation | None
    message_log: MessageLog | None


async def assemble(settings: Settings, world: World, sources: Mapping[str, str] = NO_SOURCES) -> Parts:
    """Open the store, assemble the server on it, and start its background work. It does not listen on a port yet.

    Args:
        sources: by the name of a setting, where its value came from, such as an environment variable. It is shown to
            operators.

    Raises:
        tailwire.server.store.migrate.NewerDatabase: if a newer version wrote the database.
        tailwire.server.store.sqlite.lock.DatabaseInUse: if another server uses the SQLite file.
        tailwire.server.config.BadSetting: if a setting is wrong.
        OSError: if the database, a key or another file cannot be used, or a package is missing.
    """
    async with starting_alone(settings):
        store = await open_store(settings, world, serving=True)
        try:
            await agree_on_keys(settings, store, world)
            return await _assemble(settings, store, world, await _read_or_make_keys(store, world, settings), sources)
        except BaseException:
            await store.close()
            raise


async def _assemble(settings: Settings, store: AnyStore, world: World, keys: Keys, sources: Mapping[str, str]) -> Parts:
    loop = asyncio.get_running_loop()
    metrics = Metrics()
    overload = Overload(
        metrics, loop.time, world.chance, lag=settings.overload_lag, most_sends=settings.most_sends_under_way
    )
    holding = FlushHolding(loop, metrics, overload)
    broker = make_broker(settings, store, metrics)
    hub = Hub(broker, metrics, holding.schedule, slow_close=settings.slow_close)
    sealer = Sealer(await loop.run_in_executor(None, sealing_key, settings.data))
    webhooks = make_webhooks(settings, store, world, metrics, sealer)
    store.webhooks.on_queued(webhooks.wake)
    store.on_write_failure(metrics.count_store_failure)
    presence = make_presence(store, hub)
    pushing = await PushAssembly(settings, store, world, metrics).open()
    actions = await build(settings, store, hub, world, metrics, overload, sealer, webhooks.wake, presence, pushing)
    push = pushing.finish(hub, presence, actions.delivery)
    await actions.webhooks.seal_plain_passwords()
    metrics.users_online = lambda: hub.users_online
    observers = observe(settings, store, metrics, actions.uploads.free_bytes, loop.time, world.seconds)
    await observers.audit.record_settings(changed_settings(settings))
    guesses, hosts = GuessLimiter(settings.wrong_tokens_per_minute, loop.time), AllowedHosts(settings.allowed_hosts)
    pacer, known_pacer = (Pacer(settings.upgrades_per_second, MAX_UPGRADE_DELAY_SECONDS, loop.time) for _ in range(2))
    unauthenticated = ConnectionSlots(settings.unauthenticated_per_address)
    admission = Admission(pacer, known_pacer, unauthenticated, actions.sessions, overload, hosts)
    authenticator = Authenticator(
        loop, settings, actions.sessions, metrics, world, overload, guesses, observers.failures,
        epoch=lambda: {"epoch": store.name, "mark": store.start}, app_id=store.app_id,
    )  # fmt: skip
    gateway = Gateway(
        loop, settings, hub, actions.sessions, actions.ephemeral, actions.receipts, metrics, admission, overload,
        authenticator, observers.access,
    )  # fmt: skip
    store.on_new_start(gateway.close_all)
    revocation = Revocation(store, hub)
    rates = Rates(
        sends=settings.sends_per_minute, others=settings.requests_per_minute, core=settings.core_per_minute,
        standard=settings.standard_per_minute, clock=loop.time,
    )  # fmt: skip
    api, internal_api, front, console = _assemble_apis(
        settings, store, world, actions, observers, gateway, overload, guesses, hosts, rates, sources
    )
    http = HttpConnections(TrustedProxies(settings.trusted_proxies, settings.forwarded_header), settings.keep_alive)
    message_log = await start_broker(broker, store, hub, actions.delivery, actions.catch_up.frames)
    several = None
    if isinstance(store, SqliteStore) or isinstance(presence, SingleProcessPresence):
        await actions.uploads.remove_incomplete()
    else:
        several = ServerCooperation(
            settings, store, hub, presence, actions.ephemeral, webhooks, push, actions.cleanup, actions.uploads,
            (*actions.shared_limits, rates, guesses))  # fmt: skip
        await several.start()
        await SettingsComparison(settings, store, world, several.start_task).start()
    webhooks.wake()
    actions.start()
    await push.start()
    return Parts(
        store, api, front, http, gateway, actions, webhooks, push, keys, metrics, overload, observers, internal_api,
        revocation, console, several, message_log,
    )  # fmt: skip


def _assemble_apis(
    settings: Settings, store: AnyStore, world: World, actions: Actions, observers: Observers, gateway: Gateway,
    overload: Overload, guesses: GuessLimiter, hosts: AllowedHosts, rates: Rates, sources: Mapping[str, str],
) -> tuple[Api, Api, Front, ConsoleSessions]:  # fmt: skip
    # Returns the API for clients, the API for `metrics_listen`, the ASGI app that serves the pages and the first API,
    # and the sessions of the console.
    clock = asyncio.get_running_loop().time
    process = ProcessFacts(process_name(), __version__, observers.health.uptime, partial(servers_on, store))
    console = ConsoleSessions(clock, world.secret)
    links = LinkRoutes(console).operations() if is_shown(settings.console, settings) else []
    observing = observing_operations(
        observers, gateway.connections, clock, world.milliseconds, process, settings, partial(processes_on, store),
        sources, actions.sessions,
    )  # fmt: skip
    api, internal_api = make_apis(
        settings, actions, observers, overload, guesses, store, hosts, rates,
        more=[*observing, *links],
    )  # fmt: skip
    pages = pages_of(settings, api, console, observers.audit, actions.sessions, store.app_id)
    return api, internal_api, Front(api, pages, hosts), console


async def _read_or_make_keys(store: AnyStore, world: World, settings: Settings) -> Keys:
    file, run = key_file(settings.data), asyncio.get_running_loop().run_in_executor
    _, known = await store.keys.find("", "", limit=1, offset=0)
    if known:  # none are known if the first start was interrupted, or if a command created the database
        return await run(None, read_keys, file, store.app_id)
    keys = await make_keys(store, world)
    await run(None, write_keys, file, keys)
    return keys


async def make_keys(store: AnyStore, world: World) -> Keys:
    """Create an auth key and a REST API key, and return them. The store keeps only their hashes."""
    keys = Keys(store.app_id, world.secret(20), world.secret(20))
    for key, name, scope in ((keys.auth_key, "Auth Key", AUTH_ONLY), (keys.api_key, "REST API Key", FULL_ACCESS)):
        await store.keys.add(KeyRow(fingerprint(key), name, scope, world.seconds(), key[-4:]))
    return keys


async def make_demo_users(parts: Parts) -> None:
    """Create those of `DEMO_USERS` that do not exist."""
    for uid, name in DEMO_USERS.items():
        try:
            await parts.actions.users.create(NewUser(uid=uid, name=name))
        except Refused as e:
            if e.code != "ERR_UID_ALREADY_EXISTS":
                raise


@dataclass(frozen=True, slots=True)
class Running:
    """A server that is bound to its port. `await running.server.serve([running.listening])` runs it.

    Attributes:
        url: the server's URL with the host of the settings and the actual port.
    """

    parts: Parts
    server: HttpServer
    listening: socket.socket
    url: str


@asynccontextmanager
async def running_server(
    settings: Settings,
    world: World | None = None,
    signals: Sequence[signal.Signals] = (),
    reload: Callable[[], Settings] | None = None,
    sources: Mapping[str, str] = NO_SOURCES,
) -> AsyncIterator[Running]:
    """Return a context with an assembled server that is bound to its port, but does not accept connections yet.

    When the context ends, work in progress is finished and everything is closed. If an error prevents the start,
    nothing is left open.

    Args:
        world: the server's clock and random numbers; those of the system by default.
        signals: the signals that stop the server; none for a server within another program.
        reload: reads the settings again, on SIGHUP; None if they cannot be read again.
        sources: as for `assemble`.

    Raises:
        CannotStart: if the data folder, the certificate, the address or the bucket for uploads cannot be used. The
            errors of `assemble` are raised too.
    """
    parts, listening, internal = await _open_all(settings, world or World(), sources)
    try:
        if settings.demo_users:
            await make_demo_users(parts)
        certificate, key = settings.tls_cert, settings.tls_key
        if settings.tls_self_signed:
            certificate, key = await asyncio.get_running_loop().run_in_executor(
                None, self_signed, Path(settings.data), settings.host
            )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        url = f"{'https' if certificate else 'http'}://{host}:{listening.getsockname()[1]}"
        if parts.store.lock is not None:
            parts.store.lock.write_holder(f"the server with pid {os.getpid()} at {url}")
        server = _make_http_server(parts, settings, url, certificate, key, signals, internal)
        server.on_hangup = Reloader(settings, reload, certificate, key, lambda: server.config.ssl).start
        yield Running(parts, server, listening, url)
    finally:
        listening.close()
        if internal is not None:
            await internal.stop()
        await parts.revocation.close()
        await parts.gateway.close()
        if parts.several is not None:
            await parts.several.close()
        background = [parts.push.close, *parts.actions.close_functions()]
        await shut_down(parts.gateway, parts.webhooks, background, parts.store, parts.message_log)
        await parts.actions.uploads.close()


async def _open_all(
    settings: Settings, world: World, sources: Mapping[str, str]
) -> tuple[Parts, socket.socket, InternalServer | None]:
    check_folder(settings.data)
    check_certificate(settings.tls_cert, settings.tls_key)
    await check_uploads(settings)
    with ExitStack() as opened:
        listening = opened.enter_context(bind(settings.host, settings.port))
        host, _, port = settings.metrics_listen.rpartition(":")
        metrics = opened.enter_context(bind(host.strip("[]"), int(port), "--metrics-listen")) if port else None
        parts = await assemble(settings, world, sources)
        opened.pop_all()
    return parts, listening, InternalServer(parts.internal_api, metrics, parts.http) if metrics else None


def _make_http_server(
    parts: Parts, settings: Settings, url: str, certificate: str, key: str, signals: Sequence[signal.Signals],
    internal: InternalServer | None,
) -> HttpServer:  # fmt: skip
    config = uvicorn.Config(
        parts.front,
        ws=cast(Any, partial(SocketProtocol, parts.gateway)),  # uvicorn and `HttpProtocol` only call them
        http=cast(Any, parts.http),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=certificate or None,
        ssl_keyfile=key or None,
        timeout_graceful_shutdown=5,
    )
    most = parts.gateway.admission.max_sockets = settings.max_connections or max_connections()
    clock = asyncio.get_running_loop().time
    http = parts.http
    pacer = Pacer(CONNECTIONS_PER_CLIENT * settings.upgrades_per_second, math.inf, clock)
    housekeeping = Housekeeping(
        parts.overload, parts.metrics, http.waiting, http.idle, http.active, clock,
        deadline=settings.request_deadline, min_rate=settings.least_rate, most=most, pacer=pacer,
    )  # fmt: skip
    accept = partial(
        AcceptLoop, pacer=pacer, metrics=parts.metrics, handshake=settings.request_deadline,
        slots=ConnectionSlots(settings.connections_per_address), proxies=http.proxies,
        proxy_protocol=settings.proxy_protocol,
    )  # fmt: skip
    ready = {"url": url, **asdict(parts.keys)}
    return HttpServer(
        config, ready, settings.ready_file, signals, housekeeping, accept, parts.observers, internal,
        settings.drain_seconds,
    )  # fmt: skip


async def serve(
    settings: Settings,
    on_listening: Callable[[Running], None] = lambda server: None,
    reload: Callable[[], Settings] | None = None,
    sources: Mapping[str, str] = NO_SOURCES,
) -> None:
    """Run a server until a signal (SIGTERM, SIGINT, SIGQUIT) stops it, and until it has shut down.

    This changes the whole process: its umask, descriptor limit, garbage collection and signal handlers.

    Args:
        on_listening: called when the server is bound to its port, just before it accepts connections.
        reload: reads the settings again, on SIGHUP; None if they cannot be read again.
        sources: as for `assemble`.

    Raises:
        tailwire.server.app.checks.CannotStart: if the data folder, the certificate, the address or the bucket for
            uploads cannot be used. The errors of `assemble` are raised too.
    """
    started = time.monotonic()
    os.umask(private_files.OTHERS_MODE_BITS)
    raise_descriptor_limit()
    in_terminal = os.isatty(STDIN_DESCRIPTOR)
    for name in ("SIGHUP", "SIGUSR1"):  # which would end a process that does not handle them yet
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    stopping = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGQUIT") if hasattr(signal, name)]
    async with running_server(settings, signals=stopping, reload=reload, sources=sources) as server:
        tune_collector()
        share_with_the_writer()
        log.info("ready after %.0f ms", (time.monotonic() - started) * 1000)
        on_listening(server)
        server.server.in_terminal = in_terminal
        await server.server.serve([server.listening])
