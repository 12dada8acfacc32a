"""A Flet web app with one client for each page; test_flet.py runs it as a process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import flet as ft

from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, MessageListener, watch_flet
from tailwire.sdk.connection.timings import Timings

tasks: list[asyncio.Task[None]] = []


async def ended(chat: ChatClient) -> None:
    """Print when a client was closed, which ends its streams."""
    async for _ in chat.events():
        pass
    print("client closed", flush=True)


async def network(chat: ChatClient) -> None:
    """Print the network that was reported to the client."""
    last_state = ""
    while not chat._gate.closed and chat._made_parts is not None:
        now = str(chat._parts.driver.state.network)
        if now != last_state:
            print(f"network {now}", flush=True)
        last_state = now
        await asyncio.sleep(0.05)


async def main(page: ft.Page) -> None:
    """One page: logs alice in, shows their messages, and prints what it sees."""
    shown = ft.Column()
    calls: list[str] = []

    class Ears(MessageListener):
        def on_text_message_received(self, message):
            shown.controls.append(ft.Text(message.text))
            page.update()
            print(f"message {message.text}", flush=True)

    async def own(e: ft.AppLifecycleStateChangeEvent) -> None:
        calls.append(e.state.name)
        print(f"app saw {e.state.name}", flush=True)

    page.on_app_lifecycle_state_change = own
    builder = AppSettingsBuilder().override_client_host(os.environ["URL"])
    manual = "MANUAL" in os.environ
    builder.auto_establish_socket_connection(not manual)
    timings = Timings(background_window=1.0)
    chat = ChatClient(os.environ["APP_ID"], builder.build(), session_store=MemorySessionStore(), timings=timings)
    await chat.init()
    chat.add_message_listener("page", Ears())
    await chat.login_with_auth_token(os.environ["TOKEN"])
    if manual:
        await chat.connect()
    asleep: list[bool] = []

    def sleeps_or_wakes() -> None:
        asleep.append(len(asleep) % 2 == 0)
        chat.set_app_state("background" if asleep[-1] else "foreground", reason="sleep")
        print("asleep" if asleep[-1] else "awake", flush=True)

    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, sleeps_or_wakes)
    web = page.web
    page.web = web and "AS_ON_A_DEVICE" not in os.environ  # on a device the network is the client's
    watch = watch_flet(chat, page)
    page.web = web
    page.on_close = chat.aclose
    tasks.append(asyncio.create_task(ended(chat)))
    page.add(shown)
    print(f"knows {' '.join(sorted(watch.knows))}", flush=True)
    tasks.append(asyncio.create_task(network(chat)))


if __name__ == "__main__":
    ft.run(main, view=None, port=int(sys.argv[1]), host="127.0.0.1", no_cdn=True)
