"""Passwords of groups: hashed slowly, in a thread of their own, where a hash holds up nobody but the next one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tailwire.server.auth.secrets import hash_password, same_password
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World

T = TypeVar("T")

MAX_WAITING = 64  # hashes that wait or are under way: some 15 ms each
MAX_OF_ONE = 3  # of one user
COME_BACK = 1.0


class Passwords:
    """Hashes, and compares with what was hashed. How much may wait is bounded, in all and of each user."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tailwire-passwords")
        self._under_way: Counter[str] = Counter()
        self._waiting = 0

    async def hash(self, uid: str, password: str) -> str:
        """Return a password as it is stored.

        Args:
            uid: who asks for it; "" for the app itself, which has no bound of its own.

        Raises:
            Refused: ERR_TOO_MANY_REQUESTS.
        """
        return await self._slowly(uid, hash_password, password, self._world)

    async def same(self, uid: str, password: str, stored: str) -> bool:
        """Return whether a password is the stored one.

        Args:
            uid: who asks for it; "" for the app itself, which has no bound of its own.

        Raises:
            Refused: ERR_TOO_MANY_REQUESTS.
        """
        return await self._slowly(uid, same_password, password, stored)

    async def _slowly(self, uid: str, work: Callable[..., T], *args: object) -> T:
        if (uid and self._under_way[uid] >= MAX_OF_ONE) or self._waiting >= MAX_WAITING:
            advice = "Too many passwords are being looked at. Wait, then try again."
            raise Refused("ERR_TOO_MANY_REQUESTS", advice, retry_after=COME_BACK)
        self._under_way[uid] += 1
        self._waiting += 1
        done = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._executor, work, *args))
        done.add_done_callback(lambda _: self._ended(uid))
        # Who gives up while waiting still has a hash under way: it counts until it is done.
        return await asyncio.shield(done)

    def _ended(self, uid: str) -> None:
        self._waiting -= 1
        self._under_way[uid] -= 1
        if not self._under_way[uid]:
            del self._under_way[uid]

    def close(self) -> None:
        """Begin nothing more."""
        self._executor.shutdown(wait=False, cancel_futures=True)
