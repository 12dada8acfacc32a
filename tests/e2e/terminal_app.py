"""A terminal app for the Ctrl+Z test, which prints the status of its connection, one word per line."""

from __future__ import annotations

import asyncio
import sys

from tailwire import (
    AppSettingsBuilder,
    ChatClient,
    ConnectionListener,
    MemorySessionStore,
    MessageListener,
    watch_terminal,
)


class Printing(ConnectionListener, MessageListener):
    def on_connected(self):
        print("connected", flush=True)

    def on_disconnected(self):
        print("disconnected", flush=True)

    def on_text_message_received(self, message):
        print(message.text, flush=True)


async def main(url: str, app_id: str, auth_key: str) -> None:
    settings = AppSettingsBuilder().override_client_host(url).build()
    async with ChatClient(app_id, settings, session_store=MemorySessionStore()) as chat:
        chat.add_message_listener("printing", Printing())
        await chat.login("bob", auth_key=auth_key)
        chat.add_connection_listener("printing", Printing())
        with watch_terminal(chat):
            await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
