"""Compares the settings and the upload folders of the servers on one database, and logs which of them differ.

A server that starts while others run publishes hashes of its settings to them. A server whose settings differ logs a
warning with their names and publishes its own hashes, so that both servers log the difference.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tailwire.server.app.uploads import FOLDER
from tailwire.server.config import Settings, redacted
from tailwire.server.ports.changes import SETTINGS, Change
from tailwire.server.ports.world import World
from tailwire.server.process_name import process_name
from tailwire.server.telemetry.logs import log
from tailwire.server.uploads.folder_mark import folder_mark

if TYPE_CHECKING:
    from tailwire.server.store.postgres.store import PostgresStore

PER_SERVER_SETTINGS = frozenset({
    "access_log", "allowed_hosts", "apns_key", "broker_ca", "chat", "connections_per_address", "console", "data",
    "database", "demo_users", "docs", "drain_seconds", "fcm_credentials", "forwarded_header", "host", "log_format",
    "log_level", "max_connections", "metrics", "metrics_listen", "min_free_disk", "overload_lag", "port",
    "proxy_protocol", "ready_file", "restart_window", "s3_access_key", "s3_endpoint", "s3_secret_key", "tls_cert",
    "tls_key", "tls_self_signed", "trusted_proxies", "upgrades_per_second",
})  # fmt: skip
"""Settings that may differ between servers: addresses, network limits, local files, credentials and logging."""
UPLOAD_FOLDER = "upload folder"
"""The key in `Report.digests` for the upload folder. Its value is a hash of the folder's mark: a random text in a file
there, by which servers see whether they use the same folder. It is missing if the server stores uploads in a bucket, or
cannot read the mark.
"""
DIGEST_CHARACTERS = 8
MAX_KNOWN_SERVERS = 100
"""For how many servers the difference is logged only once. Beyond that the oldest is forgotten, and logged again."""


class Report(msgspec.Struct, frozen=True):
    """What a server publishes about its settings, as JSON.

    Attributes:
        server: a random name that the server has until it stops.
        name: the name of its process in logs.
        asks: True if a server whose settings differ should publish its own report in reply.
        digests: a short hash of each setting that must not differ, by the setting's name, and of `UPLOAD_FOLDER`.
    """

    server: str
    name: str
    asks: bool
    digests: dict[str, str]


class SettingsComparison:
    """Compares the settings of this server with those of the other servers on its PostgreSQL database.

    Args:
        start_task: schedules a coroutine in the background until the server stops.
    """

    def __init__(
        self,
        settings: Settings,
        store: PostgresStore,
        world: World,
        start_task: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._store = store
        self._world = world
        self._start_task = start_task
        self._folder = None if settings.uploads else Path(settings.data) / FOLDER
        self._own = Report(world.secret(8), process_name(), True, digests(settings))
        self._differing: deque[str] = deque(maxlen=MAX_KNOWN_SERVERS)  # servers with other settings

    async def start(self) -> None:
        """Publish this server's report if others run, and compare each report that arrives from now on.

        Differences are only logged: a warning for settings, an error for different upload folders.

        Raises:
            Refused: the store does not answer.
        """
        if self._folder is not None:
            await self._mark(self._folder)
        self._store.feed.listen(self._on_changes)
        if self._store.processes.servers > 1:
            await self._report(asks=True)

    async def _mark(self, folder: Path) -> None:
        try:
            new = self._world.secret(16)
            mark = await asyncio.get_running_loop().run_in_executor(None, folder_mark, folder, new)
        except OSError as e:
            log.warning("the folder of uploads cannot be compared with that of other servers: %s", e)
            return
        if mark:
            self._own.digests[UPLOAD_FOLDER] = digest(UPLOAD_FOLDER, mark)

    async def _report(self, *, asks: bool) -> None:
        report = msgspec.structs.replace(self._own, asks=asks)
        await self._store.report_change(SETTINGS, msgspec.json.encode(report).decode())

    def _on_changes(self, changes: Sequence[Change] | None) -> None:
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
        names = ", ".join(name for name in differing if name != UPLOAD_FOLDER)
        if names:
            log.warning(
                "server %s has other settings: %s; all servers of a database must have the same", other.name, names
            )
        if UPLOAD_FOLDER in differing:
            log.error(
                "server %s stores uploads in another folder: files that one receives are not found at the other; mount"
                " one folder at the `uploads` of both data folders, or set `uploads` to a bucket",
                other.name,
            )
        if other.asks:
            self._start_task(self._report(asks=False))


def digests(settings: Settings) -> dict[str, str]:
    """Return a short hash of each setting that must be the same at all servers, by its name.

    Passwords and other secrets in the values are left out before hashing, so they are not compared.
    """
    names = sorted(field.name for field in dataclasses.fields(settings) if field.name not in PER_SERVER_SETTINGS)
    return {name: digest(name, redacted(settings, name)) for name in names}


def digest(name: str, value: object) -> str:
    """Return the first `DIGEST_CHARACTERS` hexadecimal digits of the SHA-256 of a setting's name and value."""
    return hashlib.sha256(f"{name}={value}".encode()).hexdigest()[:DIGEST_CHARACTERS]


def differences(mine: dict[str, str], others: dict[str, str]) -> list[str]:
    """Return the names of the settings whose hashes differ. A name that only one of the two has is ignored.

    Args:
        mine: hashes by setting, as `digests` returns them.
        others: those of another server.
    """
    return [name for name in mine if name in others and mine[name] != others[name]]
