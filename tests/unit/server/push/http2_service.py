"""A service that answers over real HTTP/2 and TLS, for the fakes of push services."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import h2.config
import h2.connection
import h2.events

from tailwire.server.auth.certificate import self_signed


class Http2Service:
    """Accepts requests over HTTP/2 only. Subclasses answer them.

    Attributes:
        connections: how many were accepted.
        trust: the context with which a client accepts the certificate.
        url: where it listens.
    """

    def __init__(self, folder: Path) -> None:
        self.connections = 0
        certificate, key = self_signed(folder, "localhost")
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate, key)
        self._context.set_alpn_protocols(["h2"])
        self.trust = ssl.create_default_context(cafile=certificate)
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "localhost", 0, ssl=self._context)
        self.url = f"https://localhost:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    def answer(self, head: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Return the status, the headers and the content of the response to a request."""
        raise NotImplementedError

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
                    self._respond(connection, event.stream_id, heads.pop(event.stream_id), bodies.pop(event.stream_id))
            writer.write(connection.data_to_send())

    def _respond(self, connection, stream, head, body):
        status, headers, content = self.answer(head, body)
        connection.send_headers(stream, [(":status", str(status)), *headers.items()], end_stream=not content)
        if content:
            connection.send_data(stream, content, end_stream=True)
