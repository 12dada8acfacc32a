"""Memory of an idle authenticated connection, and connections per second, compared with bare Node ws."""

from __future__ import annotations

from benchmarks import peers, raw

COUNT = 2000


def _measure(server: peers.Started, first, done: bytes) -> tuple[float, float, float]:
    warm, _ = raw.open_sockets(server.port, 100, first, done)
    before, cpu = server.memory(), server.cpu()
    sockets, took = raw.open_sockets(server.port, COUNT, first, done)
    used = server.cpu() - cpu
    memory = (server.memory() - before) / COUNT / 1024
    for s in (*warm, *sockets):
        s.close()
    return COUNT / took, COUNT / max(used, 0.01), memory


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    peers.pin_load()
    with peers.tailwire() as server:
        api = raw.Api(server.port, server.more)
        users = [(f"user{n}", api.login(f"user{n}")[1]) for n in range(100)]

        def authenticate(n: int) -> bytes:
            uid, jwt = users[n % 100]
            return api.auth_frame(uid, jwt, f"d{n}")

        mine = _measure(server, authenticate, b'"status":"OK"')
    with peers.node_ws() as server:
        node = _measure(server, lambda n: b"", b"")
    lines = [
        f"### Connections: {COUNT:,} opened, 32 at a time",
        "",
        "| | per second | per second of the server's CPU | KB each, idle |",
        "| --- | --- | --- | --- |",
    ]
    for name, (rate, per_cpu, kb) in (("Tailwire, authenticated", mine), ("Node ws, handshake only", node)):
        lines.append(f"| {name} | {rate:,.0f} | {per_cpu:,.0f} | {kb:.1f} |")
    lines.append(f"| ratio | {mine[0] / node[0]:.2f} | {mine[1] / node[1]:.2f} | {mine[2] / node[2]:.2f} |")
    return lines
