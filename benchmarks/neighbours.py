"""Latency of one user's sends while others put load on the server, compared with an idle server."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from benchmarks import peers, push_load, raw
from benchmarks.neighbour_load import BOUNDED, INCOMPLETE_REQUESTS, SECONDS, Scene, latencies

ROUNDS = 8
MEMORY_BYTES = 24 * 1024 * 1024
BOMBS, UPLOADS = 24, 4
CROWD, SLOW_READERS, SILENT_SOCKETS, RECONNECTING = 2000, 100, 5000, 2000
OWN_MESSAGES, UNREAD_MESSAGES, GROUPS, READERS = 100_000, 500_000, 15, 500
GUESSERS, GUESSES = 16, 48
SEARCHES = (
    "tags=none", "types=none", "sender=nobody", "searchKey=x&tags=none", "fromTimestamp=1&toTimestamp=2",
    "unread=true&count=true", "mentionedUids=nobody", "hasReactions=true",
)  # fmt: skip
SLOW_BODIES, MAX_CONNECTIONS = 1000, 300


def _in(
    settings: dict[str, str],
    measure: Callable[[Scene], dict[str, list[float]]],
    fill: Callable[[Path], None] | None = None,
) -> dict[str, list[float]]:
    with peers.tailwire(settings=settings, fill=fill) as server:
        return measure(Scene(server))


def _slow(scene: Scene) -> dict[str, list[float]]:
    sockets = scene.crowd(CROWD)
    all_read = latencies(scene.server, scene.post, lambda: scene.reading(sockets, 0.25))
    some = latencies(scene.server, scene.post, lambda: scene.reading(sockets[SLOW_READERS:], 0.25), 4 * SECONDS)
    return {"2,000 sockets, all read": all_read, "the same, 100 never read": some}


def _flood(scene: Scene) -> dict[str, list[float]]:
    return {
        "no other load": latencies(scene.server, scene.post, None),
        "a flood over a socket": latencies(scene.server, scene.post, scene.flood_by_socket),
        "a flood over HTTP": latencies(scene.server, scene.post, scene.flood_by_http),
        "a flood over HTTP that does not wait for responses": latencies(
            scene.server, scene.post, scene.flood_without_reading
        ),
    }


def _silent(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    sockets = [raw.tcp(scene.server.port) for _ in range(SILENT_SOCKETS)]
    for s in sockets[::2]:
        s.sendall(raw.UPGRADE)
    raw.Api(scene.server.port, scene.server.more).ask("GET", "/settings")  # all sockets are accepted
    took = latencies(scene.server, scene.post, None, 2 * SECONDS)  # and reach their deadline
    for s in sockets:
        s.close()
    return {"no other load": quiet, "5,000 sockets that never authenticate": took}


def _descriptors(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    connection, pid = raw.tcp(scene.server.port), scene.server.process.pid
    connection.sendall(scene.post)
    raw.read_answer(connection)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")), hard))
    took = latencies(scene.server, scene.post, scene.refused_connects, connection=connection)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    return {"no other load": quiet, "no descriptor left, and a client that keeps connecting": took}


def _memory(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    pid = scene.server.process.pid
    used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.prlimit(pid, resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
    took = latencies(scene.server, scene.post, scene.incomplete_requests)
    resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {"no other load": quiet, f"{INCOMPLETE_REQUESTS} incomplete large requests, 24 MB of memory": took}


def _herd(scene: Scene) -> dict[str, list[float]]:
    _, jwt = scene.api.login("listener")
    frames = [scene.api.auth_frame("listener", jwt, f"d{n}") for n in range(RECONNECTING)]
    quiet, took = [], []
    for _ in range(ROUNDS):  # the wave is short: one alone gives few samples
        quiet += latencies(scene.server, scene.post, None, 4.0)
        took += latencies(scene.server, scene.post, lambda: scene.reconnects(frames), 4.0)
        while scene.api.ask("GET", "/health")["sockets"]:
            time.sleep(0.1)
    return {"no other load": quiet, "2,000 clients reconnect at once": took}


def _png(width: int, height: int) -> bytes:
    # A transparent picture: a few kilobytes that decode to width x height x 4.
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 + 4 * width)) for _ in range(height)) + packer.flush()
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x06\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _uploads(scene: Scene) -> dict[str, list[float]]:
    return {
        "no other load": latencies(scene.server, scene.post, None),
        f"{BOMBS} concurrent pictures of 49 megapixels, repeatedly": latencies(
            scene.server, scene.post, lambda: scene.uploads(_png(7000, 7000), "image", BOMBS)
        ),
        f"{BOMBS} pictures of 12 megapixels, which get thumbnails": latencies(
            scene.server, scene.post, lambda: scene.uploads(_png(4000, 3000), "image", BOMBS)
        ),
        f"{UPLOADS} uploads of 10 MB at once": latencies(
            scene.server, scene.post, lambda: scene.uploads(os.urandom(10_000_000), "file", UPLOADS)
        ),
    }


def backlog(path: Path, *, messages: int = UNREAD_MESSAGES, own: int = OWN_MESSAGES, readers: int = READERS) -> None:
    """Fill a database: a group with many messages of one user, and many unread messages in groups of all users."""
    c = sqlite3.connect(path, isolation_level=None)
    body = json.dumps({"sender": "listener", "data": {"text": "x" * 300}, "tags": ["some"]}).encode()
    c.execute("BEGIN")
    guids = [f"g{n}" for n in range(GROUPS)]
    for guid in ("own", *guids):
        uids = ["searcher", "listener"] if guid == "own" else ["listener", *(f"r{n}" for n in range(readers))]
        row = "INSERT INTO groups (guid, name, type, members_count, created_at, updated_at) VALUES (?, ?, 'public', ?, 1, 1)"
        c.execute(row, (guid, guid, len(uids)))
        c.executemany("INSERT INTO members VALUES (?, ?, 'participant', 1, 0)", [(guid, uid) for uid in uids])
    places = [guids[n % GROUPS] for n in range(messages)] + ["own"] * own
    c.executemany(
        "INSERT INTO messages (id, conversation_id, sender, receiver, receiver_type, category, type, sent_at,"
        " updated_at, body, traits) VALUES (?, ?, 'listener', ?, 'group', 'message', 'text', 1, 1, ?, 0)",
        ((n, f"g/{guid}", guid, body) for n, guid in enumerate(places, 1)),
    )
    c.execute(
        "INSERT INTO conversations (conversation_id, last_message_id, shown_message_id, updated_at, created_at)"
        " SELECT conversation_id, max(id), max(id), 1, 1 FROM messages GROUP BY conversation_id"
    )
    c.execute("COMMIT")
    c.close()


def _lists(scene: Scene) -> dict[str, list[float]]:
    searches = [f"/messages?{query}" for query in SEARCHES]
    searcher, readers = scene.api.login("searcher")[0], [scene.api.login(f"r{n}")[0] for n in range(READERS)]
    scene.api.ask("GET", "/messages?searchKey=nothing", authtoken=searcher)  # the search index is complete
    (first, *_) = scene.api.ask("GET", "/conversations?per_page=30", authtoken=readers[0])
    if first["unreadMessageCount"] != "1000":
        raise RuntimeError(f"there is no backlog: {first}")
    listed = scene.lists(readers, ["/conversations?per_page=30"])
    return {
        "no other load": latencies(scene.server, scene.post, None),
        f"8 searches at a time of one user with {OWN_MESSAGES:,} messages": latencies(
            scene.server, scene.post, lambda: scene.requests(scene.lists([searcher], searches), 8, BOUNDED | {400})
        ),
        f"{READERS} users at a time open their list of conversations, {UNREAD_MESSAGES:,} messages unread": latencies(
            scene.server, scene.post, lambda: scene.requests(listed, READERS, reconnect=True)
        ),
    }


def _passwords(scene: Scene) -> dict[str, list[float]]:
    owner = scene.api.login("owner")[0]
    group = {"guid": "locked", "name": "Locked", "type": "password", "password": "secret"}
    scene.api.ask("POST", "/groups", group, authtoken=owner)
    guesses = scene.passwords([f"guesser{n}" for n in range(GUESSERS)], "locked")
    wrong = BOUNDED | {400, 401, 403}
    return {
        "no other load": latencies(scene.server, scene.post, None),
        f"{GUESSES} passwords of groups at a time of {GUESSERS} users, guessed and set": latencies(
            scene.server, scene.post, lambda: scene.requests(guesses, GUESSES, wrong)
        ),
    }


def _slow_bodies(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    took = latencies(scene.server, scene.post, lambda: scene.slow_bodies(SLOW_BODIES))
    return {"no other load": quiet, f"{SLOW_BODIES} bodies, a byte in 12 s each": took}


def _few_places(scene: Scene) -> dict[str, list[float]]:
    quiet = latencies(scene.server, scene.post, None)
    bodies = latencies(scene.server, scene.post, lambda: scene.slow_bodies(2 * MAX_CONNECTIONS))
    sockets = latencies(scene.server, scene.post, lambda: scene.silent_sockets(2 * MAX_CONNECTIONS))
    return {
        "no other load": quiet,
        f"room for {MAX_CONNECTIONS} connections, {2 * MAX_CONNECTIONS} bodies, a byte in 12 s each": bodies,
        f"room for {MAX_CONNECTIONS} connections, {2 * MAX_CONNECTIONS} sockets that never authenticate": sockets,
    }


def run() -> list[str]:
    """Return the table."""
    peers.pin_load()
    rates = {"TAILWIRE_UPGRADES_PER_SECOND": "500", "TAILWIRE_SENDS_PER_MINUTE": "10000"}
    lines = [
        "### Effect on others: one send every 20 ms, to its response",
        "",
        "| | p50 ms | p99 ms | p50 ratio | p99 |",
        "| --- | --- | --- | --- | --- |",
    ]
    for settings, scene, *fill in (
        ({"TAILWIRE_SLOW_CLOSE": "1048576"}, _slow),
        (rates, _flood),
        ({"TAILWIRE_AUTH_DEADLINE": "10"}, _silent),
        (rates, _descriptors),
        (rates, _memory),
        (rates, _slow_bodies),
        (
            {**rates, "TAILWIRE_MAX_CONNECTIONS": str(MAX_CONNECTIONS), "TAILWIRE_UNAUTHENTICATED_PER_ADDRESS": "100"},
            _few_places,
        ),
        (rates, _herd),
        ({**rates, "TAILWIRE_UPLOADS_PER_DAY": "0"}, _uploads),
        (rates, _lists, backlog),
        ({**rates, "TAILWIRE_WRONG_PASSWORDS_PER_MINUTE": "0"}, _passwords),
        ({**rates, **push_load.SETTINGS}, push_load.notified, push_load.devices),
    ):
        rows = _in(settings, scene, *fill)
        before: tuple[float, float] | None = None
        for name, took in rows.items():
            p50, p99 = raw.percentile(took, 50) * 1000, raw.percentile(took, 99) * 1000
            ratio = f"{p50 / before[0]:.2f} | {p99 / before[1]:.2f}" if before else "| "
            before = before or (p50, p99)
            lines.append(f"| {name} | {p50:.2f} | {p99:.2f} | {ratio} |")
    return [*lines, "", "Goal: others' latency at most doubled."]
