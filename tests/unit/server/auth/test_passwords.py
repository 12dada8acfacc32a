"""Passwords: pending hashes are limited, and count until they are done even if their caller is cancelled."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tailwire.server.auth import passwords as module
from tailwire.server.auth.passwords import MAX_PENDING_HASHES, MAX_PENDING_HASHES_PER_USER, Passwords
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.thread_priority import lower_priority


async def test_a_hashed_password_is_verified():
    passwords = Passwords(World())
    stored = await passwords.hash("alice", "secret")
    assert "secret" not in stored
    assert await passwords.same("bob", "secret", stored)
    assert not await passwords.same("bob", "wrong", stored)
    passwords.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
async def test_hashing_yields_to_the_event_loop(monkeypatch):
    def niceness(*_: object) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    monkeypatch.setattr(module, "same_password", niceness)
    passwords = Passwords(World())
    assert await passwords.same("alice", "", "") == min(niceness() + 10, 19)
    passwords.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only on Linux do threads have a priority of their own")
@pytest.mark.parametrize("more", [0, 15, 19])
def test_lower_priority_adds_ten_to_the_niceness_up_to_nineteen(more):
    def niceness() -> tuple[int, int]:
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(more, os.getpriority(os.PRIO_PROCESS, thread)))
        before = os.getpriority(os.PRIO_PROCESS, thread)
        lower_priority()  # a server that is not root's may not raise it
        return before, os.getpriority(os.PRIO_PROCESS, thread)

    with ThreadPoolExecutor(1) as executor:
        before, after = executor.submit(niceness).result()
    assert after == min(before + 10, 19)


async def test_pending_hashes_are_limited(monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(module, "same_password", lambda *_: go.wait(30))
    passwords = Passwords(World())

    def begin(uid: str) -> asyncio.Task[bool]:
        return asyncio.create_task(passwords.same(uid, "", ""))

    own = [begin("alice") for _ in range(MAX_PENDING_HASHES_PER_USER + 1)]
    app = [begin("") for _ in range(MAX_PENDING_HASHES_PER_USER + 1)]  # the app itself has only the total limit
    others = [begin(f"u{n}") for n in range(MAX_PENDING_HASHES)]
    await asyncio.sleep(0)
    refused = [t for t in (*own, *app, *others) if t.done()]
    assert own[-1] in refused
    assert not set(app) & set(refused)
    assert len(refused) == len(own) + len(app) + len(others) - MAX_PENDING_HASHES
    for task in refused:
        with pytest.raises(Refused, match="ERR_TOO_MANY_REQUESTS") as told:
            await task
        assert told.value.retry_after
    own[0].cancel()
    await asyncio.sleep(0)
    with pytest.raises(Refused):
        await passwords.same("alice", "", "")  # cancelled hashes still count
    go.set()
    assert all(await asyncio.gather(*(t for t in (*own[1:], *app, *others) if t not in refused)))
    assert await passwords.same("alice", "", "")
    passwords.close()
