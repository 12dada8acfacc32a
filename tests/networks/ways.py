"""Situations on the way to the server: names and addresses, certificates, TLS, and a client of another maker."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from between import Authority, TlsFront, dead_port, pipe
from harness import CONNECTED
from networks.scene import Scene
from networks.situations import situation
from tailwire import Cause, CometChatException, TextMessage
from tailwire.testing.line.shape import Shape

NAMES: dict[str, list[str] | OSError] = {}
"""Addresses of the names that only this process resolves, or the error of their lookup."""


@contextmanager
def own_names() -> Iterator[None]:
    """Resolve `NAMES`."""
    real = socket.getaddrinfo

    def found(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        addresses = NAMES.get(name)
        if addresses is None:
            return real(host, port, *args, **more)
        if isinstance(addresses, OSError):
            raise addresses
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (a, int(port))) for a in addresses]

    socket.getaddrinfo = found  # type: ignore[assignment]
    try:
        yield
    finally:
        socket.getaddrinfo = real
        NAMES.clear()


async def queued_until_back(s: Scene, heal: Any, seconds: float) -> None:
    """A message that is queued during the fault is sent after it. The phone is connected again within `seconds`."""
    entry = s.phone.chat.queue_message(TextMessage(receiver=s.uid("desk"), text="queued"))
    await s.write(5)
    await asyncio.sleep(20)
    assert (str(entry.status), s.phone.status is CONNECTED) == ("pending", False)
    assert s.connections <= 48, s.state()  # of the socket, the queue and the app's calls
    heal()
    ended = s.seconds
    s.measured["back after"] = await s.until(lambda: s.phone.status is CONNECTED, seconds, "connected") - ended
    s.measured["queued sent after"] = await s.until(lambda: str(entry.status) == "sent", 30, "sent") - ended
    await s.all_heard(20)


@situation("a name whose first address is dead", 90)
async def dead_address(s: Scene) -> None:
    NAMES["dead.test"] = ["127.0.0.2", "127.0.0.1"]
    with dead_port("127.0.0.2", s.proxy.port):
        begin = time.monotonic()
        await s.enter(host="dead.test")
        s.measured["login and connected"] = time.monotonic() - begin
        assert s.measured["login and connected"] < 8
        s.proxy.drop()
        await s.write()
        s.measured["heard after a cut"] = await s.all_heard(12)


@situation("the server dies silently, and its name moves", 90)
async def moved(s: Scene) -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await pipe(reader, writer, "127.0.0.1", s.server.port)
        finally:
            writer.close()

    NAMES["moves.test"] = ["127.0.0.1"]
    await s.enter(host="moves.test")
    await s.phone.chat.get_unread_message_count()  # an HTTP connection to the old address
    server = await asyncio.start_server(forward, "127.0.0.3", s.proxy.port)
    try:
        s.proxy.half_open()
        NAMES["moves.test"] = ["127.0.0.3"]
        s.count(s.phone)
        await s.write(5)
        s.measured["heard after"] = await s.all_heard(40)
        assert s.measured["heard after"] < 15 + 3 + 1 + 3
        await s.phone.chat.aclose()
    finally:
        server.close()


@situation("names are not found for 20 s", 120)
async def no_names(s: Scene) -> None:
    NAMES["lost.test"] = ["127.0.0.1"]
    await s.enter(host="lost.test", outbox=True)
    NAMES["lost.test"] = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    s.proxy.drop()

    def heal() -> None:
        assert "name_lookup_failed" in s.causes
        NAMES["lost.test"] = ["127.0.0.1"]

    await queued_until_back(s, heal, 12)


@situation("the server's certificate has expired, and is renewed after 20 s", 120)
async def expired(s: Scene) -> None:
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        context = authority.server_context()
        authority.server_context(begin=-30, end=-1)
        context.options |= ssl.OP_NO_TICKET  # a resumed session carries no certificate
        context.num_tickets = 0
        async with TlsFront(s.server.port, context) as front:
            s.proxy.aim(front.port)
            await s.enter(host="localhost", tls=authority.client_context(), outbox=True)
            context.load_cert_chain(Path(folder) / "localhost-30-1.pem")
            s.proxy.drop()
            with pytest.raises(CometChatException) as caught:
                await s.say("now")
            assert caught.value.cause is Cause.CERTIFICATE_EXPIRED
            assert "certificate has expired" in caught.value.message

            def heal() -> None:
                assert "certificate_expired" in s.causes
                context.load_cert_chain(Path(folder) / "localhost-130.pem")

            await queued_until_back(s, heal, 22)


@situation("TLS, 300 ms each way: background, 20 missed, foreground", 120)
async def tls_return(s: Scene) -> None:
    """All situations begin by logging in at the same time, so this one waits until the processor is free."""
    await asyncio.sleep(45)
    with tempfile.TemporaryDirectory() as folder:
        authority = Authority(Path(folder))
        async with TlsFront(s.server.port, authority.server_context()) as front:
            s.proxy.aim(front.port)
            await s.enter(host="localhost", tls=authority.client_context())
            s.proxy.shape(Shape(latency=0.3))
            resumed, turns = len(front.resumed), front.round_trips
            await s.away_while(20)
            s.measured["all after"] = await s.all_heard(30)
            # Counted, because the machine may be busy. One new connection: history is read over the one that the
            # requests have kept. Its session is resumed, so that no certificate is sent again. With TCP and TLS these
            # are seven round trips of 0.6 s.
            assert (s.connections, front.resumed[resumed:]) == (1, [True])
            s.measured["round trips"] = 2 + front.round_trips - turns
            assert s.measured["round trips"] <= 7
            assert s.measured["all after"] < 10


@situation("a client of another maker only listens and never pings, a message each 5 s", 200)
async def foreign_listener(s: Scene) -> None:
    token = (await s.ask("POST", f"/users/{s.uid('phone')}/auth_tokens", json={})).json()["data"]["authToken"]
    headers = {"apikey": "", "authtoken": token, "resource": "other"}
    signed = (await s.ask("PUT", "/me", headers=headers, json={})).json()["data"]["jwt"]
    heard: list[str] = []
    async with connect(
        s.proxy.url.replace("http", "ws") + "/", ping_interval=None, compression=None, proxy=None
    ) as other:
        frame = {"type": "auth", "deviceId": "other", "sender": s.uid("phone"),
                 "body": {"auth": signed, "deviceId": "other"}}  # fmt: skip
        await other.send(json.dumps(frame))
        assert json.loads(await asyncio.wait_for(other.recv(), 20))["body"]["status"] == "OK"

        async def listen() -> None:
            async for text in other:
                heard.append(str(text))

        listening = asyncio.create_task(listen())
        s.count()
        await s.write_each(5, 28)
        assert not listening.done(), f"closed with {other.close_code} after {s.seconds:.0f} s"
        assert sum('"type":"message"' in text for text in heard) == 28, heard[-3:]
        listening.cancel()
        await asyncio.wait([listening])
