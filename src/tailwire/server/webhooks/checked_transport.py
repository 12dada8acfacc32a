"""An HTTP transport that connects only to allowed IP addresses, also when the addresses of a host name change."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2

MAX_HOSTS = 32
MAX_LOOKUPS = 8


class TargetNotAllowed(httpx2.ConnectError):
    """The server may not connect to any address of the host."""


class _HostTransport:
    """The connections to one host (a pool may only be shared by requests to one host), and whether they are in use.

    Attributes:
        in_use: how many requests were begun whose responses are not closed yet.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._transport = httpx2.AsyncHTTPTransport(verify=tls, trust_env=False)
        self.in_use = 0

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. The connections are in use until its response is closed."""
        self.in_use += 1
        try:
            response = await self._transport.handle_async_request(request)
        except BaseException:
            self._end_use()
            raise
        response.stream = _WatchedStream(response.stream, self._end_use)
        return response

    def _end_use(self) -> None:
        self.in_use -= 1

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


class _WatchedStream(httpx2.AsyncByteStream):
    """The body of a response. `on_close` is called once, when it is closed."""

    def __init__(self, stream: Any, on_close: Callable[[], None]) -> None:
        self._stream = stream
        self._on_close: Callable[[], None] | None = on_close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            if self._on_close is not None:
                self._on_close()
                self._on_close = None


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Resolves names itself, and connects only to allowed addresses. Ignores proxies that environment variables name.

    Connections to the `MAX_HOSTS` hosts that were used last are kept, and to further ones while they are in use.

    Args:
        allows: returns whether an IP address may be connected to.
        setting: the name of the setting that decides about this, for error texts.
        lookups: how many names are looked up at the same time; further requests wait. A lookup occupies a thread until
            it ends, and the owner of the name can make it slow.
        known_for: for how many seconds the addresses of a host are used without another lookup; 0 to look them up for
            each request. Requests to a known host do not wait for the lookups of other names.
    """

    def __init__(
        self,
        allows: Callable[[str], bool],
        setting: str = "webhook_targets",
        *,
        lookups: int = MAX_LOOKUPS,
        known_for: float = 0.0,
    ) -> None:
        self._known_for = known_for
        self._allows = allows
        self._setting = setting
        self._tls = httpx2.create_ssl_context()
        self._lookups = asyncio.Semaphore(lookups)
        self._known: dict[str, tuple[float, list[str]]] = {}  # by host: when its addresses expire; its addresses
        self._by_host: dict[tuple[str, str, int], _HostTransport] = {}  # the most recently used is the last
        self._closing: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request to the first allowed address of its host that can be reached.

        Raises:
            TargetNotAllowed: no address of the host is allowed.
            httpx2.TransportError: the host has no address, or none that can be reached, or the request fails.
        """
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        addresses = self._allowed(await self._addresses(host, port, request), request)
        transport = self._transport(request.url.scheme, host, port)
        extensions = dict(request.extensions)
        if request.url.scheme == "https" and not _is_address(host):
            extensions["sni_hostname"] = host  # also the name in the certificate
        for n, address in enumerate(addresses):
            there = httpx2.Request(
                request.method, request.url.copy_with(host=address), headers=request.headers, stream=request.stream,
                extensions=extensions,
            )  # fmt: skip
            try:
                return await transport.send(there)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                if n == len(addresses) - 1:
                    self._known.pop(host, None)
                    raise
        raise RuntimeError("unreachable: there is at least one address")

    async def _addresses(self, host: str, port: int, request: httpx2.Request) -> list[str]:
        loop = asyncio.get_running_loop()
        known = self._known.get(host)
        if known is not None and loop.time() < known[0]:
            return known[1]
        await self._lookups.acquire()
        # A lookup cannot be ended: it counts until its thread has an answer, even if no request waits for it.
        lookup = asyncio.ensure_future(loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        lookup.add_done_callback(self._end_lookup)
        try:
            infos = await asyncio.shield(lookup)
        except (OSError, UnicodeError) as e:
            raise httpx2.ConnectError(f"{host}: {e}", request=request) from e
        found = list(dict.fromkeys(str(info[4][0]) for info in infos))
        if len(self._known) >= MAX_HOSTS:
            del self._known[next(iter(self._known))]
        self._known[host] = loop.time() + self._known_for, found
        return found

    def _end_lookup(self, lookup: asyncio.Future[Any]) -> None:
        self._lookups.release()
        if not lookup.cancelled():
            lookup.exception()  # mark as retrieved: perhaps no caller waits for it any longer

    def _allowed(self, found: list[str], request: httpx2.Request) -> list[str]:
        allowed = [address for address in found if self._allows(address)]
        if not allowed:
            raise TargetNotAllowed(
                f"{request.url.host} has no allowed address ({', '.join(found)}); see the setting {self._setting}",
                request=request,
            )
        return allowed

    def _transport(self, scheme: str, host: str, port: int) -> _HostTransport:
        key = (scheme, host, port)
        transport = self._by_host.pop(key, None) or _HostTransport(self._tls)
        idle = [key for key, other in self._by_host.items() if not other.in_use]
        for one in idle[: max(0, len(self._by_host) + 1 - MAX_HOSTS)]:
            # In a task, because this request may be cancelled, and need not wait for it.
            task = asyncio.get_running_loop().create_task(self._by_host.pop(one).close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        self._by_host[key] = transport
        return transport

    async def aclose(self) -> None:
        """Close all connections."""
        transports, self._by_host = self._by_host, {}
        for transport in transports.values():
            await transport.close()
        if self._closing:
            await asyncio.wait(self._closing)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
