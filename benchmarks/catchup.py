"""Time from app start to the first and the last of 20,000 missed messages, compared with bare reading."""

from __future__ import annotations

import asyncio
import copy
import json
import select
import time

from benchmarks import peers, raw

MISSED = 20_000
SENDERS = 32
TEXT = "Of a message's 200 letters most are words that come again in the next one, as it is in chats of people. " * 2
PAGE = 100


def _send(server: peers.Started, api: raw.Api, token: str) -> None:
    headers = {"appid": api.app_id, "authtoken": token, "resource": "bench"}
    connections = {s.fileno(): s for s in (raw.tcp(server.port) for _ in range(SENDERS))}
    poll = select.epoll()
    answers = dict.fromkeys(connections, b"")
    left = MISSED

    def send(fd: int) -> None:
        nonlocal left
        left -= 1
        data = {"text": f"{left} {TEXT}"[:200]}
        body = json.dumps({"receiver": "bob", "receiverType": "user", "data": data}).encode()
        connections[fd].sendall(raw.request("POST", "/v3/messages", headers, body))

    for fd in connections:
        poll.register(fd, select.EPOLLIN)
        send(fd)
    stored = 0
    while stored < MISSED:
        for fd, _ in poll.poll(5):
            answers[fd] += connections[fd].recv(65536)
            if raw.whole_answer(answers[fd]):
                answers[fd] = b""
                stored += 1
                if left:
                    send(fd)


async def _session(server: peers.Started, api: raw.Api) -> object:
    from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore

    store = MemorySessionStore()
    settings = AppSettingsBuilder().override_client_host(f"http://127.0.0.1:{server.port}").build()
    async with ChatClient(api.app_id, settings, session_store=store) as chat:
        await chat.login("bob", auth_key=api.auth_key)
        await chat.wait_connected(10)
    return store


async def _ours(server: peers.Started, api: raw.Api, store: object) -> tuple[float, float]:
    from tailwire import AppSettingsBuilder, ChatClient, MessageListener

    builder = AppSettingsBuilder().override_client_host(f"http://127.0.0.1:{server.port}")
    settings = builder.catch_up_after_reconnect(limit=2 * MISSED).build()
    chat = ChatClient(api.app_id, settings, session_store=copy.deepcopy(store))  # type: ignore[arg-type]
    done = asyncio.get_running_loop().create_future()
    begin, first = time.perf_counter(), 0.0

    class Counting(MessageListener):
        count = 0

        def on_text_message_received(self, message: object) -> None:
            nonlocal first
            self.count += 1
            if self.count == 1:
                first = time.perf_counter()
            if self.count == MISSED:
                done.set_result(time.perf_counter())

    await chat.init()
    chat.add_message_listener("counting", Counting())
    last = await done
    await chat.aclose()
    return first - begin, last - begin


def _bare(server: peers.Started, api: raw.Api, token: str) -> float:
    headers = {"appid": api.app_id, "authtoken": token, "resource": "bare"}
    connection = raw.tcp(server.port)
    begin, after, read = time.perf_counter(), 0, 0
    while read < MISSED:
        query = f"/v3/messages?per_page={PAGE}&affix=append&id={after}"
        connection.sendall(raw.request("GET", query, headers))
        answer = b""
        while not raw.whole_answer(answer):
            answer += connection.recv(1 << 20)
        listed = json.loads(answer.partition(b"\r\n\r\n")[2])["data"]
        read, after = read + len(listed), int(listed[-1]["id"])
    return time.perf_counter() - begin


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    peers.pin_load()
    with peers.tailwire() as server:
        api = raw.Api(server.port, server.more)
        store = asyncio.run(_session(server, api))
        _send(server, api, api.login("alice")[0])
        token = api.login("bob")[0]
        turns = [(*asyncio.run(_ours(server, api, store)), _bare(server, api, token)) for _ in range(3)]
    first, last, bare = (sorted(column)[1] for column in zip(*turns, strict=True))
    return [
        f"### Catching up {MISSED:,} messages (median of 3)",
        "",
        "From the start of the app with a saved session, connecting included, to a listener.",
        "",
        "| | s |",
        "| --- | --- |",
        f"| first message (goal: under 1 s) | {first:.2f} |",
        f"| last message | {last:.2f} |",
        f"| bare: pages of {PAGE} in sequence, uncompressed, `json.loads` | {bare:.2f} |",
        f"| ratio of the last message to bare | {last / bare:.2f} |",
    ]
