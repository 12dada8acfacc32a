"""Latency of one user's sends while others put load on the server, compared with an idle server.

All scenes take about three quarters of an hour. `python -m benchmarks.neighbours lists uploads --rounds 1` prints some of
them, and writes nothing. With `TAILWIRE_BENCH_FOLDER=/dev/shm` the disk is left out, whose waits are otherwise most of
the p99.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks import peers, push_load, raw
from benchmarks.neighbour_load import (
    BOUNDED,
    INCOMPLETE_REQUESTS,
    QUIET,
    SECONDS,
    Load,
    Scene,
    synchronised_files,
)
from benchmarks.neighbour_rounds import Subject, Usage, measure

ROUNDS = 3
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
LIMIT_OF_THE_DISK = "limit: another program writes files of 4 KB on the same disk, and synchronises each"


def _slow(scene: Scene) -> list[Load]:
    sockets = scene.open_crowd(CROWD)
    few = sockets[SLOW_READERS:]
    return [
        Load("2,000 sockets, all read", lambda: scene.reading(sockets, 0.25)),
        Load("the same, 100 never read", lambda: scene.reading(few, 0.25), 2 * SECONDS),
    ]


def _flood(scene: Scene) -> list[Load]:
    return [
        QUIET,
        Load("a flood over a socket", scene.flood_by_socket),
        Load("a flood over HTTP", scene.flood_by_http),
        Load("a flood over HTTP that does not wait for responses", scene.flood_without_waiting),
    ]


def _silent(scene: Scene) -> list[Load]:
    @contextmanager
    def silent() -> Iterator[None]:
        sockets = [raw.tcp(scene.server.port) for _ in range(SILENT_SOCKETS)]
        for s in sockets[::2]:
            s.sendall(raw.UPGRADE)
        raw.Api(scene.server.port, scene.server.more).ask("GET", "/settings")  # all sockets are accepted
        yield  # and reach their deadline
        for s in sockets:
            s.close()

    return [QUIET, Load("5,000 sockets that never authenticate", None, SECONDS, silent)]


def _descriptors(scene: Scene) -> list[Load]:
    pid = scene.server.process.pid

    @contextmanager
    def none_left() -> Iterator[socket.socket]:
        connection = raw.tcp(scene.server.port)
        connection.sendall(scene.post)
        raw.read_answer(connection)
        soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")), hard))
        try:
            yield connection
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))

    return [
        QUIET,
        Load("no descriptor left, and a client that keeps connecting", scene.refused_connects, SECONDS, none_left),
    ]


def _memory(scene: Scene) -> list[Load]:
    pid = scene.server.process.pid

    @contextmanager
    def little_left() -> Iterator[None]:
        used = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.prlimit(pid, resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
        try:
            yield
        finally:
            resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    name = f"{INCOMPLETE_REQUESTS} incomplete large requests, 24 MB of memory"
    return [QUIET, Load(name, scene.incomplete_requests, SECONDS, little_left)]


def _herd(scene: Scene) -> list[Load]:
    _, jwt = scene.api.login("listener")
    frames = [scene.api.auth_frame("listener", jwt, f"d{n}") for n in range(RECONNECTING)]

    @contextmanager
    def ended() -> Iterator[None]:
        yield
        while scene.api.ask("GET", "/health")["sockets"]:
            time.sleep(0.1)

    # The wave is short, so a longer round would measure the quiet after it.
    return [QUIET, Load("2,000 clients reconnect at once", lambda: scene.reconnects(frames), 4.0, ended)]


def _png(width: int, height: int) -> bytes:
    # A transparent picture: a few kilobytes that decode to width x height x 4.
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 + 4 * width)) for _ in range(height)) + packer.flush()
    head = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x06\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def _uploads(scene: Scene) -> list[Load]:
    bomb, picture, file = _png(7000, 7000), _png(4000, 3000), os.urandom(10_000_000)
    folder = Path(peers.DATA) / "tailwire-bench-files"

    @contextmanager
    def made() -> Iterator[None]:
        folder.mkdir(exist_ok=True)
        yield
        shutil.rmtree(folder)

    return [
        QUIET,
        Load(LIMIT_OF_THE_DISK, lambda: synchronised_files(folder), SECONDS, made),
        Load(f"pictures of 49 megapixels of {BOMBS} users at once", scene.uploads(bomb, "image", BOMBS)),
        Load(
            f"pictures of 12 megapixels of {BOMBS} users at once, which get thumbnails",
            scene.uploads(picture, "image", BOMBS),
        ),
        Load(f"files of 10 MB of {UPLOADS} users at once", scene.uploads(file, "file", UPLOADS)),
    ]


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


def _lists(scene: Scene) -> list[Load]:
    searches = [f"/messages?{query}" for query in SEARCHES]
    searcher, readers = scene.api.login("searcher")[0], [scene.api.login(f"r{n}")[0] for n in range(READERS)]
    scene.api.ask("GET", "/messages?searchKey=nothing", authtoken=searcher)  # the search index is complete
    (first, *_) = scene.api.ask("GET", "/conversations?per_page=30", authtoken=readers[0])
    if first["unreadMessageCount"] != "1000":
        raise RuntimeError(f"there is no backlog: {first}")
    listed = scene.lists(readers, ["/conversations?per_page=30"])
    return [
        QUIET,
        Load(
            f"8 searches at a time of one user with {OWN_MESSAGES:,} messages",
            lambda: scene.requests(scene.lists([searcher], searches), 8, BOUNDED | {400}),
        ),
        Load(
            f"{READERS} users at a time open their list of conversations, {UNREAD_MESSAGES:,} messages unread",
            lambda: scene.requests(listed, READERS, reconnect=True),
        ),
    ]


def _passwords(scene: Scene) -> list[Load]:
    owner = scene.api.login("owner")[0]
    group = {"guid": "locked", "name": "Locked", "type": "password", "password": "secret"}
    scene.api.ask("POST", "/groups", group, authtoken=owner)
    tokens, wrong = [scene.api.login(f"guesser{n}")[0] for n in range(GUESSERS)], BOUNDED | {400, 401, 403}

    def guessed() -> Iterator[None]:
        # A round creates groups, so each has names of its own.
        return scene.requests(scene.passwords(tokens, "locked", f"set-{time.time_ns()}"), GUESSES, wrong)

    name = f"{GUESSES} passwords of groups at a time of {GUESSERS} users, guessed and set"
    return [QUIET, Load(name, guessed)]


def _slow_bodies(scene: Scene) -> list[Load]:
    return [QUIET, Load(f"{SLOW_BODIES} bodies, a byte in 12 s each", lambda: scene.slow_bodies(SLOW_BODIES))]


def _few_places(scene: Scene) -> list[Load]:
    room, clients = f"room for {MAX_CONNECTIONS} connections", 2 * MAX_CONNECTIONS
    return [
        QUIET,
        Load(f"{room}, {clients} bodies, a byte in 12 s each", lambda: scene.slow_bodies(clients)),
        Load(f"{room}, {clients} sockets that never authenticate", lambda: scene.silent_sockets(clients)),
    ]


def _processor(scene: Scene) -> list[Load]:
    # The limit of what the server can do about its own threads: another process that computes, and asks for nothing.
    @contextmanager
    def computing(niceness: int) -> Iterator[None]:
        child = os.fork()
        if not child:
            os.sched_setaffinity(0, {peers.SERVER_CORE})
            os.nice(niceness)
            while True:
                pass
        try:
            yield
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)

    name = "another process computes on the server's processor, with the niceness"
    return [QUIET, *(Load(f"{name} {n}", None, SECONDS, partial(computing, n)) for n in (0, 10, 19))]


RATES = {"TAILWIRE_UPGRADES_PER_SECOND": "500", "TAILWIRE_SENDS_PER_MINUTE": "10000"}
FEW_PLACES = {"TAILWIRE_MAX_CONNECTIONS": str(MAX_CONNECTIONS), "TAILWIRE_UNAUTHENTICATED_PER_ADDRESS": "100"}
SCENES: dict[str, Subject] = {
    "slow": Subject({"TAILWIRE_SLOW_CLOSE": "1048576"}, _slow),
    "flood": Subject(RATES, _flood),
    "silent": Subject({"TAILWIRE_AUTH_DEADLINE": "10"}, _silent),
    "descriptors": Subject(RATES, _descriptors),
    "memory": Subject(RATES, _memory),
    "bodies": Subject(RATES, _slow_bodies),
    "places": Subject({**RATES, **FEW_PLACES}, _few_places),
    "herd": Subject(RATES, _herd, rounds=8),
    "uploads": Subject({**RATES, "TAILWIRE_UPLOADS_PER_DAY": "0"}, _uploads),
    "lists": Subject(RATES, _lists, backlog),
    "passwords": Subject({**RATES, "TAILWIRE_WRONG_PASSWORDS_PER_MINUTE": "0"}, _passwords),
    "processor": Subject(RATES, _processor),
    "push": Subject({**RATES, **push_load.SETTINGS}, push_load.notification_loads, push_load.fill_devices),
}


def run(names: Sequence[str] = tuple(SCENES), rounds: int = ROUNDS) -> list[str]:
    """Run the benchmark, and return the lines of its table.

    Args:
        names: the scenes.
        rounds: how often each is measured.
    """
    peers.pin_load()
    began, whole = time.monotonic(), Usage()
    lines = [
        "### Effect on others: one send every 20 ms, to its response",
        "",
        "| | p50 ms | p99 ms | p50 ratio | p99 ratio | CPU of the server |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    over = []
    for name in names:
        print(f"    {name}", file=sys.stderr)
        for row in measure(SCENES[name], rounds, whole):
            lines.append(row.line)
            print(row.line, file=sys.stderr)
            if row.ratio > 2.0:
                over.append(row.name)
    took = time.monotonic() - began
    return [
        *lines,
        "",
        f"Medians of {rounds} rounds or more; in each, all rows of a scene are measured in turn. Goal: others' p99 at most"
        f" doubled; {'not met: ' + '; '.join(over) if over else 'met in each'}.",
        f"Other processes used {whole.others(took):.0%} of the machine's processors. Took {took / 60:.0f} minutes.",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenes", nargs="*", help=f"of {', '.join(SCENES)}; all without")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    args = parser.parse_args()
    print("\n".join(run(args.scenes or tuple(SCENES), args.rounds)))
