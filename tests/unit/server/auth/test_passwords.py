"""Passwords: pending hashes are limited, and count until they are done even if their caller is cancelled."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from tailwire.server.auth import passwords as module
from tailwire.server.auth.passwords import MAX_PENDING_HASHES, MAX_PENDING_HASHES_PER_USER, Passwords
from tailwire.server.auth.secrets import same_password
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.thread_priority import lower_priority


async def test_only_the_hashed_password_matches_its_hash():
    passwords = Passwords(World())
    stored = await passwords.hash("alice", "secret")
    assert "secret" not in stored
    assert await passwords.matches("bob", "secret", stored)
    assert not await passwords.matches("bob", "wrong", stored)
    await passwords.close()


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priority of their own")
async def test_hashing_has_a_lower_priority_than_the_event_loop(monkeypatch):
    def niceness(*_: object) -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    monkeypatch.setattr(module, "same_password", niceness)
    passwords = Passwords(World())
    assert await passwords.matches("alice", "", "") == min(niceness() + 10, 19)
    await passwords.close()


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


@asynccontextmanager
async def hashed_by_a_child() -> AsyncIterator[tuple[Passwords, dict[str, str]]]:
    """Hash several passwords at the same time, so that a child process does it."""
    passwords, uids = Passwords(World()), ("alice", "bob", "carol")
    passwords._child._deadlines.update(idle=60.0, low=60.0)  # this machine may be busy
    try:
        stored = await asyncio.gather(*(passwords.hash(uid, f"secret of {uid}") for uid in uids))
        assert passwords._child.pid is not None
        yield passwords, dict(zip(uids, stored, strict=True))
    finally:
        await passwords.close()


async def test_single_password_is_hashed_without_a_child_process():
    passwords = Passwords(World())
    await passwords.hash("alice", "secret")
    assert passwords._child.pid is None
    await passwords.close()


@pytest.mark.slow
async def test_several_passwords_are_hashed_by_a_child_process_in_the_same_way():
    async with hashed_by_a_child() as (passwords, stored):
        assert all(same_password(f"secret of {uid}", hashed) for uid, hashed in stored.items())
        assert not await passwords.matches("alice", "another secret", stored["alice"])
        assert await passwords.matches("alice", "secret of alice", stored["alice"])
        assert len({hashed.partition("$")[0] for hashed in stored.values()}) == 3
        strange = "\udcff" + "ä" * 100_000
        assert await passwords.matches("bob", strange, await passwords.hash("bob", strange))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has this scheduling policy")
async def test_child_process_runs_under_the_idle_scheduling_policy():
    async with hashed_by_a_child() as (passwords, _):
        assert os.sched_getscheduler(passwords._child.pid) == os.SCHED_IDLE


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_passwords_are_checked_although_the_child_process_was_killed_or_stopped(number, caplog):
    async with hashed_by_a_child() as (passwords, stored):
        passwords._child._deadlines.update(idle=0.2, low=0.2)
        child = passwords._child._child
        os.kill(child.pid, number)
        if number is signal.SIGKILL:
            child.wait(20)
            passwords._child._module = "tailwire.no_such_module"  # it cannot be started again either
        waiting = [passwords.matches(uid, f"secret of {uid}", hashed) for uid, hashed in stored.items()]
        with caplog.at_level(logging.WARNING):
            assert await asyncio.gather(*waiting) == [True, True, True]
        assert caplog.text.count("the server hashes them itself") <= 1


@pytest.mark.slow
async def test_closing_ends_the_child_process():
    async with hashed_by_a_child() as (passwords, _):
        child = passwords._child._child
        await passwords.close()
        assert child.poll() is not None


async def test_pending_hashes_are_limited(monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(module, "same_password", lambda *_: go.wait(30))
    passwords = Passwords(World())

    def begin(uid: str) -> asyncio.Task[bool]:
        return asyncio.create_task(passwords.matches(uid, "", ""))

    own = [begin("alice") for _ in range(MAX_PENDING_HASHES_PER_USER + 1)]
    app = [begin("") for _ in range(MAX_PENDING_HASHES_PER_USER + 1)]  # the app itself has only the total limit
    others = [begin(f"u{n}") for n in range(MAX_PENDING_HASHES)]
    await asyncio.sleep(0)
    refused = [t for t in (*own, *app, *others) if t.done()]
    assert own[-1] in refused
    assert not set(app) & set(refused)
    assert len(refused) == len(own) + len(app) + len(others) - MAX_PENDING_HASHES
    for task in refused:
        with pytest.raises(Refused, match="ERR_TOO_MANY_REQUESTS") as refusal:
            await task
        assert refusal.value.retry_after
    own[0].cancel()
    await asyncio.sleep(0)
    with pytest.raises(Refused):
        await passwords.matches("alice", "", "")  # cancelled hashes still count
    go.set()
    assert all(await asyncio.gather(*(t for t in (*own[1:], *app, *others) if t not in refused)))
    assert await passwords.matches("alice", "", "")
    await passwords.close()
