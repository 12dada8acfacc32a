"""Names with several addresses, and how an address is chosen."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any

Reach = Callable[[str], Awaitable[None]]
Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


class Names:
    """The addresses of names. An unknown name is its own address.

    Attributes:
        addresses: the addresses by name, in the order in which a resolver returns them.
        dead: addresses that do not respond.
        refused: addresses that refuse connections.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.dead: set[str] = set()
        self.refused: set[str] = set()

    def of(self, name: str) -> list[str]:
        """Return the addresses of a name."""
        return self.addresses.get(name, [name])

    def infos(self, name: str, port: int) -> list[Info]:
        """Return what `getaddrinfo` returns for a name."""
        return [_info(address, port) for address in self.of(name)]

    def move(self, name: str, address: str) -> list[str]:
        """Give a name another address and mark the old ones as dead. Return the old ones."""
        old = self.of(name)
        self.dead.update(old)
        self.dead.discard(address)
        self.addresses[name] = [address]
        return old

    def clear(self) -> None:
        """Forget all names: each is its own address again."""
        self.addresses.clear()
        self.dead.clear()
        self.refused.clear()


def _info(address: str, port: int) -> Info:
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))


async def reach_one(addresses: list[str], reach: Reach) -> str:
    """Connect to the first reachable address, in order, as asyncio's `create_connection` does.

    Args:
        addresses: the addresses, in order.
        reach: connects to an address, or raises `OSError`.

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
