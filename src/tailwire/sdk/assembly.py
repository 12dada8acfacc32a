"""Create and connect the parts of a client, such as its HTTP connections, driver and event queue."""

from __future__ import annotations

import ssl
from functools import partial

from tailwire.sdk.app_settings import DEFAULT_CATCH_UP_LIMIT, AppSettings
from tailwire.sdk.calls.owner import ConnectionOwner
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.calls.sender import Sender
from tailwire.sdk.calls.user_requests import UserRequests
from tailwire.sdk.connection.state import Mode, State
from tailwire.sdk.connection.timings import Timings
from tailwire.sdk.continuity.state import CatchUp
from tailwire.sdk.dispatch.callbacks import Callbacks, ListenerRegistries
from tailwire.sdk.dispatch.dispatcher import Dispatcher
from tailwire.sdk.dispatch.incoming import Incoming
from tailwire.sdk.dispatch.queue import EventQueue
from tailwire.sdk.gate import Gate
from tailwire.sdk.io.driver import Driver
from tailwire.sdk.io.http import Http
from tailwire.sdk.io.link import Connector
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.world import Identity, World
from tailwire.sdk.listeners.events import OutboxChanged
from tailwire.sdk.outbox import Outbox, OutboxEntry
from tailwire.sdk.own_changes import EventSink, OwnChanges
from tailwire.sdk.sending import Sending
from tailwire.sdk.session import outbox_store
from tailwire.sdk.session_holder import SessionHolder
from tailwire.sdk.tokens import TokenProvider, Tokens


def assemble(
    *,
    world: World,
    identity: Identity,
    settings: AppSettings,
    timings: Timings,
    base_url: str,
    tls: ssl.SSLContext | None,
    provider: TokenProvider | None,
    sessions: SessionHolder,
    registries: ListenerRegistries,
    lists: EventSink,
    gate: Gate,
) -> Parts:
    """Create and return the parts of a client, bound to the running event loop. No task or timer is started.

    Args:
        timings: the durations of the connection; those in `settings` take precedence.
        base_url: the URL of the client API.
        tls: the app's own TLS context; None for the default.
        provider: the app's token provider; None if it has none.
        registries: the listeners and streams of the client, which exist before `init()`.
        lists: the live lists of the client.
    """
    traffic = Traffic(world.now)
    http, connector = _make_network(world, identity, settings, base_url, tls, traffic)
    tokens = Tokens(sessions, provider, connector, gate, world)
    requests = UserRequests(http, sessions, tokens, gate, world.chance)

    mode = Mode.AUTO if settings.auto_establish else Mode.MANUAL
    driver = Driver(State(mode, settings.timings(timings), has_provider=provider is not None), world, traffic)
    queue = EventQueue()
    limit = DEFAULT_CATCH_UP_LIMIT if settings.catch_up_limit is None else settings.catch_up_limit
    incoming = Incoming(
        queue,
        partial(requests.list_messages, once=True),  # catch-up repeats failed requests itself
        identity.resource,
        CatchUp(limit=limit, enabled=settings.catch_up),
        world.chance,
        pong=driver.report_pong,
        throttled=driver.report_throttle,
        token_answered=driver.report_token_answer,
    )
    driver.start(ConnectionOwner(sessions, identity, http, connector, incoming, queue, tokens))
    http.on_answer = driver.report_server_answer

    own = OwnChanges(sessions, incoming, queue, lists)
    sending = Sending(world.chance)
    sender = Sender(http, sessions, requests, sending, own)
    outbox = _make_outbox(world, identity, settings, sessions, sender, queue, gate)
    if outbox is not None:
        http.on_success = outbox.try_soon
    dispatcher = _make_dispatcher(registries, sessions, own, outbox, gate)
    queue.start(dispatcher.handle, own.advance_position)
    return Parts(
        world=world, identity=identity, settings=settings, gate=gate, sessions=sessions, http=http, connector=connector,
        tokens=tokens, driver=driver, queue=queue, dispatcher=dispatcher, streams=registries.streams,
        incoming=incoming, own=own, requests=requests, sending=sending, sender=sender, outbox=outbox,
    )  # fmt: skip


def _make_dispatcher(
    registries: ListenerRegistries, sessions: SessionHolder, own: OwnChanges, outbox: Outbox | None, gate: Gate
) -> Dispatcher:
    return Dispatcher(
        Callbacks(registries),
        sessions.served,
        observe=own.show,
        moved=sessions.save_soon,
        connected=outbox.try_now if outbox is not None else lambda: None,
        closing=lambda: gate.closed,
    )


def _make_network(
    world: World, identity: Identity, settings: AppSettings, base_url: str, tls: ssl.SSLContext | None, traffic: Traffic
) -> tuple[Http, Connector]:
    proxy = settings.proxy_address
    http = Http(world, base_url, identity, tls, traffic, proxy)
    presence, host, port = settings.presence_on_the_wire(), settings.web_socket_host, settings.web_socket_port
    return http, Connector(world, http, identity, presence, tls, host, port, proxy)


def _make_outbox(
    world: World,
    identity: Identity,
    settings: AppSettings,
    sessions: SessionHolder,
    sender: Sender,
    queue: EventQueue,
    gate: Gate,
) -> Outbox | None:
    if not settings.outbox_limit:
        return None

    def report_change(entry: OutboxEntry) -> None:
        queue.put(OutboxChanged(entry))

    store = outbox_store(sessions.store)
    return Outbox(identity.app_id, store, sender.send, report_change, settings.outbox_limit, world, gate)
