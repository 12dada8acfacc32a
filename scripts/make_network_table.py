"""Write "an hour of app life" into docs/reliability.md: what the real client does in an hour of virtual time.

Bytes include 40 for the TCP and IP headers of each packet; acknowledgements are not counted. A wake-up is a
moment at which the client's event loop has something to do: a timer, or received data.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from pathlib import Path

from tailwire.sdk.app_settings import AppSettingsBuilder
from tailwire.sdk.client import ChatClient
from tailwire.sdk.session import MemorySessionStore
from tailwire.testing.virtual.loop import virtual_run
from tailwire.testing.virtual.meter import Counts, Meter
from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.world import VirtualSdkWorld, VirtualServer, virtual_loop
from tailwire.wire.entities import TextMessage

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- an hour of app life -->", "<!-- end of an hour of app life -->"
HOUR, SETTLED = 3600.0, 120.0
DEVICE = "phone"
Scene = Callable[[ChatClient, VirtualServer], Awaitable[None]]


def client(name: str, server: VirtualServer, *, auto: bool = True) -> ChatClient:
    """Return a client whose connections and timers are counted for a device."""
    settings = AppSettingsBuilder().override_client_host(server.url).auto_establish_socket_connection(auto).build()
    current_process.set(f"{name}#1")
    return ChatClient(server.app_id, settings, session_store=MemorySessionStore(), world=VirtualSdkWorld(1))


async def idle(chat: ChatClient, server: VirtualServer) -> None:
    """Keep the app in the foreground for an hour, without messages."""
    await asyncio.sleep(HOUR)


async def listening(chat: ChatClient, server: VirtualServer) -> None:
    """Listen for an hour to a user who sends every 5 s."""

    async def write() -> None:
        writer = client("writer", server)
        await writer.init()
        await writer.login("bob", auth_key=server.auth_key)
        for n in range(int(HOUR / 5)):
            await writer.send_message(TextMessage(receiver="alice", text=f"message {n}"))
            await asyncio.sleep(5)
        await writer.aclose()

    await virtual_loop().create_task(write(), context=copy_context())


async def offline_with_a_hint(chat: ChatClient, server: VirtualServer) -> None:
    """Lose the network for an hour, with a hint from the platform."""
    chat.set_network("offline")
    await offline_refused(chat, server)


async def offline_refused(chat: ChatClient, server: VirtualServer) -> None:
    """Lose the network for an hour: every attempt is refused immediately."""
    virtual_loop().network.cut()
    await asyncio.sleep(HOUR)


async def offline_vanishing(chat: ChatClient, server: VirtualServer) -> None:
    """Lose the network for an hour: attempts get no response."""
    virtual_loop().network.swallowing = True
    await asyncio.sleep(HOUR)


async def background(chat: ChatClient, server: VirtualServer) -> None:
    """Keep a manual socket open in the background for an hour, with a ping every 25 s."""
    chat.set_app_state("background")
    for _ in range(int(HOUR / 25)):
        await chat.ping()
        await asyncio.sleep(25)


SCENES: dict[str, Scene] = {
    "idle in the foreground": idle,
    "listening, a message each 5 s": listening,
    "offline, the platform says so": offline_with_a_hint,
    "offline, refused at once": offline_refused,
    "offline, nothing comes back": offline_vanishing,
    "manual mode in the background, `ping()` each 25 s": background,
}


async def _hour(scene: Scene) -> Counts:
    with tempfile.TemporaryDirectory() as folder:
        server = VirtualServer(Path(folder))
        await server.start()
        await server.add_users("alice", "bob")
        chat = client(DEVICE, server, auto=scene is not background)
        await chat.init()
        await chat.login("alice", auth_key=server.auth_key)
        if scene is background:
            await chat.connect()
        await asyncio.sleep(SETTLED)
        meter = virtual_loop().network.meter = Meter()
        await scene(chat, server)
        virtual_loop().network.meter = None
        virtual_loop().network.restore()
        await chat.aclose()
        await server.stop()
        return meter.of(DEVICE)


def rows() -> list[str]:
    """Play each scene, and return the lines of the Markdown table."""
    made = [
        "| an hour | connections, tried ones too | KB up | KB down | timers | wake-ups |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, scene in SCENES.items():
        c: Counts = virtual_run(_hour(scene))
        made.append(
            f"| {name} | {c.connections} | {c.up / 1000:.1f} | {c.down / 1000:.1f} | {c.timers} | {c.wakeups} |"
        )
    return made


def main() -> int:
    """Print the table, and write it between its markers."""
    logging.disable(logging.CRITICAL)
    table = "\n".join(rows())
    print(table)
    text = PAGE.read_text()
    before, found, rest = text.partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        print(f"{PAGE} has no {BEGIN} and {END}: put them where the table belongs.", file=sys.stderr)
        return 1
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
