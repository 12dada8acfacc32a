"""Large stores: history, search, conversation lists, large groups and files; compared with a small store."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import peers, raw
from benchmarks.large_files import FILE_BYTES, memory_growth, upload, upload_form
from tailwire.server.ports.conversations import conversation_of, key_of

FEW, MANY = 10_000, 1_000_000
GROUPS = 2_000
MEMBERS = 10_000
WORDS = [f"word{n}" for n in range(20_000)]


def fill(messages: int) -> Callable[[Path], None]:
    """Return a function that fills a database: messages of 100 users in conversations with `alice`, and groups."""

    def run(path: Path) -> None:
        chance = random.Random(1)
        c = sqlite3.connect(path, isolation_level=None)
        c.execute("BEGIN")
        users = [f"user{n}" for n in range(100)]
        c.executemany(
            "INSERT INTO users (uid, name, role, last_active_at, created_at, updated_at) VALUES (?, ?, 'default', 0, 1, 0)",
            [(uid, uid.title()) for uid in [*users, "busy", *(f"member{n}" for n in range(MEMBERS))]],
        )

        def row(number: int) -> tuple[Any, ...]:
            uid = users[number % 100]
            text = "the " + " ".join(chance.choice(WORDS) for _ in range(10))
            body = {
                "conversationId": conversation_of("alice", uid, "user"), "sender": uid, "receiverType": "user", "receiver": "alice",
                "category": "message", "type": "text", "data": {"text": text, "entities": {}}, "sentAt": number,
            }  # fmt: skip
            return (
                number,
                key_of("alice", uid, "user"),
                uid,
                "alice",
                "user",
                "message",
                "text",
                number,
                number,
                json.dumps(body).encode(),
                16,
            )

        columns = (
            "id, conversation_id, sender, receiver, receiver_type, category, type, sent_at, updated_at, body, traits"
        )
        insert = f"INSERT INTO messages ({columns}) VALUES ({', '.join('?' * 11)})"
        c.executemany(insert, (row(n) for n in range(1, messages + 1)))
        of_users = [(key_of("alice", uid, "user"), messages - 100 + n + 1) for n, uid in enumerate(users)]
        conversation = "INSERT INTO conversations (conversation_id, last_message_id, updated_at, shown_message_id) VALUES (?, ?, 1, ?)"
        c.executemany(conversation, [(name, last, last) for name, last in of_users])
        c.executemany(
            "INSERT INTO participants VALUES (?, ?)",
            [(u, key_of("alice", u2, "user")) for u2 in users for u in ("alice", u2)],
        )
        _groups(c, insert, conversation, messages)
        c.execute("COMMIT")
        c.close()

    return run


def _groups(c: sqlite3.Connection, insert: str, conversation: str, last: int) -> None:
    group = (
        "INSERT INTO groups (guid, name, type, owner, members_count, created_at, updated_at)"
        " VALUES (?, ?, 'public', 'alice', ?, 1, 0)"
    )
    c.executemany(group, [(f"group{n}", f"Group {n}", 2) for n in range(GROUPS)] + [("large", "Large", MEMBERS + 1)])
    member = "INSERT INTO members VALUES (?, ?, 'participant', 1, 0)"
    c.executemany(member, [(f"group{n}", uid) for n in range(GROUPS) for uid in ("busy", "alice")])
    c.executemany(member, [("large", f"member{n}") for n in range(MEMBERS)] + [("large", "alice")])
    rows = []
    for n in range(3 * GROUPS):
        guid, number = f"group{n % GROUPS}", last + n + 1
        body = {
            "conversationId": f"group_{guid}", "sender": "alice", "receiverType": "group", "receiver": guid,
            "category": "message", "type": "text", "data": {"text": "hello all", "entities": {}}, "sentAt": number,
        }  # fmt: skip
        rows.append(
            (
                number,
                key_of("alice", guid, "group"),
                "alice",
                guid,
                "group",
                "message",
                "text",
                number,
                number,
                json.dumps(body).encode(),
                16,
            )
        )
    c.executemany(insert, rows)
    ends = [(key_of("alice", f"group{n}", "group"), last + 2 * GROUPS + n + 1) for n in range(GROUPS)]
    c.executemany(conversation, [(name, end, end) for name, end in ends])


Ask = Callable[[], Any]


class _Store:
    """A server on a store of a given size, and the requests to measure."""

    def __init__(self, server: peers.Started, messages: int) -> None:
        self._server = server
        self._api = raw.Api(server.port, server.more)
        self._chance = random.Random(2)
        self._messages = messages
        self._alice, self._busy = self._api.login("alice")[0], self._api.login("busy")[0]

    def _get(self, path: str, token: str = "") -> Any:
        return self._api.ask("GET", path, authtoken=token or self._alice)

    def index(self) -> float:
        """Build the search index; return messages per second."""
        begin = time.perf_counter()
        self._get("/messages?searchKey=nothing&per_page=30")
        return (self._messages + 3 * GROUPS) / (time.perf_counter() - begin)

    def requests(self) -> dict[str, tuple[Ask, int]]:
        """Return the requests by name, with their repetitions."""
        pick, get = self._chance.choice, self._get
        self._api = raw.Api(self._server.port, self._server.more)  # the first connection was idle for too long
        users = [f"user{n}" for n in range(100)]
        to_all = {"receiver": "large", "receiverType": "group", "data": {"text": "to all"}}
        to_one = {"receiver": "user1", "receiverType": "user", "data": {"text": "to one"}}

        def post(body: Any) -> Any:
            return self._api.ask("POST", "/messages", body, authtoken=self._alice)

        def full(path: str, token: str = "", rows: int = 30) -> None:
            listed = get(path, token)
            if len(listed) != rows:
                raise RuntimeError(f"{path}: {len(listed)} rows instead of {rows}")

        return {
            "history of 30": (lambda: full(f"/users/{pick(users)}/messages?per_page=30"), 300),
            "search for a word": (lambda: get(f"/messages?searchKey={pick(WORDS)}&per_page=30"), 100),
            "search in a conversation": (
                lambda: get(f"/users/{pick(users)}/messages?searchKey={pick(WORDS)}&per_page=30"),
                100,
            ),
            "search for a word in every message": (lambda: full("/messages?searchKey=the&per_page=30"), 30),
            "conversations of 2,000 groups": (lambda: full("/conversations?per_page=30", self._busy), 100),
            "unread count of 2,000 groups": (lambda: full("/messages?unread=1&count=1", self._busy, GROUPS), 30),
            "send to 10,000 members": (lambda: post(to_all), 200),
            "send to one user": (lambda: post(to_one), 200),
        }


def _p50s(asks: list[Ask], times: int) -> list[float]:
    # Alternate, so that disturbances of the machine affect both stores.
    took: list[list[float]] = [[] for _ in asks]
    for _ in range(times):
        for ask, times_of in zip(asks, took, strict=True):
            begin = time.perf_counter()
            ask()
            times_of.append(time.perf_counter() - begin)
    return [raw.percentile(t, 50) * 1000 for t in took]


def measure() -> tuple[dict[str, list[float]], float]:
    """Return the p50 of each request in ms, with few and with many messages, and messages indexed per second."""
    with peers.tailwire(fill=fill(FEW)) as small, peers.tailwire(fill=fill(MANY)) as large:
        few, many = _Store(small, FEW), _Store(large, MANY)
        few.index()
        indexed = many.index()
        both = zip(few.requests().items(), many.requests().values(), strict=True)
        return {name: _p50s([ask, other], times) for (name, (ask, times)), (other, _) in both}, indexed


def measure_upload() -> tuple[float, float]:
    """Return the server's memory growth in MB during an upload of 100 MB, and MB per second."""
    with peers.tailwire() as server:
        api = raw.Api(server.port, server.more)
        form = upload_form(api, api.login("alice")[0])
        with memory_growth(server) as grown:
            begin = time.perf_counter()
            upload(server.port, form)
            took = time.perf_counter() - begin
        return grown[0], FILE_BYTES / 2**20 / took


GOALS = {
    "history of 30": "at most 1.3 × that of 10,000",
    "conversations of 2,000 groups": "under 20 ms",
    "send to 10,000 members": "under 20 ms",
}


def run() -> list[str]:
    """Run the benchmark, and return its section of the results."""
    peers.pin_load()
    found, indexed = measure()
    lines = [
        "### A full store",
        "",
        "p50 in ms over HTTP: 10,000 messages stored, and 1,000,000; alternating requests.",
        "",
        "| | 10,000 | 1,000,000 | ratio | goal |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, (few, many) in found.items():
        lines.append(f"| {name} | {few:.2f} | {many:.2f} | {many / few:.2f} | {GOALS.get(name, '')} |")
    grown, speed = measure_upload()
    lines += [
        "",
        f"The search index takes {indexed:,.0f} messages/s, after the messages are stored.",
        "",
        f"Upload of 100 MB: {speed:.0f} MB/s; the server grows by {grown:.1f} MB (goal: under 30).",
    ]
    return lines
