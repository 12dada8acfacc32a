"""What a running server does when the contents of its database were taken back: it forgets, and clients come back."""

from __future__ import annotations

import asyncio

from tailwire.server.actions.directory import Directory
from tailwire.server.actions.roles import Roles
from tailwire.server.app.opening import AnyStore
from tailwire.server.gateway.gateway import Gateway
from tailwire.server.telemetry.logs import log


class NewStarts:
    """Follows the new starts of a store. Its sockets are closed, so that the positions of all clients are checked."""

    def __init__(self, store: AnyStore, gateway: Gateway, directory: Directory, roles: Roles) -> None:
        self._gateway = gateway
        self._directory = directory
        self._roles = roles
        self._loading: asyncio.Task[None] | None = None
        store.on_new_start(self._begun)

    def _begun(self) -> None:
        self._directory.forget_all()
        self._gateway.close_all()
        if self._loading is None or self._loading.done():
            self._loading = asyncio.get_running_loop().create_task(self._load(), name="tailwire new start")

    async def _load(self) -> None:
        try:
            await self._roles.load()
        except Exception:  # noqa: BLE001 - nobody awaits the task, so its error is logged here
            log.exception("the roles could not be read again: restart the server")
