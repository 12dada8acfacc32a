"""Connect to the first address of a host that accepts (Happy Eyeballs, RFC 8305).

uvloop does not implement it, and asyncio's `happy_eyeballs_delay` leaks sockets when it is cancelled.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from functools import partial
from typing import Any

ATTEMPT_DELAY_SECONDS = 0.25
"""Seconds before the next address is tried while an attempt is pending."""


async def connected_socket(host: str, port: int) -> socket.socket:
    """Return a socket connected to the first address that accepts; address families alternate.

    Raises:
        OSError: if no address accepts. With several addresses, its cause is an `ExceptionGroup` of their errors.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    waiting = _in_turns(found)
    tries: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    won: socket.socket | None = None
    try:
        while won is None and (waiting or tries):
            if waiting:
                tries.add(asyncio.create_task(_connected(waiting.pop(0))))
            delay = ATTEMPT_DELAY_SECONDS if waiting else None
            done, _ = await asyncio.wait(tries, timeout=delay, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                error = one.exception()
                if error is None:
                    won = won or one.result()
                elif isinstance(error, OSError):
                    errors.append(error)
                else:
                    raise error
            tries -= {one for one in done if one.exception() is not None}
    finally:
        # Nothing is awaited here: a cancellation at that point would leak sockets.
        for one in tries:
            one.cancel()
            one.add_done_callback(partial(_close_unless, won))
    if won is not None:
        return won
    if len(errors) == 1:
        raise errors[0]
    raise OSError("no address could be connected to") from ExceptionGroup("of each address", errors)


def _close_unless(won: socket.socket | None, one: asyncio.Task[socket.socket]) -> None:
    if not one.cancelled() and one.exception() is None and one.result() is not won:
        one.result().close()


def _in_turns(found: list[Any]) -> list[Any]:
    families: dict[int, list[Any]] = {}
    for one in found:
        families.setdefault(one[0], []).append(one)
    return [one for turn in itertools.zip_longest(*families.values()) for one in turn if one is not None]


async def _connected(address: Any) -> socket.socket:
    family, kind, protocol, _, place = address
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, place)
    except BaseException:
        made.close()
        raise
    return made
