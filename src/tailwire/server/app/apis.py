"""Creates the server's HTTP APIs from their operations (routes with handlers)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from tailwire import __version__
from tailwire.server.actions.export import Export
from tailwire.server.actions.sessions import Sessions
from tailwire.server.app.assembly import Actions
from tailwire.server.app.observing import Observers
from tailwire.server.app.opening import AnyStore
from tailwire.server.config import Settings, offered_features
from tailwire.server.fanout.overload import Overload
from tailwire.server.limits.allowed_hosts import AllowedHosts
from tailwire.server.limits.guess_limiter import GuessLimiter
from tailwire.server.limits.rates import Rates
from tailwire.server.ports.processes import ListProcesses, ProcessRow
from tailwire.server.process_name import process_name
from tailwire.server.rest.addresses import Addresses
from tailwire.server.rest.administration import KeyRoutes, RoleRoutes, WebhookRoutes
from tailwire.server.rest.api import Api
from tailwire.server.rest.audit import AuditRoutes
from tailwire.server.rest.connections import ConnectionRoutes
from tailwire.server.rest.conversations import ConversationRoutes
from tailwire.server.rest.files import FileRoutes
from tailwire.server.rest.groups import GroupRoutes
from tailwire.server.rest.messages import MessageRoutes
from tailwire.server.rest.notifications import NotificationRoutes
from tailwire.server.rest.operations import Operation
from tailwire.server.rest.processes import ProcessRoutes
from tailwire.server.rest.public_settings import public_settings
from tailwire.server.rest.reactions import ReactionRoutes
from tailwire.server.rest.service import ServiceRoutes
from tailwire.server.rest.sessions import SessionRoutes
from tailwire.server.rest.stats import ProcessFacts, StatsRoutes
from tailwire.server.rest.users import RelationRoutes, UserRoutes
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.telemetry.connections import Connections


def make_apis(
    settings: Settings, a: Actions, observers: Observers, overload: Overload, guesses: GuessLimiter, store: AnyStore,
    hosts: AllowedHosts, rates: Rates, *, more: Sequence[Operation],
) -> tuple[Api, Api]:  # fmt: skip
    """Return two ASGI apps: the API for clients, and the metrics and health API for the address `metrics_listen`.

    Args:
        hosts: the host names that requests to the client API may use; the second API accepts any.
        more: further operations for the client API, in addition to those made here from `a`.
    """
    addresses = Addresses(
        public_url=settings.public_url, app_id=store.app_id, region=settings.region, offers=public_settings(settings)
    )
    log = a.catch_up if "chain" in offered_features(settings) else None  # without numbers, changes would come twice
    operations = [
        *MessageRoutes(a.messages, a.conversations, a.renderer, a.files, log).operations(),
        *ReactionRoutes(a.reactions).operations(),
        *ConversationRoutes(a.conversations, a.receipts).operations(),
        *UserRoutes(a.users, a.sessions, Export(store), addresses).operations(),
        *RelationRoutes(a.relations, a.sessions).operations(),
        *GroupRoutes(a.groups, a.members).operations(),
        *FileRoutes(a.files, a.uploads, addresses).operations(),
        *SessionRoutes(a.sessions, a.users, a.members).operations(),
        *KeyRoutes(a.keys).operations(),
        *RoleRoutes(a.roles).operations(),
        *WebhookRoutes(a.webhooks).operations(),
        *AuditRoutes(observers.audit).operations(),
        *NotificationRoutes(a.notifications).operations(),
        *more,
    ]
    service = ServiceRoutes(
        addresses, observers.metrics, observers.health, operations, __version__, metrics_access=settings.metrics,
        docs_access=settings.docs, metrics_elsewhere=bool(settings.metrics_listen), sizes=observers.sizes,
    )  # fmt: skip
    make = partial(
        Api, sessions=a.sessions, roles=a.roles, records=observers.records, overload=overload, guesses=guesses,
        app_id=store.app_id, max_body=settings.max_body, chains="chain" in offered_features(settings),
        base=addresses.base, compress=settings.compress, rates=rates,
    )  # fmt: skip
    internal = make(service.internal_operations(), hosts=AllowedHosts())
    return make([*operations, *service.operations()], hosts=hosts), internal


def observing_operations(
    observers: Observers,
    connections: Connections,
    clock: Callable[[], float],
    milliseconds: Callable[[], int],
    process: ProcessFacts,
    settings: Settings,
    processes: ListProcesses,
    sources: Mapping[str, str],
    sessions: Sessions,
) -> list[Operation]:
    """Return the operations for operators: on open connections, on processes and their settings, and on statistics.

    Args:
        clock: seconds, monotonic.
        milliseconds: returns milliseconds since 1970.
        processes: lists the processes on the database.
        sources: where the value of each setting came from, by its name.
        sessions: checks repeatedly whether the API key of an open statistics stream is still valid.
    """
    return [
        *ConnectionRoutes(connections, clock, milliseconds).operations(),
        *ProcessRoutes(processes, settings, sources).operations(),
        *StatsRoutes(observers.stats, observers.metrics, observers.sizes, process, sessions.check_key).operations(),
    ]


def servers_on(store: AnyStore) -> int:
    """Return how many servers run on a database, as this process last read it (every few seconds); 1 on SQLite."""
    return 1 if isinstance(store, SqliteStore) else store.processes.servers


async def processes_on(store: AnyStore) -> list[ProcessRow]:
    """Return the processes (servers and commands) on a PostgreSQL database; on SQLite only this one.

    Raises:
        Refused: ERR_UNAVAILABLE, the store does not answer.
    """
    if isinstance(store, SqliteStore):
        return [ProcessRow(1, process_name(), serving=True, until=None, answers=True)]
    return await store.processes.all()
