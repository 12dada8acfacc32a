"""Connecting to a host: a cancelled attempt leaves no socket, at whichever step it is cancelled."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

import pytest

from sizes import size
from tailwire.sdk.io.addresses import connected_socket
from tailwire.sdk.io.websocket import open_wire


def sockets_left() -> list[str]:
    """Return the unclosed sockets that the garbage collector finds."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        gc.collect()
    return [str(one.message) for one in found]


@pytest.fixture
def port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(200)
        yield listening.getsockname()[1]


async def cancelled_after(steps: int, work) -> None:
    task = asyncio.create_task(work)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, socket.socket):
        result.close()
    await asyncio.sleep(0)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("how", ["a socket", "a WebSocket"])
async def test_cancelled_attempt_leaves_no_socket(port, how):
    sockets_left()
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for steps in range(0, 40, size(3, 1)):
            work = (
                connected_socket("127.0.0.1", port)
                if how == "a socket"
                else open_wire(f"ws://127.0.0.1:{port}/", {}, None, "")
            )
            await cancelled_after(steps, work)
    assert [str(one.message) for one in found] + sockets_left() == []
