"""Time from the network's return to connected and caught up, for 200 clients; compared with a fixed wait of 5 s."""

from __future__ import annotations

import asyncio
import json
import random
import time

from benchmarks import peers, raw

CLIENTS = 200
OUTAGES = (6.0, 7.5, 9.0)  # so that a fixed wait of 5 s ends at different points


async def _ours(server: peers.Started, api: raw.Api, tokens: list[str], outage: float, *, hint: bool) -> list[float]:
    from tailwire import AppSettingsBuilder, ChatClient, ConnectionChanged, MemorySessionStore
    from tailwire.testing.line.proxy import FaultProxy

    async with FaultProxy("127.0.0.1", server.port) as proxy:
        settings = AppSettingsBuilder().override_client_host(proxy.url).build()
        clients = [ChatClient(api.app_id, settings, session_store=MemorySessionStore()) for _ in tokens]
        for chat, token in zip(clients, tokens, strict=True):
            await chat.init()
            await chat.login_with_auth_token(token)
        await asyncio.gather(*(chat.wait_connected(30) for chat in clients))
        streams = [chat.events() for chat in clients]
        proxy.cut()
        for chat in clients:
            if hint:
                chat.set_network("offline")
        await asyncio.sleep(outage)
        proxy.restore()
        begin = time.perf_counter()

        async def back(chat: ChatClient, stream: object) -> float:
            if hint:
                chat.set_network("online")
            async for event in stream:  # type: ignore[attr-defined]
                if isinstance(event, ConnectionChanged) and event.continuity is not None:
                    return time.perf_counter() - begin
            raise RuntimeError("the stream ended")

        took = await asyncio.gather(*(back(c, s) for c, s in zip(clients, streams, strict=True)))
        await asyncio.gather(*(chat.aclose() for chat in clients))
        return list(took)


async def _fixed(server: peers.Started, api: raw.Api, users: list[tuple[str, str, str]], outage: float) -> list[float]:
    from websockets.asyncio.client import connect

    from tailwire.testing.line.proxy import FaultProxy

    async with FaultProxy("127.0.0.1", server.port) as proxy:
        begin = asyncio.get_running_loop().create_future()
        history = "/v3/messages?per_page=30&affix=append&id=0"

        async def client(uid: str, token: str, jwt: str) -> float:
            body = {"auth": jwt, "deviceId": uid}
            auth = json.dumps({"type": "auth", "deviceId": uid, "sender": uid, "body": body})
            up = False
            while True:
                try:
                    async with connect(
                        proxy.url.replace("http", "ws"), additional_headers={"x-tailwire-client": "b"}
                    ) as ws:
                        await ws.send(auth)
                        await ws.recv()
                        if up and begin.done():
                            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
                            headers = {"appid": api.app_id, "authtoken": token, "resource": uid, "Connection": "close"}
                            writer.write(raw.request("GET", history, headers))
                            await reader.read()
                            writer.close()
                            return time.perf_counter() - begin.result()
                        up = True
                        await ws.recv()
                except Exception:  # noqa: BLE001 - this client handles every error in the same way
                    await asyncio.sleep(5)

        tasks = [asyncio.create_task(client(*u)) for u in users]
        await asyncio.sleep(3)
        await asyncio.sleep(random.random())
        proxy.cut()
        await asyncio.sleep(outage)
        proxy.restore()
        begin.set_result(time.perf_counter())
        return list(await asyncio.gather(*tasks))


def run() -> list[str]:
    """Run the benchmark, and return the lines of its table."""
    peers.pin_load()
    with peers.tailwire() as server:
        api = raw.Api(server.port, server.more)
        users = [(f"user{n}", *api.login(f"user{n}")) for n in range(CLIENTS)]
        tokens = [token for _, token, _ in users]
        hinted, alone, fixed = [], [], []
        for outage in OUTAGES:
            hinted += asyncio.run(_ours(server, api, tokens, outage, hint=True))
            alone += asyncio.run(_ours(server, api, tokens, outage, hint=False))
            fixed += asyncio.run(_fixed(server, api, users, outage))
    lines = [
        f"### Back after 6, 7.5 and 9 s without a network: {CLIENTS} clients at once, to connected and caught up",
        "",
        "All clients run in one process on one core; the server on the other.",
        "",
        "| | median s | p99 s |",
        "| --- | --- | --- |",
    ]
    for name, took in (
        ("Tailwire, with a platform hint", hinted),
        ("Tailwire, without a hint", alone),
        ("a client that waits a fixed 5 s", fixed),
    ):
        lines.append(f"| {name} | {raw.percentile(took, 50):.2f} | {raw.percentile(took, 99):.2f} |")
    ratio = [raw.percentile(hinted, p) / raw.percentile(fixed, p) for p in (50, 99)]
    lines.append(f"| ratio, with a hint to fixed | {ratio[0]:.2f} | {ratio[1]:.2f} |")
    return lines
