"""The broker over a real NATS server: who may connect, encryption, and what is dropped with a connection."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from between import Authority
from servers.cut_line import CutLine
from servers.nats import NatsServer
from tailwire.server.broker.nats import NatsBroker, parse_addresses
from tailwire.server.broker.nats_connection import Address, CannotConnect, NatsConnection
from tailwire.server.ports.broker import FramePublication, Publication, Record
from tailwire.server.ports.changes import Change
from tailwire.server.telemetry.metrics import Metrics

PLAIN = ssl.create_default_context()
BOB = "user.bob"


@contextmanager
def nats(*arguments: str) -> Iterator[NatsServer]:
    server = NatsServer(*arguments)
    server.start()
    try:
        yield server
    finally:
        server.kill()


class Heard:
    """A receiver that records its news."""

    def __init__(self) -> None:
        self.news: list[object] = []
        self.changed = asyncio.Event()

    def received(self, subject: str, publication: Publication) -> None:
        self._record((subject, publication))

    def recorded(self, record: Record) -> None:
        self._record(record)

    def connection_changed(self) -> None:
        self._record("connection")

    def _record(self, what: object) -> None:
        self.news.append(what)
        self.changed.set()

    async def until(self, what: object, seconds: float = 10) -> None:
        async with asyncio.timeout(seconds):
            while what not in self.news:
                self.changed.clear()
                await self.changed.wait()


async def broker(url: str, context: ssl.SSLContext = PLAIN) -> tuple[NatsBroker, Heard]:
    made, heard = NatsBroker(parse_addresses(url), context, "app", "test", "1", Metrics()), Heard()
    await made.start(heard)
    return made, heard


def frame(text: str, number: int = 0) -> FramePublication:
    return FramePublication(text.encode(), id=number)


async def test_publications_and_records_reach_other_processes_in_order_but_not_their_own():
    with nats() as server:
        (one, at_one), (other, at_other) = await broker(server.url), await broker(server.url)
        other.subscribe(BOB)
        await other.wait_confirmed()
        one.subscribe(BOB)
        await one.wait_confirmed()
        expected: list[object] = []
        for number in range(1, 200):
            publication = frame(f"m{number}", number)
            one.publish("user.carol", frame("not subscribed"))
            one.record(Record(number, number, (Change(number, "user", "x"),)), [(BOB, publication)])
            expected += [(BOB, publication), Record(number, number, (Change(number, "user", "x"),))]
        await at_other.until(expected[-1])
        assert at_other.news == expected
        assert at_one.news == []
        other.unsubscribe(BOB)
        await other.wait_confirmed()
        one.publish(BOB, frame("too late"))
        one.record(Record(200, 200), [])
        await at_other.until(Record(200, 200))
        assert at_other.news == [*expected, Record(200, 200)]
        await one.close()
        await other.close()


async def test_publication_too_large_for_nats_is_not_sent_and_neither_is_its_record():
    with nats() as server:
        (one, _), (other, at_other) = await broker(server.url), await broker(server.url)
        other.subscribe(BOB)
        await other.wait_confirmed()
        one.record(Record(1, 2), [(BOB, frame("small", 1)), (BOB, frame("x" * 2_000_000, 2))])
        one.record(Record(3, 3), [])
        await at_other.until(Record(3, 3))
        assert at_other.news == [Record(3, 3)]
        assert one._metrics.broker_dropped == 1
        await one.close()
        await other.close()


@pytest.mark.parametrize(
    ("arguments", "who"),
    [(("--user", "tw", "--pass", "p@ss"), "tw:p%40ss@"), (("--auth", "secret"), "secret@")],
    ids=["user and password", "token"],
)
async def test_connection_with_wrong_or_no_credentials_is_refused(arguments: tuple[str, ...], who: str):
    with nats(*arguments) as server:
        good, wrong = (parse_addresses(server.url.replace("//", f"//{w}"))[0] for w in (who, "wrong:wrong@"))
        connection = NatsConnection(lambda data: None, lambda: None)
        await connection.open(good, PLAIN, "test", "1")
        connection.close()
        for address in (wrong, parse_addresses(server.url)[0]):
            with pytest.raises(CannotConnect, match="Authorization Violation"):
                await NatsConnection(lambda data: None, lambda: None).open(address, PLAIN, "test", "1")


async def test_encryption_is_required_by_either_side_and_the_certificate_is_checked(tmp_path: Path):
    authority = Authority(tmp_path)
    authority.server_context()
    certificate = str(next(tmp_path.glob("localhost*.pem")))
    with nats("--tls", "--tlscert", certificate, "--tlskey", certificate) as server:
        for scheme in ("tls", "nats"):
            url = f"{scheme}://localhost:{server.port}"
            one, _ = await broker(url, authority.client_context())
            assert one.connected
            await one.wait_confirmed()
            await one.close()
        with pytest.raises(CannotConnect, match="certificate verify failed"):
            await NatsConnection(lambda data: None, lambda: None).open(parse_addresses(url)[0], PLAIN, "test", "1")


async def test_credentials_are_not_sent_without_the_requested_encryption():
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"max_payload":1000}\r\n')
        seen.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    address = Address("127.0.0.1", port, True, "user", "password")
    async with server:
        with pytest.raises(CannotConnect, match="offers no TLS"):
            await NatsConnection(lambda data: None, lambda: None).open(address, PLAIN, "test", "1")
        async with asyncio.timeout(10):
            while not seen:
                await asyncio.sleep(0)
    assert seen == [b""]


async def test_client_moves_with_its_subscriptions_to_another_nats_server_when_its_own_is_lost():
    with nats() as first, nats() as second:
        sender, _ = await broker(second.url)
        one, heard = await broker(f"nats://127.0.0.1:{first.port},127.0.0.1:{second.port}")
        one.subscribe(BOB)
        await asyncio.to_thread(first.kill)
        async with asyncio.timeout(20):
            while not (one.connected and one._connection is not None and not one._connection.lost):
                await asyncio.sleep(0.01)
            await one.wait_confirmed()
        sender.publish(BOB, frame("hello"))
        await heard.until((BOB, frame("hello")))
        await one.close()
        await sender.close()


async def test_unsent_publications_are_dropped_with_their_connection():
    """Otherwise, a record could reach other processes over the next connection without its messages."""
    with nats() as server:
        async with CutLine(server.port) as line:
            (one, at_one), (other, at_other) = await broker(f"nats://127.0.0.1:{line.port}"), await broker(server.url)
            other.subscribe(BOB)
            await other.wait_confirmed()
            line.hold()
            one.record(Record(1, 1), [(BOB, frame("lost", 1))])
            await asyncio.sleep(0)
            line.cut()
            line.go_on()
            one.record(Record(2, 2), [(BOB, frame("lost too", 2))])
            await at_one.until("connection")
            async with asyncio.timeout(10):
                while at_one.news.count("connection") < 2:
                    at_one.changed.clear()
                    await at_one.changed.wait()
            one.record(Record(3, 3), [(BOB, frame("new", 3))])
            await at_other.until(Record(3, 3))
            assert at_other.news == [(BOB, frame("new", 3)), Record(3, 3)]
            assert one._metrics.broker_connections_lost == 1
            await one.close()
            await other.close()


@pytest.mark.slow
async def test_connection_to_nats_without_responses_is_replaced():
    with nats() as server:
        async with CutLine(server.port) as line:
            one, heard = await broker(f"nats://127.0.0.1:{line.port}")
            first = one._connection
            line.hold_answers()
            await heard.until("connection", 15)
            line.go_on()
            async with asyncio.timeout(10):
                while not one.connected:
                    await asyncio.sleep(0.01)
            assert one._connection not in (first, None)
            await one.close()
