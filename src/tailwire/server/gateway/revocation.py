"""Closes the sockets of auth tokens that were revoked at any process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tailwire.server.fanout.hub import Hub
from tailwire.server.ports.changes import Change
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.telemetry.logs import log

RETRY_SECONDS = 1.0


class Revocation:
    """Follows the store's feed of changes by other processes.

    The sockets of a token that the feed names are closed at once. If it only names a user, or changes were missed, a
    socket is closed once the store confirms that its token is gone.
    """

    def __init__(self, store: Store, hub: Hub) -> None:
        self._store = store
        self._hub = hub
        self._to_check: dict[str, None] = {}  # users whose sockets' tokens may be gone
        self._task: asyncio.Task[None] | None = None
        store.feed.listen(self._on_changes)

    def _on_changes(self, changes: Sequence[Change] | None) -> None:
        if changes is None:
            self._to_check.update(dict.fromkeys(self._hub.users_with_sockets()))
        for number, kind, key in changes or ():
            if not number:
                continue  # a change by this process, which has published the revocation itself
            if kind == "token":
                uid, _, token = key.rpartition("/")
                self._hub.revoke(uid, token)
            elif kind in ("tokens", "user") and self._hub.sockets_of(key):
                self._to_check[key] = None
        if self._to_check and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._check(), name="tailwire revocation")

    async def _check(self) -> None:
        try:
            while self._to_check:
                uid = next(iter(self._to_check))
                del self._to_check[uid]
                try:
                    for token in {socket.token for socket in self._hub.sockets_of(uid)}:
                        if await self._store.tokens.owner(token) is None:
                            self._hub.revoke(uid, token)
                except Refused as e:
                    self._to_check[uid] = None
                    log.warning("revoked tokens could not be checked; trying again later: %s", e)
                    await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._task = None

    async def close(self) -> None:
        """Stop checking."""
        if self._task is not None:
            task = self._task
            task.cancel()
            await asyncio.wait([task])
