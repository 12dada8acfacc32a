"""A real server and real clients on a virtual loop: only time, randomness and the network are replaced."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Mapping
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from tailwire.sdk.io.traffic import not_counted
from tailwire.sdk.io.world import Wire
from tailwire.sdk.io.world import World as SdkWorld
from tailwire.server.actions.users import NewUser
from tailwire.server.app import Parts, assemble
from tailwire.server.app.opening import database_path, on_postgres
from tailwire.server.config import Settings
from tailwire.server.gateway.protocol import SocketProtocol
from tailwire.server.ports.world import World as ServerWorld
from tailwire.server.shutdown import shut_down
from tailwire.testing.new_database import put_new_database
from tailwire.testing.server import UNLIMITED
from tailwire.testing.virtual.loop import VirtualLoop
from tailwire.testing.virtual.network import current_process

EPOCH = 1_800_000_000.0
"""The wall clock, in seconds since 1970, when the time of a virtual loop is 0."""
PORT = 8480
SHUTDOWN_SECONDS = 5.0  # uvicorn's timeout_graceful_shutdown in production
SERVER = "server"


def virtual_loop() -> VirtualLoop:
    """Return the running virtual loop.

    Raises:
        RuntimeError: if another kind of loop runs.
    """
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        raise RuntimeError("this needs a virtual loop")
    return loop


class VirtualSdkWorld(SdkWorld):
    """What a client gets from the outside world on a virtual loop: time, randomness, sockets.

    Args:
        seed: the seed of its randomness.

    Attributes:
        slept: seconds that this client's device has slept, in addition to `VirtualLoop.sleep_machine`.
        wall_offset: seconds by which its wall clock is fast.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self.slept = self.wall_offset = 0.0

    def now(self) -> float:
        """Return the virtual seconds of a monotonic clock that also runs while the device sleeps."""
        return virtual_loop().boot_time() + self.slept

    def wall(self) -> float:
        """Return the virtual seconds since 1970 by the device's wall clock, which may be wrong (`wall_offset`)."""
        return EPOCH + self.now() + self.wall_offset

    def chance(self) -> float:
        """Return a seeded random number from 0 to 1."""
        return self._random.random()

    def unique(self) -> str:
        """Return a name that is unique and depends on the seed."""
        return f"{self._random.getrandbits(128):032x}"

    async def prepare(self) -> None:
        """Do nothing: a virtual loop has no threads."""

    async def open_wire(
        self,
        url: str,
        headers: Mapping[str, str],
        tls: ssl.SSLContext | None,
        proxy: str | None = None,
        moved: Callable[[], None] = not_counted,
    ) -> Wire:
        """Open a WebSocket as `SdkWorld` does, but ignore proxies of the environment."""
        return await super().open_wire(url, headers, tls, proxy or "", moved)

    def http_client(self, tls: ssl.SSLContext | None, proxy: str | None = None) -> Any:
        """Return an HTTP client. The arguments are ignored: making a TLS context is slow, and there are no proxies."""
        import httpx2

        return httpx2.AsyncClient(verify=False, timeout=httpx2.Timeout(15.0, connect=8.0), trust_env=False)


class VirtualServerWorld(ServerWorld):
    """What a server gets from the outside world on a virtual loop: time and randomness.

    Args:
        seed: the seed of its randomness.

    Attributes:
        wall_offset: seconds by which its wall clock is fast.
    """

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self.wall_offset = 0.0

    def seconds(self) -> int:
        """Return whole seconds since 1970 by the virtual wall clock of the server's machine."""
        return int(EPOCH + virtual_loop().time() + self.wall_offset)

    def milliseconds(self) -> int:
        """Return milliseconds since 1970 by the virtual clock, even if the store follows that of a real PostgreSQL."""
        return self.machine_milliseconds()

    def machine_milliseconds(self) -> int:
        """Return milliseconds since 1970 by the virtual wall clock of the server's machine."""
        return int((EPOCH + virtual_loop().time() + self.wall_offset) * 1000)

    def steady_milliseconds(self) -> int:
        """Return the virtual loop's time in milliseconds; its origin is arbitrary."""
        return int(virtual_loop().time() * 1000)

    def chance(self) -> float:
        """Return a seeded random number from 0 to 1."""
        return self._random.random()

    def secret(self, size: int) -> str:
        """Return a seeded secret of this many bytes, in hexadecimal."""
        return self._random.randbytes(size).hex()


class _OrderedSet(dict[Any, None]):
    # A set in insertion order, so that the order of shutdown depends on the seed alone.
    def add(self, one: Any) -> None:
        self[one] = None

    def discard(self, one: Any) -> None:
        self.pop(one, None)


class VirtualServer:
    """The real server on a virtual loop, with a database in a real file. It can be stopped, killed and started again.

    Each start is a new simulated process, `server#1`, `server#2` … (see `current_process`).

    Args:
        folder: the folder for its data; unused if `settings` are given.
        settings: its settings; by default those of a server without rate limits.

    Attributes:
        world: its clock and randomness.
        parts: the internal parts of the running server; None while it does not run.
        app_id, auth_key, api_key: the app id and the keys; "" before the first start.
        url: the URL for clients on the same loop.
    """

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self._settings = settings or Settings(data=str(folder), **UNLIMITED)
        self.world = VirtualServerWorld()
        self.parts: Parts | None = None
        self.app_id = self.auth_key = self.api_key = ""
        self.url = f"http://server:{PORT}"
        self._state: ServerState | None = None
        self._starts = 0
        self._authenticated = 0

    async def start(self) -> None:
        """Assemble the server and listen, as a new simulated process."""
        self._starts += 1
        token = current_process.set(f"{SERVER}#{self._starts}")
        try:
            await self._start()
        finally:
            current_process.reset(token)

    async def _start(self) -> None:
        if not on_postgres(self._settings):
            put_new_database(self.database)
        parts = self.parts = await assemble(self._settings, self.world)
        self.app_id = parts.keys.app_id
        self.auth_key = parts.keys.auth_key or self.auth_key
        self.api_key = parts.keys.api_key or self.api_key
        ws: Any = partial(SocketProtocol, parts.gateway)
        config = uvicorn.Config(parts.front, ws=ws, lifespan="off", log_config=None, access_log=False)
        config.load()
        state = self._state = ServerState()
        state.connections = _OrderedSet()  # type: ignore[assignment]

        def accept() -> Any:
            return parts.http(config=config, server_state=state, app_state={})

        virtual_loop().network.listen(PORT, accept)

    @property
    def database(self) -> Path:
        """The path of the database file."""
        return database_path(self._settings)

    @property
    def authenticated(self) -> int:
        """Number of WebSockets authenticated since the first start, except by processes that were killed."""
        return self._authenticated + (self.parts.metrics.authenticated if self.parts is not None else 0)

    async def add_users(self, *uids: str) -> None:
        """Create users, named after their uids in title case.

        Raises:
            RuntimeError: the server is not started.
        """
        if self.parts is None:
            raise RuntimeError("the server is not started")
        for uid in uids:
            await self.parts.actions.users.create(NewUser(uid=uid, name=uid.title()))

    async def token_for(self, uid: str) -> str:
        """Create an auth token for a user, as their app's backend would, and return it.

        The token is created in the server's process, even if the caller is cancelled meanwhile.

        Raises:
            OSError: the server is not running.
        """
        if self.parts is None:
            raise OSError("the server is down")
        context = copy_context()
        context.run(current_process.set, f"{SERVER}#{self._starts}")
        work = self.parts.actions.sessions.create_token(uid)
        made = await asyncio.shield(virtual_loop().create_task(work, context=context))
        return made.token

    async def stop(self) -> None:
        """Stop as after SIGTERM: notify the clients, finish pending work, close. Without effect if it does not run.

        Connections that are still open after `SHUTDOWN_SECONDS` are aborted.
        """
        parts, self.parts = self.parts, None
        if parts is None or self._state is None:
            return
        virtual_loop().network.stop_listening(PORT)
        for connection in list(self._state.connections):
            connection.shutdown()
        end = virtual_loop().time() + SHUTDOWN_SECONDS
        while self._state.connections and virtual_loop().time() < end:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
        for task in self._state.tasks:
            task.cancel()
        left: list[Any] = list(self._state.connections)
        for connection in left:
            (connection if hasattr(connection, "abort") else connection.transport).abort()
        self._authenticated += parts.metrics.authenticated
        background = [parts.push.close, *parts.actions.close_functions()]
        await shut_down(parts.gateway, parts.webhooks, background, parts.store, parts.message_log)
        await parts.actions.uploads.close()

    async def kill(self) -> None:
        """Stop as after SIGKILL: reset all connections and drop uncommitted work. Without effect if it does not run."""
        parts, self.parts = self.parts, None
        if parts is None:
            return
        network = virtual_loop().network
        network.stop_listening(PORT)
        parts.gateway._sockets.clear()  # a dead process does not notice closed connections
        network.drop()
        virtual_loop().kill(f"{SERVER}#{self._starts}")
        await asyncio.sleep(0)  # let cancelled tasks finish
        self._authenticated += parts.metrics.authenticated
        await parts.webhooks.close()
        await parts.push.close()
        parts.store.abandon()  # as in a killed process: its file is closed, and nothing is finished
