"""Addresses of hosts: how they are written, and which one of a host is connected to.

The one that accepts first is used (Happy Eyeballs, RFC 8305). This does not use the event loop's own implementation:
uvloop has none, and asyncio's `happy_eyeballs_delay` leaks sockets when it is cancelled.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from functools import partial
from typing import Any

ATTEMPT_DELAY_SECONDS = 0.25
"""Seconds after which the next address is tried too, if the previous one has neither accepted nor failed."""


def host_and_port(host: str, port: int) -> str:
    """Return a host and a port as they are part of a URL: an IPv6 address stands in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


async def connected_socket(host: str, port: int) -> socket.socket:
    """Return a non-blocking socket, connected to the address of the host that accepted first.

    The addresses are tried in the order of the name lookup, but with IPv4 and IPv6 alternating.

    Raises:
        OSError: if the host has no address (`socket.gaierror`), or none accepts. If several refused, its `__cause__` is
            an `ExceptionGroup` of their errors.
    """
    addresses = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    waiting = _alternated(addresses)
    tries: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    won: socket.socket | None = None
    try:
        while won is None and (waiting or tries):
            if waiting:
                tries.add(asyncio.create_task(_connect_to(waiting.pop(0))))
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


def _alternated(addresses: list[Any]) -> list[Any]:
    families: dict[int, list[Any]] = {}
    for one in addresses:
        families.setdefault(one[0], []).append(one)
    return [one for turn in itertools.zip_longest(*families.values()) for one in turn if one is not None]


async def _connect_to(address: Any) -> socket.socket:
    family, kind, protocol, _, place = address
    connection = socket.socket(family, kind, protocol)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, place)
    except BaseException:
        connection.close()
        raise
    return connection
