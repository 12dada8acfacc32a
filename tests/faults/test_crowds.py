"""Slow readers, fast senders, silent sockets, mass reconnects: others are unaffected, and memory stays bounded."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from faults import size
from faults.crowd import Crowd, masked
from faults.traffic import Traffic
from harness import CONNECTED, Actor, LiveStage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
TYPING = b'{"type":"typing_indicator","receiver":"bob","receiverType":"user","body":{"action":"started"}}'


def memory(pid: int) -> int:
    """Return the resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


async def with_settings(live: LiveStage, **settings: str) -> None:
    """Restart the server with other settings."""
    await live.server.stop()
    live.server._settings |= {f"TAILWIRE_{name.upper()}": value for name, value in settings.items()}
    await live.server.start()


async def test_sockets_that_never_read_are_closed_and_others_receive_everything(live: LiveStage):
    """A twentieth of all sockets stop reading: they are closed, and the others receive everything."""
    count = size.max_sockets(size.full_or_short(2000, 200))
    await with_settings(live, slow_close="262144", slow_drop="65536")
    async with Crowd(live.server) as crowd, Traffic(live) as traffic:
        frame = await crowd.auth_frame("listener")
        await crowd.ask("POST", "/groups", json={"guid": "hall", "name": "Hall", "type": "public"})
        await crowd.ask("POST", "/groups/hall/members", json={"participants": ["listener"]})
        readers = await crowd.connect(count - count // 20, frame)
        slow = await crowd.connect(count // 20, frame)
        for member in slow:
            member.transport.pause_reading()
        await traffic.until(50)
        before, begun = memory(live.server.pid), [m.received for m in readers]
        body = {"receiver": "hall", "receiverType": "group", "category": "message", "type": "text",
                "data": {"text": "x" * 8000}}  # fmt: skip
        sent, most = 0, before
        while await crowd.metric('tailwire_closes_total{reason="slow"}') < len(slow):
            await asyncio.gather(*(crowd.ask("POST", "/messages", json=body) for _ in range(8)))
            sent += 8
            most = max(most, memory(live.server.pid))
            assert sent < 4000, "sockets that do not read were not closed"
        await traffic.until(10)
        assert {m.ready.result() for m in readers} == {True}
        assert not any(m.transport.is_closing() for m in readers)
        assert all(m.received - b > sent * 7000 for m, b in zip(readers, begun, strict=True))
        size.report("slow readers", sockets=count, slow=len(slow), mb=(most - before) / 1e6)
        assert most - before < 150e6
        for member in slow:  # bytes sent before the close are still in the network
            member.transport.resume_reading()
        await crowd.until_lost(len(slow))
        await live.server.until_logged("closed connections reason='slow'")


async def test_flooding_socket_is_closed_and_delays_nobody_else(live: LiveStage):
    """The sender's socket is closed, and their requests are refused with a time to retry. Others are not delayed.

    Requests that they send without reading the responses take no memory.
    """
    await with_settings(live, sends_per_minute="1200")
    async with Crowd(live.server) as crowd, Traffic(live) as traffic:
        frame = await crowd.auth_frame("flooder")
        await traffic.until(50)
        token = (await crowd.ask("POST", "/users/flooder/auth_tokens", json={})).json()["data"]["authToken"]
        headers = {"appid": live.server.app_id, "authtoken": token}
        body = {"receiver": "bob", "receiverType": "group", "category": "message", "type": "text", "data": {}}
        statuses: Counter[int] = Counter()

        async def post() -> None:
            for _ in range(size.full_or_short(2000, 100)):
                statuses[(await crowd.http.post("/messages", headers=headers, json=body)).status_code] += 1

        async def flood(times: int) -> None:
            for _ in range(times):
                lost = crowd.lost
                (member,) = await crowd.connect(1, frame)
                piece = masked(TYPING) * 50
                while crowd.lost == lost:
                    if member.transport.get_write_buffer_size() < 1e6:
                        member.transport.write(piece)
                    await asyncio.sleep(0)

        async def flood_without_reading(times: int) -> None:
            (member,) = await crowd.connect(1)
            content = json.dumps(body).encode()
            head = b"POST /v3/messages HTTP/1.1\r\nhost: x\r\nappid: %b\r\nauthtoken: %b\r\ncontent-length: %d\r\n\r\n"
            one = head % (headers["appid"].encode(), token.encode(), len(content)) + content
            for _ in range(times):
                member.transport.write(one * 2000)
            await member.until_received(1000 * times)
            member.transport.abort()

        before = memory(live.server.pid)
        await asyncio.gather(
            flood(size.full_or_short(10, 2)),
            flood_without_reading(size.full_or_short(40, 10)),
            *(post() for _ in range(8)),
        )
        await traffic.until(10)
        size.report("one that floods", mb=(memory(live.server.pid) - before) / 1e6)
        assert memory(live.server.pid) - before < 20e6
        assert statuses[429] > statuses.total() / 3
        await live.server.until_logged("closed connections reason='too fast'")
        assert await crowd.metric('tailwire_closes_total{reason="too fast"}') >= 1
        assert await crowd.metric('tailwire_requests_total{status="429"}') >= 1
    assert traffic.failures == []


async def test_thousands_of_silent_connections_are_closed_after_their_deadline(live: LiveStage):
    """Connections without a request, with half a request, and sockets without a login: closed after their deadline."""
    count = size.max_sockets(size.full_or_short(5000, 600))
    await with_settings(live, auth_deadline="3", request_deadline="3")
    async with Crowd(live.server) as crowd, Traffic(live) as traffic:
        await traffic.until(50)
        before = memory(live.server.pid)
        await crowd.connect(count // 3)
        for member in await crowd.connect(count // 3):
            member.transport.write(b"POST /v3/messages HTTP/1.1\r\nHost: x\r\nContent-")
        upgraded = await crowd.connect(count - 2 * (count // 3))
        for member in upgraded:
            member.transport.write(b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")  # fmt: skip
        most = memory(live.server.pid)
        await crowd.until_lost(count, 90)
        size.report("silent sockets", sockets=count, mb=(most - before) / 1e6)
        assert (most - before) / count < 50_000
        assert await crowd.metric('tailwire_closes_total{reason="no request"}') == 2 * (count // 3)
        assert await crowd.metric('tailwire_closes_total{reason="not authenticated"}') == len(upgraded)
        await live.server.until_logged("closed connections reason='not authenticated'")
        await live.server.until_logged("closed connections reason='no request'")
    assert traffic.failures == []


async def test_silent_connections_beyond_the_limit_are_closed_and_new_requests_served(live: LiveStage):
    """Silent connections are closed immediately. Open sockets stay, and new requests are served."""
    await with_settings(live, max_connections="60", request_deadline="60")
    async with Crowd(live.server) as crowd, Traffic(live) as traffic:
        await crowd.connect(200)
        await live.server.until_logged("connections exceed the limit")
        await crowd.until_lost(130)
        await traffic.until(20)
        carol = await live.enter("carol")
        assert carol.status is CONNECTED
        await live.server.until_logged("connections are below the limit")
    assert traffic.failures == []


async def reconnecting_clients(live: LiveStage, crowd: Crowd, count: int) -> list[Actor]:
    """Connect clients of some users, all in one group with alice."""
    uids = [f"user{n}" for n in range(min(count, 50))]
    for uid in uids:
        await crowd.ask("POST", "/users", json={"uid": uid, "name": uid})
    await crowd.ask("POST", "/groups", json={"guid": "hall", "name": "Hall", "type": "public"})
    for some in (uids[:25], uids[25:], ["alice"]):
        await crowd.ask("POST", "/groups/hall/members", json={"participants": some})
    clients: list[Actor] = []
    while len(clients) < count:
        clients += await asyncio.gather(*(
            live.enter(uids[(len(clients) + n) % len(uids)]) for n in range(min(100, count - len(clients)))
        ))  # fmt: skip
    return clients


async def all_receive(clients: list[Actor], text: str) -> None:
    """Wait until all clients have received a text, and assert that they received nothing else."""
    await asyncio.gather(*(one.ears.until(lambda one=one: text in one.ears.texts, 90) for one in clients))
    assert {tuple(one.ears.texts) for one in clients} == {(text,)}


async def test_all_clients_of_a_killed_server_reconnect_at_once_and_lose_nothing(live: LiveStage):
    """All clients reconnect at once after a kill, and no message is lost."""
    async with Crowd(live.server) as crowd, Traffic(live) as traffic:
        clients = await reconnecting_clients(live, crowd, size.max_sockets(size.full_or_short(2000, 150)))
        await traffic.until(20)
        await live.server.kill()
        await live.server.start()
        begin = clients[0].chat._world.now()
        await asyncio.gather(*(one.ears.until(lambda one=one: one.status is CONNECTED, 90) for one in clients))
        took = clients[0].chat._world.now() - begin
        await traffic.until(20)
        size.report("mass reconnect after a kill", clients=len(clients), seconds=took)
        await traffic.alice.say("hall", "to all of you", "group")
        await all_receive(clients, "to all of you")


async def test_mass_reconnect_after_a_graceful_restart_is_spread_and_loses_nothing(live: LiveStage):
    """Clients spread their reconnects over the announced time, and receive what was sent meanwhile."""
    count = size.max_sockets(size.full_or_short(2000, 200))
    # With few clients, chance and a late event loop may put more of them into one second.
    share = 0.10 if size.FULL else 0.3
    await with_settings(live, returns_per_second=str(count * 0.072))
    async with Crowd(live.server) as crowd, Traffic(live) as traffic:
        clients = await reconnecting_clients(live, crowd, count)
        await traffic.until(20)
        begin = clients[0].chat._world.now()
        assert await live.server.stop() == 0
        await live.server.start()
        await traffic.alice.say("hall", "the first after the restart", "group")
        await all_receive(clients, "the first after the restart")
    changes = [t for one in clients for t in one.chat.connection.history if t.at > begin]
    assert str(changes[0].cause) == "server_restarting"
    attempts = [t.at - begin for t in changes if str(t.status) == "connecting"]
    most = max(Counter(int(at) for at in attempts).values())
    size.report("mass reconnect after a restart", clients=count, most_in_a_second=most / count, last=max(attempts))
    assert most <= share * count
