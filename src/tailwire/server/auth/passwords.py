"""Hashes passwords of groups with a slow algorithm, one after the other and outside the event loop.

A single hash is computed in a thread with a low priority. The thread may still keep the processor for 4 ms when the
event loop needs it. So while several passwords wait, a child process hashes them, which the kernel interrupts at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tailwire.server.auth import password_child, scrypt
from tailwire.server.auth.secrets import hash_password, same_password
from tailwire.server.child_process.host import FAILURES, ChildProcess
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log
from tailwire.server.thread_priority import lower_priority

T = TypeVar("T")

MAX_PENDING_HASHES = 64  # hashes that wait or are in progress, about 15 ms each
MAX_PENDING_HASHES_PER_USER = 3
RETRY_AFTER_SECONDS = 1.0
IDLE_SECONDS, LOW_SECONDS = 1.0, 5.0
"""How long a hash may take in the child process: first at idle priority, and then at a low priority."""
NO_CHILD_SECONDS = 60.0
"""For how long hashes are computed in the thread after the child process has failed."""


class Passwords:
    """Hashes and verifies passwords.

    At most `MAX_PENDING_HASHES` may wait or be in progress, and at most `MAX_PENDING_HASHES_PER_USER` for one user.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="tailwire-passwords", initializer=lower_priority)
        self._pending_by_user: Counter[str] = Counter()
        self._pending = 0
        self._no_child_until = 0.0
        self._child = ChildProcess(
            "tailwire.server.auth.password_child",
            scrypt.DIGEST_BYTES,
            idle_seconds=IDLE_SECONDS,
            low_seconds=LOW_SECONDS,
        )

    async def hash(self, uid: str, password: str) -> str:
        """Return a password in the form to be stored: salt and hash, as `secrets.hash_password`.

        This waits until earlier passwords have been hashed. If the caller is cancelled, the hash still takes its turn.

        Args:
            uid: the user who asks; "" for the app itself, to which only the total limit applies.
            password: the password in plain text.

        Raises:
            Refused: ERR_TOO_MANY_REQUESTS, too many passwords wait to be hashed, in total or for this user.
        """
        return await self._hash_in_thread(uid, hash_password, password, self._world, self._digest)

    async def matches(self, uid: str, password: str, stored: str) -> bool:
        """Return whether a password matches a stored one. This waits until earlier passwords have been hashed.

        Args:
            uid: the user who asks; "" for the app itself, to which only the total limit applies.
            password: the password in plain text.
            stored: what `hash` has returned for the right password.

        Raises:
            Refused: ERR_TOO_MANY_REQUESTS, too many passwords wait to be hashed, in total or for this user.
        """
        return await self._hash_in_thread(uid, same_password, password, stored, self._digest)

    async def _hash_in_thread(self, uid: str, work: Callable[..., T], *args: object) -> T:
        if (uid and self._pending_by_user[uid] >= MAX_PENDING_HASHES_PER_USER) or self._pending >= MAX_PENDING_HASHES:
            advice = "Too many passwords are being checked. Wait, then try again."
            raise Refused(
                "ERR_TOO_MANY_REQUESTS", advice, retry_after=RETRY_AFTER_SECONDS, limit="passwords at the same time"
            )
        self._pending_by_user[uid] += 1
        self._pending += 1
        done = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._executor, work, *args))
        done.add_done_callback(lambda _: self._count_ended(uid))
        # A hash cannot be interrupted. If the caller is cancelled, it still counts until it is done.
        return await asyncio.shield(done)

    def _digest(self, password: bytes, salt: bytes) -> bytes:
        # Called in the thread.
        if self._pending > 1 and time.monotonic() >= self._no_child_until:
            try:
                return self._child.ask(password_child.JOB_HEAD.pack(len(password), len(salt)) + password + salt)
            except FAILURES as e:
                self._no_child_until = time.monotonic() + NO_CHILD_SECONDS
                if not self._child.closed:
                    log.warning("the process that hashes passwords failed, so the server hashes them itself: %s", e)
        return scrypt.digest(password, salt)

    def _count_ended(self, uid: str) -> None:
        self._pending -= 1
        self._pending_by_user[uid] -= 1
        if not self._pending_by_user[uid]:
            del self._pending_by_user[uid]

    async def close(self) -> None:
        """End the child process and cancel the hashes that wait. `hash` and `matches` must not be called afterwards."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        await asyncio.get_running_loop().run_in_executor(None, self._child.close)
