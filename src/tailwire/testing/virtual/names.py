"""Host names with several addresses, and how a client chooses one of them."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

Reach = Callable[[str], Awaitable[None]]
Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


class Names:
    """The addresses of host names. A name that is not in `addresses` has one address, which is the name itself.

    Attributes:
        addresses: the addresses by name, in the order in which a resolver returns them.
        dead: addresses that do not respond: connecting to them times out.
        refused: addresses that refuse connections at once.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.dead: set[str] = set()
        self.refused: set[str] = set()

    def of(self, name: str) -> list[str]:
        """Return the addresses of a name, in the order in which a resolver returns them."""
        return self.addresses.get(name, [name])

    def infos(self, name: str, port: int) -> list[Info]:
        """Return the addresses of a name in the form that `getaddrinfo` returns, with a port."""
        return [_info(address, port) for address in self.of(name)]

    def move(self, name: str, address: str) -> list[str]:
        """Make an address the only one of a name, mark the former addresses as dead, and return them."""
        old = self.of(name)
        self.dead.update(old)
        self.dead.discard(address)
        self.addresses[name] = [address]
        return old

    def clear(self) -> None:
        """Remove all addresses, so that each name is its own address again, which responds and accepts."""
        self.addresses.clear()
        self.dead.clear()
        self.refused.clear()


def _info(address: str, port: int) -> Info:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


async def reach_one(addresses: list[str], reach: Reach) -> str:
    """Try addresses one after the other until one can be reached, as asyncio's `create_connection` does.

    Args:
        addresses: the addresses, in order.
        reach: waits until an address accepts a connection; raises `OSError` if it does not.

    Returns:
        The address that was reached.

    Raises:
        OSError: if no address can be reached.
    """
    errors: list[OSError] = []
    for address in addresses:
        try:
            await reach(address)
        except OSError as error:
            errors.append(error)
        else:
            return address
    if len({str(error) for error in errors}) == 1:
        raise errors[0]
    raise OSError(f"Multiple exceptions: {', '.join(str(error) for error in errors)}")
