"""Closes sockets of this process whose auth tokens another process has revoked."""

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
    """Follows the store's feed, which reports changes by other processes, and closes sockets whose token was revoked.

    If a change names a token, its sockets are closed at once. If it only names a user, the store is asked about the
    tokens of the user's sockets. If changes were missed, it is asked about those of all sockets.
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
        """Cancel a check of tokens that is in progress."""
        if self._task is not None:
            task = self._task
            task.cancel()
            await asyncio.wait([task])
