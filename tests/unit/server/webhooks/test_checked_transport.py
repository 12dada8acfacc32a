"""Names that users choose are looked up a few at a time, and delay neither known hosts nor other work in threads.

Connections to a bounded number of hosts are kept, and those that are in use are never closed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import httpx2
import pytest

from tailwire.server.webhooks import checked_transport
from tailwire.server.webhooks.checked_transport import CheckedTransport, TargetNotAllowed

pytestmark = pytest.mark.virtual


class Names:
    """A resolver. Names that begin with `slow` have no answer until `answer` is set."""

    def __init__(self) -> None:
        self.lookups: list[str] = []
        self.answer = asyncio.Event()
        self.address = "127.0.0.1"

    async def getaddrinfo(self, host: str, port: int, **more: Any) -> list[Any]:
        self.lookups.append(host)
        if host.startswith("slow"):
            await self.answer.wait()
            raise socket.gaierror("no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.address, port))]


def names_of(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Replace the resolver of the event loop. Return the new one."""
    found = Names()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found.getaddrinfo)
    return found


async def addresses(transport: CheckedTransport, host: str) -> list[str]:
    return await transport._addresses(host, 443, httpx2.Request("POST", f"https://{host}/"))


async def within(seconds: float, transport: CheckedTransport, host: str) -> list[str] | None:
    """Return the addresses of a host; None if they are not known in time."""
    try:
        async with asyncio.timeout(seconds):
            return await addresses(transport, host)
    except TimeoutError:
        return None


async def test_lookups_that_do_not_end_take_a_bounded_number_of_threads_and_count_until_they_end(monkeypatch):
    names, transport = names_of(monkeypatch), CheckedTransport(lambda address: True, lookups=2)
    for host in ("slow1", "slow2", "slow3", "other"):
        assert await within(10, transport, host) is None
    assert names.lookups == ["slow1", "slow2"]
    names.answer.set()
    assert await within(10, transport, "other") == ["127.0.0.1"]
    with pytest.raises(httpx2.ConnectError, match="no such name"):
        await addresses(transport, "slow3")
    await transport.aclose()


async def test_known_host_does_not_wait_for_the_lookups_of_others_and_is_looked_up_again_later(monkeypatch):
    names, transport = names_of(monkeypatch), CheckedTransport(lambda address: True, lookups=1, known_for=30)
    assert await addresses(transport, "known") == ["127.0.0.1"]
    assert await within(1, transport, "slow") is None
    assert await within(1, transport, "known") == ["127.0.0.1"]
    names.answer.set()
    names.address = "127.0.0.2"
    await asyncio.sleep(30)
    assert await within(1, transport, "known") == ["127.0.0.2"]
    assert names.lookups == ["known", "slow", "known"]
    await transport.aclose()


async def test_remembered_addresses_of_a_host_are_checked_for_each_request(monkeypatch):
    names_of(monkeypatch)
    allowed = {"127.0.0.1"}
    transport = CheckedTransport(allowed.__contains__, known_for=30)
    request = httpx2.Request("POST", "http://known:9/")
    with pytest.raises(httpx2.ConnectError):  # nobody listens there
        await transport.handle_async_request(request)
    await addresses(transport, "known")
    allowed.clear()
    with pytest.raises(TargetNotAllowed):
        await transport.handle_async_request(request)
    await transport.aclose()


async def test_number_of_known_hosts_is_bounded(monkeypatch):
    names_of(monkeypatch)
    monkeypatch.setattr(checked_transport, "MAX_HOSTS", 2)
    transport = CheckedTransport(lambda address: True)
    for host in "abc":
        await addresses(transport, host)
    assert list(transport._known) == ["b", "c"]
    await transport.aclose()


class Pool(httpx2.AsyncBaseTransport):
    """A transport to one host, which takes a second to be closed. Requests to `broken` fail, and to `silent` take long.

    Attributes:
        host: the host of its first request.
        made: all pools, in the order in which they were made.
        closed: whether it was closed.
        cut_off: whether it was closed before a response of it was.
    """

    made: ClassVar[list[Pool]]

    def __init__(self, **options: Any) -> None:
        self.host, self.closed, self.cut_off, self._responses = "", False, False, 0
        self.made.append(self)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.host = request.headers["host"]
        if self.host == "broken":
            raise httpx2.ReadError("the connection was lost")
        if self.host == "silent":
            await asyncio.sleep(60)
        self._responses += 1
        return httpx2.Response(200, stream=Body(self._end_response))

    def _end_response(self) -> None:
        self._responses -= 1

    async def aclose(self) -> None:
        self.cut_off = self._responses > 0
        await asyncio.sleep(1)
        self.closed = True


class Body(httpx2.AsyncByteStream):
    """The body of a response. `on_close` is called when it is closed."""

    def __init__(self, on_close: Callable[[], None]) -> None:
        self._on_close = on_close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"answer"

    async def aclose(self) -> None:
        self._on_close()


@asynccontextmanager
async def client_of_pools(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client that keeps connections to two hosts. In the end all must be closed, none of them in use."""
    names_of(monkeypatch)
    monkeypatch.setattr(checked_transport, "MAX_HOSTS", 2)
    monkeypatch.setattr(Pool, "made", [], raising=False)
    monkeypatch.setattr(httpx2, "AsyncHTTPTransport", Pool)
    async with httpx2.AsyncClient(transport=CheckedTransport(lambda address: True)) as client:
        yield client
    assert [pool.host for pool in Pool.made if not pool.closed or pool.cut_off] == []


async def begin(client: httpx2.AsyncClient, host: str) -> httpx2.Response:
    """Send a request to a host. The body of the response is not read yet."""
    return await client.send(client.build_request("POST", f"http://{host}/"), stream=True)


async def hosts_after(seconds: float) -> list[str]:
    """Return the hosts to which there are connections after a time."""
    await asyncio.sleep(seconds)
    return [pool.host for pool in Pool.made if not pool.closed]


async def test_connections_of_responses_that_are_not_closed_stay_although_there_are_too_many_hosts(monkeypatch):
    async with client_of_pools(monkeypatch) as client:
        responses = {host: await begin(client, host) for host in "abc"}
        assert await hosts_after(2) == ["a", "b", "c"]
        assert await responses["b"].aread() == b"answer"
        await (await begin(client, "d")).aclose()
        await (await begin(client, "e")).aclose()
        assert await hosts_after(2) == ["a", "c", "e"]
        for host in "ac":
            assert await responses[host].aread() == b"answer"
        await (await begin(client, "f")).aclose()
        assert await hosts_after(2) == ["e", "f"]


async def test_connections_of_a_request_that_has_failed_or_was_cancelled_are_not_in_use(monkeypatch):
    async with client_of_pools(monkeypatch) as client:
        with pytest.raises(httpx2.ReadError):
            await begin(client, "broken")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await begin(client, "silent")
        for host in "ab":
            await (await begin(client, host)).aclose()
        assert await hosts_after(2) == ["a", "b"]


async def test_requests_to_a_new_host_at_once_share_their_connections(monkeypatch):
    async with client_of_pools(monkeypatch) as client:
        for host in "ab":
            await (await begin(client, host)).aclose()
        for response in await asyncio.gather(*(begin(client, "c") for _ in range(3))):
            await response.aread()
        assert [pool.host for pool in Pool.made] == ["a", "b", "c"]


async def test_request_that_is_cancelled_while_connections_to_another_host_are_closed_leaves_none_open(monkeypatch):
    async with client_of_pools(monkeypatch) as client:
        for host in "ab":
            await (await begin(client, host)).aclose()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await begin(client, "silent")
        assert await hosts_after(2) == ["b", "silent"]
