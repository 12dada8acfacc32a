"""A bare server on the same event loop as ours: fan-out alone, without a chat.

Each `POST` is a message for all WebSockets. All messages that arrived in one turn of the event loop are joined and
written once to each socket, and then answered: the least that a server in Python can do, with nothing stored, checked
or encoded. Usage: `python -m benchmarks.bare PORT`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import sys
from typing import Any

from tailwire.cli.serve import loop_factory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Room:
    """All WebSockets, and the messages of this turn of the event loop."""

    def __init__(self) -> None:
        self.sockets: list[Any] = []
        self._pending: list[bytes] = []
        self._senders: list[Any] = []

    def post(self, body: bytes, sender: Any) -> None:
        """Deliver a message to all WebSockets at the end of this turn, and then answer its sender."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.append(b"\x81\x7e" + len(body).to_bytes(2) + body)
        self._senders.append(sender)

    def _flush(self) -> None:
        data, senders = b"".join(self._pending), self._senders
        self._pending, self._senders = [], []
        for s in self.sockets:
            s.write(data)
        for sender in senders:
            sender.write(OK)


class Connection(asyncio.Protocol):
    """An HTTP connection or a WebSocket."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._data = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Take the requests that are complete."""
        if self._open:
            return
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, rest = self._data.partition(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            if b"sec-websocket-key" in fields:
                self._upgrade(head)
                return
            size = int(fields.get(b"content-length", b"0"))
            if len(rest) < size:
                return
            self._data = rest[size:]
            self._room.post(rest[:size], self._transport)

    def _upgrade(self, head: bytes) -> None:
        key = next(line[19:] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: "))
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self._transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
        )
        self._open = True
        self._room.sockets.append(self._transport)


async def main(port: int) -> None:
    """Run the server."""
    room = Room()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(room), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main(int(sys.argv[1])))
