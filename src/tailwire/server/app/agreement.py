"""Compares the settings of the servers on one database, and logs which of them differ.

A server that starts alongside others reports digests of its settings through the log of changes. A server with other
settings logs a warning and reports its own, so that both logs name them.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tailwire.server.config import Settings, shown
from tailwire.server.ports.changes import SETTINGS, Change
from tailwire.server.ports.world import World
from tailwire.server.process_name import process_name
from tailwire.server.telemetry.logs import log

if TYPE_CHECKING:
    from tailwire.server.store.postgres.store import PostgresStore

OF_ONE_SERVER = frozenset({
    "access_log", "allowed_hosts", "apns_key", "broker_ca", "chat", "connections_per_address", "console", "data",
    "database", "demo_users", "docs", "drain_seconds", "fcm_credentials", "forwarded_header", "host", "log_format",
    "log_level", "max_connections", "metrics", "metrics_listen", "min_free_disk", "overload_lag", "port",
    "proxy_protocol", "ready_file", "restart_window", "s3_access_key", "s3_endpoint", "s3_secret_key", "tls_cert",
    "tls_key", "tls_self_signed", "trusted_proxies", "upgrades_per_second",
})  # fmt: skip
"""Settings that may differ: those of a machine, its place in the network, its files and its logs."""
DIGEST_CHARACTERS = 8
MAX_KNOWN_SERVERS = 100
"""How many servers are known to have other settings. Of one that is no longer known, a report is logged again."""


class Report(msgspec.Struct, frozen=True):
    """The settings of a server, as it reports them.

    Attributes:
        server: a random name, for as long as it runs.
        name: its name for operators.
        asks: True if servers with other settings shall report theirs.
        digests: a digest of each setting, by name.
    """

    server: str
    name: str
    asks: bool
    digests: dict[str, str]


class SettingsComparison:
    """The comparison of this server's settings with those of others.

    Args:
        start_task: runs a coroutine alongside the server.
    """

    def __init__(
        self,
        settings: Settings,
        store: PostgresStore,
        world: World,
        start_task: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._store = store
        self._start_task = start_task
        self._own = Report(world.secret(8), process_name(), True, digests(settings))
        self._differing: deque[str] = deque(maxlen=MAX_KNOWN_SERVERS)  # servers with other settings

    async def start(self) -> None:
        """Compare with servers that run now, and with those that start later.

        Raises:
            Refused: the store does not answer.
        """
        self._store.feed.listen(self._changed)
        if self._store.processes.servers > 1:
            await self._report(asks=True)

    async def _report(self, *, asks: bool) -> None:
        report = msgspec.structs.replace(self._own, asks=asks)
        await self._store.tell(SETTINGS, msgspec.json.encode(report).decode())

    def _changed(self, changes: Sequence[Change] | None) -> None:
        for _, kind, key in changes or ():
            if kind == SETTINGS:
                try:
                    self._compare(msgspec.json.decode(key, type=Report))
                except msgspec.DecodeError:
                    log.debug("another version reports its settings in another form")

    def _compare(self, other: Report) -> None:
        differing = differences(self._own.digests, other.digests)
        if not differing or other.server in self._differing:
            return
        self._differing.append(other.server)
        names = ", ".join(differing)
        log.warning("server %s has other settings: %s; all servers of a database must have the same", other.name, names)
        if other.asks:
            self._start_task(self._report(asks=False))


def digests(settings: Settings) -> dict[str, str]:
    """Return a digest of each setting that must be the same at all servers, without passwords."""
    names = sorted(field.name for field in dataclasses.fields(settings) if field.name not in OF_ONE_SERVER)
    return {
        name: hashlib.sha256(f"{name}={shown(settings, name)}".encode()).hexdigest()[:DIGEST_CHARACTERS]
        for name in names
    }


def differences(mine: dict[str, str], others: dict[str, str]) -> list[str]:
    """Return the names of the settings that differ. One that only one version has does not count."""
    return [name for name in mine if name in others and mine[name] != others[name]]
