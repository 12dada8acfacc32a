"""Servers between a client and its server, on real sockets: TLS, proxies, and servers that answer in its place."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Listener:
    """Listens on a free port for the duration of the block, and closes all connections at the end.

    Args:
        handler: serves one connection, which is closed when it returns.
        tls: the context of a server with TLS; None without.
        host: the address to listen on.

    Attributes:
        port: where it listens; 0 before the block.
        connections: the number of connections that were accepted.
    """

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> None:
        self._handler = handler
        self._tls = tls
        self._host = host
        self._serving: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0

    async def __aenter__(self) -> Listener:
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        self._serving.add(task)
        try:
            await self._handler(reader, writer)
            writer.close()
        except (OSError, EOFError):
            writer.close()
        except asyncio.CancelledError:  # only the end of the block cancels; asyncio's own callback must not see it
            writer.transport.abort()
        finally:
            self._serving.discard(task)


async def pipe(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    host: str,
    port: int,
    first: bytes = b"",
    moved: Callable[[bool], None] = lambda up: None,
) -> None:
    """Forward bytes in both directions until one side ends.

    Args:
        reader: reads from the client.
        writer: writes to the client.
        host: the host of the server.
        port: the port of the server.
        first: bytes that the server receives before the client's.
        moved: called with each piece before it is written: whether it goes to the server.
    """
    far_reader, far_writer = await asyncio.open_connection(host, port)
    far_writer.write(first)

    async def one_way(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            moved(source is reader)
            sink.write(data)
            await sink.drain()

    ways = [asyncio.create_task(one_way(reader, far_writer)), asyncio.create_task(one_way(far_reader, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        far_writer.close()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def head_of(reader: asyncio.StreamReader) -> tuple[list[str], dict[str, str]]:
    """Read the head of a request. Return the parts of its first line, and its headers by their names in lower case."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if ": " in line)
    return head[0].split(" "), {name.lower(): value for name, value in headers.items()}


class HttpProxy(Listener):
    """An HTTP proxy.

    Args:
        credentials: required `user:password`; "" for none.
        refuses: status for every request, such as `403 Forbidden`; "" to serve them.
        tls: the context of an `https` proxy.

    Attributes:
        requests: method and target of each request, such as `CONNECT server:443`.
    """

    def __init__(self, credentials: str = "", refuses: str = "", tls: ssl.SSLContext | None = None) -> None:
        super().__init__(self._handle, tls)
        self._credentials = credentials
        self._refuses = refuses
        self.requests: list[str] = []

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (method, target, _), headers = await head_of(reader)
        self.requests.append(f"{method} {target}")
        expected = f"Basic {base64.b64encode(self._credentials.encode()).decode()}"
        refusal = self._refuses
        if self._credentials and headers.get("proxy-authorization") != expected:
            refusal = "407 Proxy Authentication Required"
        if refusal:
            writer.write(f"HTTP/1.1 {refusal}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        elif method == "CONNECT":
            host, _, port = target.rpartition(":")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await pipe(reader, writer, host.strip("[]"), int(port))
        else:
            place, _, path = target.removeprefix("http://").partition("/")
            host, _, port = place.rpartition(":")
            lines = [f"{method} /{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
            await pipe(reader, writer, host, int(port), ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))


class SocksProxy(Listener):
    """A SOCKS5 proxy.

    Args:
        username: the required user name; "" for no authentication.
        password: the required password.
        reply: the code with which each request is answered; 0 to serve them.

    Attributes:
        requests: `host:port` of each request, as the client sent the host.
    """

    def __init__(self, username: str = "", password: str = "", *, reply: int = 0) -> None:
        super().__init__(self._handle)
        self._credentials = (username.encode(), password.encode())
        self._reply = reply
        self.requests: list[str] = []

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        asks = bool(self._credentials[0])
        writer.write(b"\x05\x02" if asks else b"\x05\x00")
        if asks:
            await reader.readexactly(1)
            values = []
            for _ in range(2):
                values.append(await reader.readexactly((await reader.readexactly(1))[0]))
            good = tuple(values) == self._credentials
            writer.write(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return
        *_, kind = await reader.readexactly(4)
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = str(ipaddress.ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2))
        self.requests.append(f"{host}:{port}")
        writer.write(bytes([5, self._reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if self._reply == 0:
            await pipe(reader, writer, host, port)


class Responder(Listener):
    """Answers the first request of each connection with the same response, and closes the connection."""

    def __init__(self, answer: bytes, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(self._handle, tls)
        self._answer = answer

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(self._answer)
        await writer.drain()


def answer(status: str, body: bytes = b"", **headers: str) -> bytes:
    """Return an HTTP response; underscores in header names stand for hyphens."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class TlsFront(Listener):
    """Terminates TLS in front of a server.

    Attributes:
        resumed: for each connection, in order, whether it resumed a session.
        round_trips: how often a client has sent something first, or again after it had received something.
    """

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        super().__init__(self._handle, tls)
        self._to = port
        self.resumed: list[bool] = []
        self.round_trips = 0

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.resumed.append(bool(writer.get_extra_info("ssl_object").session_reused))
        went_up = False

        def moved(up: bool) -> None:
            nonlocal went_up
            self.round_trips += up and not went_up
            went_up = up

        await pipe(reader, writer, "127.0.0.1", self._to, moved=moved)


class Authority:
    """Issues certificates.

    Attributes:
        file: its own certificate, for `cafile=` or `SSL_CERT_FILE`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority of {folder.name}")])
        made = self._builder(self._name, self._key, -1, 365)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file = folder / "authority.pem"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begin: int, end: int
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begin))
            .not_valid_after(now + datetime.timedelta(days=end))
        )

    def server_context(self, name: str = "localhost", *, begin: int = -1, end: int = 30) -> ssl.SSLContext:
        """Return a context for a server of this name; its certificate is valid from day `begin` to day `end`."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, begin, end)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        file = self._folder / f"{name}{begin}{end}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a context for a client that only trusts this authority."""
        return ssl.create_default_context(cafile=str(self.file))


@contextmanager
def dead_port(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Yield a port that never responds: it listens, and its accept queue is full."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.bind((host, port))
        listening.listen(0)
        waiting = []
        try:
            for _ in range(4):
                one = socket.socket(family)
                one.setblocking(False)
                one.connect_ex(listening.getsockname()[:2])
                waiting.append(one)
            yield listening.getsockname()[1]
        finally:
            for one in waiting:
                one.close()
