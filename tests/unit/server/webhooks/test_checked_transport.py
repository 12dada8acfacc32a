"""Names that users choose are looked up a few at a time, and delay neither known hosts nor other work in threads."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

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
