"""The real server in a thread of the test's process, on a free port; starting takes about 50 ms."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tailwire.testing.loop_thread import LoopThread
from tailwire.testing.server import UNLIMITED

if TYPE_CHECKING:
    from tailwire.server.app import Parts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TestUser:
    """A user of a test's server. `repr` omits the token.

    Attributes:
        uid: the uid.
        name: the name that other users see.
        token: the auth token, for `login_with_auth_token`.
    """

    __test__ = False

    uid: str
    name: str
    token: str = field(repr=False)


class EmbeddedServer:
    """The whole server in a thread of this process, on 127.0.0.1, with its own database.

    It has no rate limits, and sends all frames even if it is overloaded. Its methods block, and can be called from any
    thread except its own.

    Args:
        folder: the folder for its data.
        settings: settings of the server, by name (docs/server.md); they replace the defaults of this class. Without
            `port` it listens on a free one.

    Attributes:
        url, port: the URL and the port at which it listens; "" and the setting, or 0, before the first start.
        app_id, auth_key, api_key: the app id and the keys that the server created; "" before the first start.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        # On a busy machine the event loop is late. The server must not shed frames for that unless a test asks for it.
        self._settings = {"data": str(folder), **UNLIMITED, "overload_lag": 0.0, **settings}
        self._thread = LoopThread("tailwire test server")
        self._parts: Parts | None = None
        self._serving: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self.url = self.app_id = self.auth_key = self.api_key = ""
        self.port = int(settings.get("port", 0))

    def start(self) -> None:
        """Start the server, and wait until it listens. After `stop()` it uses the same port and data again.

        Raises:
            TimeoutError: it takes more than 30 s.
            Exception: whatever prevents the start, such as an invalid setting.
        """
        self._thread.call(self._start())

    async def _start(self) -> None:
        listening: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._serving = asyncio.create_task(self._serve(listening))
        done, _ = await asyncio.wait([listening, self._serving], return_when=asyncio.FIRST_COMPLETED)
        if self._serving in done:
            failed, self._serving = self._serving, None
            await failed

    async def _serve(self, listening: asyncio.Future[None]) -> None:
        from tailwire.server.app import running_server
        from tailwire.server.app.opening import database_path, on_postgres
        from tailwire.server.config import Settings
        from tailwire.testing.new_database import put_new_database

        settings = Settings(**{**self._settings, "port": self.port})
        if not on_postgres(settings):
            put_new_database(database_path(settings))
        async with running_server(settings) as server:
            keys = server.parts.keys
            self._parts, self.url, self.app_id = server.parts, server.url, server.parts.store.app_id
            self.port = int(self.url.rpartition(":")[2])
            self.auth_key, self.api_key = keys.auth_key or self.auth_key, keys.api_key or self.api_key
            serving = asyncio.create_task(server.server.serve([server.listening]))
            await server.server.listening.wait()
            listening.set_result(None)
            await self._stop.wait()
            server.server.should_exit = True
            await serving
        self._parts = None

    def stop(self) -> None:
        """Stop the server gracefully: it asks its clients to reconnect. Without effect if it is stopped."""
        self._thread.call(self._end())

    async def _end(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            self._stop.set()
            await serving

    def restart(self) -> None:
        """Stop the server gracefully, and start it on the same port and data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server and its thread; it cannot be started again. Call it once, also after a start that failed."""
        try:
            self.stop()
        finally:
            self._thread.stop()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's event loop, in its thread, and return its result. Blocks until it has ended.

        Args:
            work: the coroutine.

        Raises:
            TimeoutError: it takes more than 30 s; it keeps running.
            Exception: whatever the coroutine raises.
        """
        return self._thread.call(work)

    @property
    def parts(self) -> Parts:
        """The internal parts of the running server, for tests that inspect them.

        Raises:
            RuntimeError: the server is stopped.
        """
        if self._parts is None:
            raise RuntimeError("the server is stopped")
        return self._parts

    def add_user(self, uid: str, name: str = "") -> TestUser:
        """Create a user and an auth token for them, and return both.

        Args:
            uid: the uid of the new user.
            name: their name; "" for the uid in title case.

        Raises:
            RuntimeError: the server is stopped.
            tailwire.server.ports.refusal.Refused: the uid is invalid or in use.
        """

        async def add() -> TestUser:
            await self._create_user(uid, name)
            return await self._with_token(uid)

        return self.call(add())

    def provide_user(self, uid: str) -> TestUser:
        """Return a user with a new auth token; create the user first if there is none.

        Args:
            uid: the uid of the user.

        Raises:
            RuntimeError: the server is stopped.
            tailwire.server.ports.refusal.Refused: the uid is invalid, or its user is deactivated.
        """
        from tailwire.server.ports.refusal import Refused

        async def provide() -> TestUser:
            try:
                await self._create_user(uid)
            except Refused as e:
                if e.code != "ERR_UID_ALREADY_EXISTS":
                    raise
            return await self._with_token(uid)

        return self.call(provide())

    async def _create_user(self, uid: str, name: str = "") -> None:
        from tailwire.server.actions.users import NewUser

        await self.parts.actions.users.create(NewUser(uid=uid, name=name or uid.title()))

    async def _with_token(self, uid: str) -> TestUser:
        made = await self.parts.actions.sessions.create_token(uid)
        return TestUser(uid, made.user.row.name, made.token)

    def revoke_tokens(self, uid: str) -> None:
        """Revoke all tokens of a user: their clients are rejected immediately and have to log in again.

        Raises:
            RuntimeError: the server is stopped.
        """

        async def revoke() -> None:
            await self.parts.actions.keys.delete_tokens(uid)

        self.call(revoke())
