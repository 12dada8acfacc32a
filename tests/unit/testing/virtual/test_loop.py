"""Processes on the virtual loop."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context

import pytest

from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.world import virtual_loop

pytestmark = pytest.mark.virtual


async def test_tasks_of_a_killed_process_end_even_if_their_cleanup_waits_for_another():
    loop = virtual_loop()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await loop.create_future()  # as a write whose writer was killed too

    context = copy_context()
    context.run(current_process.set, "a process")
    task = loop.create_task(work(), context=context)
    await asyncio.sleep(1)
    loop.kill("a process")
    await asyncio.sleep(1)
    assert task.cancelled()


async def test_task_in_an_empty_context_belongs_to_the_process_that_began_it():
    loop = virtual_loop()

    async def begin() -> asyncio.Task[None]:
        return loop.create_task(asyncio.sleep(3600), context=Context())

    context = copy_context()
    context.run(current_process.set, "a process")
    task = await loop.create_task(begin(), context=context)
    loop.kill("a process")
    await asyncio.sleep(1)
    assert task.cancelled()
