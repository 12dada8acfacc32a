"""A wire over a fake browser WebSocket: its ends and limits. tests/chromium has a real one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.io import browser_wire
from tailwire.sdk.io.browser_wire import BrowserWire
from tailwire.sdk.io.failures import WireClosed

pytestmark = pytest.mark.virtual


class Socket:
    readyState, bufferedAmount = 0, 0

    def __init__(self):
        self.sent, self.closed = [], []

    def send(self, text):
        self.sent.append(text)

    def close(self, code=None):
        self.closed.append(code)
        self.readyState = 2


class Proxy:
    made = []

    def __init__(self, callback):
        self.callback, self.destroyed = callback, 0
        Proxy.made.append(self)

    def destroy(self):
        self.destroyed += 1


def open_wire_and_socket():
    Proxy.made = []
    socket, moved = Socket(), []
    wire = BrowserWire(socket, Proxy, lambda: moved.append(1))
    socket.readyState = 1
    socket.onopen.callback(None)
    return socket, wire, moved


def is_ended(socket):
    """Return True if nothing of the page can call the wire any longer."""
    return [proxy.destroyed for proxy in Proxy.made] == [1, 1, 1] and socket.onmessage is socket.onclose is None


async def test_messages_arrive_in_order_before_the_end():
    socket, wire, moved = open_wire_and_socket()
    await wire.wait_until_open()
    waiting = asyncio.ensure_future(wire.receive())
    await asyncio.sleep(0)
    socket.onmessage.callback(SimpleNamespace(data="one"))
    socket.onmessage.callback(SimpleNamespace(data=SimpleNamespace(to_bytes=lambda: b"two")))
    socket.onclose.callback(SimpleNamespace(code=1012))
    assert await waiting == "one"
    assert await wire.reader()() == b"two"
    with pytest.raises(WireClosed) as e:
        await wire.receive()
    assert wire.cause_of_end(e.value) is Cause.SERVER_RESTARTING
    assert wire.cause_of_end(ValueError()) is None
    assert is_ended(socket)
    assert len(moved) == 3
    with pytest.raises(WireClosed):
        await wire.send("too late")
    assert socket.sent == []


async def test_failed_open_raises():
    Proxy.made = []
    socket = Socket()
    wire = BrowserWire(socket, Proxy, lambda: None)
    waiting = asyncio.ensure_future(wire.wait_until_open())
    await asyncio.sleep(0)
    socket.onclose.callback(SimpleNamespace(code=1006))
    with pytest.raises(WireClosed) as e:
        await waiting
    assert e.value.cause is Cause.CONNECTION_RESET
    assert is_ended(socket)


async def test_close_waits_for_the_peer():
    socket, wire, _ = open_wire_and_socket()
    closing = asyncio.ensure_future(wire.close(1000))
    await asyncio.sleep(0)
    assert socket.closed == [1000]
    socket.onclose.callback(SimpleNamespace(code=1000))
    await closing
    assert is_ended(socket)


async def test_close_that_the_peer_does_not_answer_ends_after_a_while():
    socket, wire, _ = open_wire_and_socket()
    begin = asyncio.get_running_loop().time()
    await wire.close(1011)  # a page may not send this code
    assert asyncio.get_running_loop().time() - begin == pytest.approx(browser_wire.CLOSE_TIMEOUT_SECONDS)
    assert socket.closed == [1000, None]
    assert is_ended(socket)
    wire.abort()
    assert socket.closed == [1000, None]


async def test_too_many_unread_messages_end_the_socket(monkeypatch):
    monkeypatch.setattr(browser_wire, "MAX_WAITING_CHARACTERS", 10)
    socket, wire, _ = open_wire_and_socket()
    for _ in range(4):
        socket.onmessage.callback(SimpleNamespace(data="12345"))
        await wire.receive()
    on_message = socket.onmessage.callback
    for _ in range(3):
        on_message(SimpleNamespace(data="12345"))
    assert is_ended(socket)
    with pytest.raises(WireClosed) as e:
        await wire.receive()  # unread messages are fetched from history
    assert e.value.cause is Cause.CONNECTION_RESET


async def test_too_many_unsent_bytes_end_the_socket(monkeypatch):
    monkeypatch.setattr(browser_wire, "MAX_WAITING_CHARACTERS", 10)
    socket, wire, _ = open_wire_and_socket()
    await wire.send("fine")
    socket.bufferedAmount = 11
    with pytest.raises(WireClosed):
        await wire.send("no more")
    assert is_ended(socket)


async def test_empty_messages_count_towards_the_limit(monkeypatch):
    monkeypatch.setattr(browser_wire, "MAX_WAITING_CHARACTERS", 10)
    socket, wire, _ = open_wire_and_socket()
    for _ in range(10):
        socket.onmessage.callback(SimpleNamespace(data=""))
    assert not is_ended(socket)
    assert await wire.receive() == ""
    socket.onmessage.callback(SimpleNamespace(data=""))
    callback = socket.onmessage.callback
    callback(SimpleNamespace(data=""))
    assert is_ended(socket)


async def test_refused_send_ends_the_socket():
    socket, wire, _ = open_wire_and_socket()

    def refuse(text):
        raise RuntimeError("InvalidStateError")

    socket.send = refuse
    with pytest.raises(WireClosed):
        await wire.send("x")
    assert is_ended(socket)
