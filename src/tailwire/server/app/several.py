"""Makes a server one of several on a database: who is online, and what is left by a server that has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from tailwire.server.actions.ephemeral import Ephemeral
from tailwire.server.app.opening import AnyStore
from tailwire.server.config import Settings
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.presence import AlonePresence, SharedPresence
from tailwire.server.ports.changes import SEEN, Change
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.sqlite import SqliteStore
from tailwire.server.telemetry.logs import log

if TYPE_CHECKING:
    from tailwire.server.store.postgres.processes import Ended

AnyPresence = AlonePresence | SharedPresence


def make_presence(store: AnyStore, hub: Hub) -> AnyPresence:
    """Return who is online: here, and on PostgreSQL at other servers."""
    if isinstance(store, SqliteStore):
        return AlonePresence(hub)

    def forget(uids: Iterable[str]) -> None:
        store.feed.tell([Change(0, SEEN, uid) for uid in uids])

    return SharedPresence(hub, store.presence, forget)


class Several:
    """Follows the other servers. On SQLite there are none.

    Args:
        presence: of this server.
    """

    def __init__(self, settings: Settings, store: AnyStore, presence: AnyPresence, ephemeral: Ephemeral) -> None:
        self._presence = presence
        self._ephemeral = ephemeral
        self._tasks: set[asyncio.Task[None]] = set()
        self._store = store
        self._grace = settings.presence_grace

    async def start(self) -> None:
        """Read the state of the other servers, and follow it.

        Raises:
            Refused: the store does not answer.
        """
        presence, store = self._presence, self._store
        if isinstance(store, SqliteStore) or isinstance(presence, AlonePresence):
            return
        await presence.start()
        presence.on_returned = lambda uids: self._run(self._ephemeral.returned(uids))
        store.lane.grace = self._grace
        store.processes.on_ended(self._ended)
        store.upkeep.on_renewed(lambda: presence.look(store.processes.alive))

    def _ended(self, ended: Ended) -> None:
        if isinstance(self._presence, SharedPresence):
            self._presence.ended(ended.process)
            self._run(self._ephemeral.ended(ended.offline, ended.at))

    def _run(self, action: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._log_failure(action), name="tailwire servers")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _log_failure(self, action: Coroutine[Any, Any, None]) -> None:
        try:
            await action
        except Refused as e:
            log.warning("users of another server were not reported as online or offline: %s", e)

    async def close(self) -> None:
        """Stop following the others."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        if isinstance(self._presence, SharedPresence):
            await self._presence.close()
