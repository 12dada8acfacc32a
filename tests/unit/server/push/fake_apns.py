"""APNs as it is documented, over real HTTP/2 and TLS: it records requests, and gives the answers of a list."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

import h2.config
import h2.connection
import h2.events

from tailwire.server.auth.certificate import self_signed


class FakeApns:
    """Imitates APNs. `answers`: status, reason and headers of the next responses; later ones have status 200."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[tuple[dict, dict]] = []
        self.answers: list[tuple[int, str, dict]] = []
        self.connections = 0
        certificate, key = self_signed(folder, "localhost")
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        self._context.set_alpn_protocols(["h2"])
        self.trust = ssl.create_default_context(cafile=certificate)
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> FakeApns:
        self._server = await asyncio.start_server(self._serve, "localhost", 0, ssl=self._context)
        self.url = f"https://localhost:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader, writer):
        self.connections += 1
        self._writers.append(writer)
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        heads: dict[int, dict] = {}
        bodies: dict[int, bytes] = {}
        while data := await reader.read(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    heads[event.stream_id], bodies[event.stream_id] = dict(event.headers), b""
                elif isinstance(event, h2.events.DataReceived):
                    bodies[event.stream_id] += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    self._answer(connection, event.stream_id, heads.pop(event.stream_id), bodies.pop(event.stream_id))
            writer.write(connection.data_to_send())

    def _answer(self, connection, stream, head, body):
        self.requests.append((head, json.loads(body)))
        status, reason, more = self.answers.pop(0) if self.answers else (200, "", {})
        content = json.dumps({"reason": reason}).encode() if reason else b""
        connection.send_headers(stream, [(":status", str(status)), *more.items()], end_stream=not content)
        if content:
            connection.send_data(stream, content, end_stream=True)
