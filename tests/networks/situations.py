"""The situations: what the network does, and what must hold then."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from harness import CONNECTED
from networks.scene import Scene, slow
from tailwire import CometChatException, MediaMessage, TextMessage, UploadFile
from tailwire.testing.line.shape import Shape

Play = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Situation:
    """One situation.

    Attributes:
        name: short, also part of uids.
        title: for the table.
        limit: seconds after which it fails.
        play: plays it.
        quick: whether `make test` plays it too.
    """

    name: str
    title: str
    limit: float
    play: Play
    quick: bool = False


SITUATIONS: list[Situation] = []


def situation(title: str, limit: float, *, quick: bool = False) -> Callable[[Play], Play]:
    """Register a situation under the name of its function."""

    def register(play: Play) -> Play:
        name = play.__name__.replace("_", "-")
        SITUATIONS.append(Situation(name, title, limit, play, quick))
        return play

    return register


# A working socket is never cut.


@situation("two clients only listen, a message each 5 s", 260)
async def listeners(s: Scene) -> None:
    """In auto and manual mode, the clients are not disconnected within 190 s."""
    await s.enter("phone")
    tablet = await s.enter("tablet", auto=False)
    assert s.proxy.open >= 2
    await s.write_each(5, 38, "phone", "tablet")
    await s.until(lambda: len(s.heard()) == 38, 10, "38 messages at the phone")
    assert s.heard() == list(range(1, 77, 2))
    assert s.heard(tablet) == list(range(2, 77, 2)), s.state()
    await s.never_lost()


async def receive_missed(s: Scene, shape: Shape, count: int, *, first: float, within: float, kilobytes: float) -> None:
    """All missed messages are handed over in time, on one connection, and none is read twice."""
    await s.enter()
    s.proxy.shape(shape)
    await s.away_while(count)
    s.measured["first after"] = await s.until(lambda: bool(s.heard()), first, "the first message")
    s.measured["all after"] = await s.all_heard(within - s.seconds)
    s.read_once(kilobytes)
    await s.never_lost(5)


@situation("300 missed at 64 kbit/s, queue 5 s", 120)
async def missed_300_at_64(s: Scene) -> None:
    await receive_missed(s, slow(64, 5), 300, first=10, within=30, kilobytes=48)


@situation("300 missed at 9.6 kbit/s, queue 5 s", 240)
async def missed_300_at_9(s: Scene) -> None:
    await receive_missed(s, slow(9.6, 5), 300, first=30, within=120, kilobytes=48)


@situation("20 missed at 9.6 kbit/s, queue 5 s", 120)
async def missed_20_at_9(s: Scene) -> None:
    await receive_missed(s, slow(9.6, 5), 20, first=17, within=17, kilobytes=8)
    await s.never_lost(20)


@situation("300 missed at 64 kbit/s, queue 2 s", 120)
async def missed_300_short_queue(s: Scene) -> None:
    await receive_missed(s, slow(64, 2), 300, first=10, within=30, kilobytes=48)


@situation("950 missed at 256 kbit/s, queue 5 s", 120)
async def missed_950_at_256(s: Scene) -> None:
    await receive_missed(s, slow(256, 5), 950, first=10, within=25, kilobytes=135)


async def upload(s: Scene, size: int) -> None:
    file = UploadFile(content=random.Random(1).randbytes(size), name="a.bin")
    sent = await s.phone.chat.send_media_message(MediaMessage(receiver=s.uid("desk"), type="file", files=[file]))
    assert sent.id
    assert sent.attachment.size == size
    s.measured["upload"] = s.seconds


@situation("2 MB up at 256 kbit/s, queue 5 s, nothing else", 260)
async def upload_alone(s: Scene) -> None:
    await s.enter()
    s.proxy.shape(slow(256, 5))
    s.count(s.phone)
    await upload(s, 2_000_000)
    assert s.measured["upload"] > 50
    await s.never_lost(20)
    await s.write()
    await s.all_heard(20)


@situation("2 MB up at 512 kbit/s, queue 5 s, a message each 12 s", 200)
async def upload_and_messages(s: Scene) -> None:
    await s.enter()
    s.proxy.shape(slow(512, 5))
    s.count(s.phone)
    await asyncio.gather(upload(s, 2_000_000), s.write_each(12, 4))
    await s.all_heard(30)
    await s.never_lost()


@situation("2.2 MB up at 512 kbit/s, queue 5 s: the line hides its last seconds", 200)
async def upload_tail(s: Scene) -> None:
    """The first ping, after 30 s, waits behind bytes that the line has acknowledged and not carried yet."""
    await s.enter()
    s.proxy.shape(slow(512, 5))
    s.count(s.phone)
    await asyncio.gather(upload(s, 2_200_000), s.write_each(12, 4))
    await s.all_heard(30)
    await s.never_lost()


@situation("500 KB up at 64 kbit/s, queue 2 s, and a send meanwhile", 240)
async def upload_and_send(s: Scene) -> None:
    await s.enter()
    s.proxy.shape(slow(64, 2))
    s.count(s.phone)

    async def send() -> None:
        await asyncio.sleep(15)
        begin = time.monotonic()
        assert (await s.say("meanwhile")).id
        s.measured["send"] = time.monotonic() - begin

    await asyncio.gather(upload(s, 500_000), send())
    assert s.measured["upload"] > 50
    await s.never_lost()


@situation("a round trip of 3.2 s, for 2 minutes", 240)
async def far_away(s: Scene) -> None:
    s.proxy.shape(Shape(latency=1.6))
    begin = time.monotonic()
    await s.enter()
    s.measured["login and connected"] = time.monotonic() - begin
    await s.write_each(40, 3)
    await s.all_heard(20)
    await s.never_lost()


async def first_message(s: Scene, shape: Shape, within: float) -> None:
    s.proxy.shape(shape)
    begin = time.monotonic()
    phone = s.actor()
    s.phone = phone
    s.count(phone)
    await phone.chat.init()
    phone.listen()
    await phone.chat.login(s.uid("phone"), auth_key=s.server.auth_key)
    s.measured["login"] = time.monotonic() - begin
    await phone.chat.wait_connected(60)
    await s.write()
    s.measured["first message"] = await s.all_heard(30)
    assert s.measured["first message"] < within, s.measured
    assert s.connections >= 2
    s.count(phone)
    await s.away_while(20)
    s.measured["20 missed"] = await s.all_heard(60)


@situation("login, first message, 20 missed at 300 ms each way", 60)
async def login_at_300_ms(s: Scene) -> None:
    await first_message(s, Shape(latency=0.3), 12)


@situation("the same at 1 s each way", 120)
async def login_at_1_s(s: Scene) -> None:
    await first_message(s, Shape(latency=1), 30)


@situation("the same at 64 kbit/s, queue 1 s", 60, quick=True)
async def login_at_64(s: Scene) -> None:
    await first_message(s, slow(64, 1), 12)


@situation("the same at 9.6 kbit/s, queue 5 s", 120)
async def login_at_9(s: Scene) -> None:
    await first_message(s, slow(9.6, 5), 30)


@situation("stalls of 3 to 8 s, each 5 to 20 s, a message each 15 s", 240)
async def stalls(s: Scene) -> None:
    await s.enter()
    chance = random.Random(7)

    async def stall() -> None:
        while True:
            await asyncio.sleep(chance.uniform(5, 20))
            s.proxy.shape(Shape(up=1, down=1, queue=60))
            await asyncio.sleep(chance.uniform(3, 8))
            s.proxy.shape()

    stalling = asyncio.create_task(stall())
    try:
        await s.write_each(15, 9)
    finally:
        stalling.cancel()
    s.proxy.shape()
    await s.all_heard(40)
    assert s.disconnects <= 1, s.state()  # the first stall may cost a connection; then the client knows the line
    assert set(s.causes) <= {"heartbeat_timeout"}, s.state()


# Something in between.


async def behind_a_portal(s: Scene, status: int, headers: dict[str, str], body: bytes) -> None:
    """After 20 s behind the portal, queued messages are sent and missed ones arrive without the app's doing."""
    await s.enter(outbox=True)
    s.proxy.answer(status, headers, body)
    chat = s.phone.chat
    entries = [chat.queue_message(TextMessage(receiver=s.uid("desk"), text=f"queued {n}")) for n in range(2)]
    await s.write(5)
    failed = None
    try:
        await s.say("at once")
    except CometChatException as e:
        failed = e
    assert failed is not None, "the message was sent through the portal"
    await asyncio.sleep(max(0.0, 10 - s.seconds))
    early = s.connections
    await asyncio.sleep(max(0.0, 20 - s.seconds))
    late = s.connections - early
    assert 3 <= early <= 30, f"{early} connections in 10 s"  # of the socket, the queue and the call
    assert late <= 18, f"{late} connections in the next 10 s: the waits do not grow"
    assert {str(e.status) for e in entries} == {"pending"}, [(str(e.status), e.error) for e in entries]
    s.proxy.restore()
    ended = time.monotonic()
    await s.until(lambda: s.phone.status is CONNECTED, 40, "connected")
    s.measured["back after"] = time.monotonic() - ended
    await s.until(lambda: {str(e.status) for e in entries} == {"sent"}, 60, "the queued messages are sent")
    s.measured["queued sent after"] = time.monotonic() - ended
    await s.all_heard(20)
    assert s.measured["back after"] < 30


@situation("a portal for 20 s: 302 to its page", 150)
async def portal_302(s: Scene) -> None:
    await behind_a_portal(s, 302, {"Location": "http://portal.invalid/login"}, b"<html>sign in</html>")


@situation("a portal for 20 s: 200 and a page", 150)
async def portal_200(s: Scene) -> None:
    await behind_a_portal(s, 200, {"Content-Type": "text/html"}, b"<html>sign in</html>")


@situation("a portal for 20 s: 401 and a page", 150)
async def portal_401(s: Scene) -> None:
    await behind_a_portal(s, 401, {"Content-Type": "text/html"}, b"<html>sign in</html>")


@situation("a portal for 20 s: 511", 150)
async def portal_511(s: Scene) -> None:
    await behind_a_portal(s, 511, {"Content-Type": "text/html"}, b"<html>sign in</html>")


@situation("a portal for 20 s: an answer that says gzip and is not", 150)
async def portal_gzip(s: Scene) -> None:
    await behind_a_portal(s, 200, {"Content-Encoding": "gzip"}, b"<html>sign in</html>")


async def maintenance(s: Scene) -> None:
    await s.enter()
    s.proxy.answer(503, {"Retry-After": "3600"}, b"<html>back soon</html>")
    await asyncio.sleep(6)
    assert s.connections >= 1
    assert s.phone.status is not CONNECTED
    s.proxy.restore()
    s.count(s.phone)


@situation("503 and Retry-After 3600 for 6 s, the app does nothing", 120)
async def maintenance_alone(s: Scene) -> None:
    await maintenance(s)
    s.measured["back after"] = await s.until(lambda: s.phone.status is CONNECTED, 65, "connected within a minute")
    await s.write()
    await s.all_heard(10)


@situation("the same, and the app calls connect()", 60)
async def maintenance_connect(s: Scene) -> None:
    await maintenance(s)
    try:
        await asyncio.wait_for(s.phone.chat.connect(), 10)
    except TimeoutError:
        raise AssertionError(f"connect() has not ended after 10 s; {s.state()}") from None
    s.measured["back after"] = s.seconds
    await s.write()
    await s.all_heard(10)


@situation("the same, and the app sends a message", 60)
async def maintenance_send(s: Scene) -> None:
    await maintenance(s)
    assert (await s.say("hello")).id
    s.measured["back after"] = await s.until(lambda: s.phone.status is CONNECTED, 10, "connected after an answer")


@situation("a proxy refuses WebSockets (426)", 200)
async def websockets_refused(s: Scene) -> None:
    """The client explains the refusal, receives messages by polling, and connects once it is allowed to."""
    s.proxy.refuse_websockets(426)
    s.phone = s.actor()
    await s.phone.chat.init()
    s.phone.listen()
    await s.phone.chat.login(s.uid("phone"), auth_key=s.server.auth_key)
    s.count(s.phone)
    await s.until(lambda: "websocket_refused" in s.causes, 20, "the cause websocket_refused")
    assert "a proxy refuses WebSockets" in s.phone.chat.connection.explain()
    await s.write(3)
    s.measured["heard after"] = await s.all_heard(70)
    assert s.phone.status is not CONNECTED
    s.proxy.restore()
    at = s.seconds
    s.measured["socket after"] = await s.until(lambda: s.phone.status is CONNECTED, 70, "connected") - at


@situation("a proxy that ends what is idle for 30 s", 150)
async def idle_30(s: Scene) -> None:
    await s.enter()
    s.proxy.idle_kill(30)
    await s.never_lost(80)
    await s.write()
    await s.all_heard(10)


@situation("a proxy that ends what is idle for 10 s", 150)
async def idle_10(s: Scene) -> None:
    await s.enter()
    s.proxy.idle_kill(10)
    await s.write_each(30, 3)
    await s.all_heard(20)
    assert s.disconnects >= 1, "the proxy did nothing"
    assert s.disconnects <= s.seconds / 10 + 1, s.state()  # no more than the proxy ended
    assert set(s.causes) == {"connection_reset"}, s.state()


# The way to the server.


@situation("the line forgets its connections; new ones are well", 90)
async def silent_death(s: Scene) -> None:
    await s.enter()
    await s.phone.chat.get_unread_message_count()  # an HTTP connection that dies too
    s.proxy.half_open(new=False)
    s.count(s.phone)
    await s.write(5)
    s.measured["heard after"] = await s.all_heard(40)
    assert s.measured["heard after"] < 15 + 3 + 1 + 3, s.measured
    assert s.connections >= 1


@situation("calls 4.4 to 5.05 s after the last, round trip 600 ms", 150)
async def poller(s: Scene) -> None:
    s.proxy.shape(Shape(latency=0.3))
    await s.enter()
    for n in range(14):
        await asyncio.sleep(4.4 + 0.05 * n)
        assert "user" in await s.phone.chat.get_unread_message_count()
    await s.never_lost()


@situation("send_message() while packets of new connections vanish", 90)
async def sends_vanish(s: Scene) -> None:
    await s.enter()
    s.proxy.swallow()
    s.proxy.drop()
    s.count(s.phone)
    with pytest.raises(CometChatException) as caught:
        await s.say("into nothing")
    s.measured["raised after"] = s.seconds
    assert caught.value.code == "NO_INTERNET_CONNECTION"
    assert s.measured["raised after"] < 17, s.measured
    s.proxy.restore()
    await s.until(lambda: s.phone.status is CONNECTED, 40, "connected")
    assert (await s.say("into something")).id


# Lost connections.


@situation("a silent death each 20 s, a message each second", 240)
async def deaths(s: Scene) -> None:
    await s.enter()

    async def die() -> None:
        while True:
            await asyncio.sleep(20)
            s.proxy.half_open(new=False)

    dying = asyncio.create_task(die())
    try:
        await s.write_each(1, 100)
        assert (await s.say("and the other way")).id
    finally:
        dying.cancel()
    await s.all_heard(40)
    assert s.disconnects >= 2, "nothing died"


@situation("cut in the middle of a frame, five times", 90, quick=True)
async def cut_mid_frame(s: Scene) -> None:
    await s.enter()
    for n in range(5):
        s.proxy.cut_mid_frame(7)
        await s.write(4)
        lost = n + 1
        await s.until(lambda lost=lost: s.disconnects >= lost, 20, "the connection broke off")
        s.phone.chat.set_network("offline")
        s.phone.chat.set_network("online")
        await s.all_heard(20)


@situation("30 times background and foreground, a message in each", 90)
async def back_and_forth(s: Scene) -> None:
    await s.enter()
    for _ in range(30):
        s.phone.chat.set_app_state("background")
        await s.write()
        s.phone.chat.set_app_state("foreground")
        await s.all_heard(20)
