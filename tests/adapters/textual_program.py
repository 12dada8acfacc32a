"""A Textual app that shows its connection status and each message; q quits."""

from __future__ import annotations

import sys

from textual.app import App
from textual.widgets import RichLog

from tailwire import (
    AppSettingsBuilder,
    ChatClient,
    ConnectionListener,
    MemorySessionStore,
    MessageListener,
    watch,
    watch_textual,
)


class Chat(App, ConnectionListener, MessageListener):
    BINDINGS = [("q", "quit", "Quit"), ("ctrl+z", "suspend_process", "Suspend")]

    def compose(self):
        yield RichLog()

    def say(self, text):
        self.query_one(RichLog).write(text)

    async def on_mount(self):
        url, app_id, auth_key, how = sys.argv[1:]
        settings = AppSettingsBuilder().override_client_host(url).build()
        self.chat = ChatClient(app_id, settings, session_store=MemorySessionStore())
        await self.chat.init()
        self.chat.add_message_listener("chat", self)
        self.chat.add_connection_listener("chat", self)
        self.app_watch = watch(self.chat) if how == "found" else watch_textual(self.chat, self)
        await self.chat.login("bob", auth_key=auth_key)

    async def on_unmount(self):
        self.app_watch.close()
        await self.chat.aclose()

    def on_connected(self):
        self.say("connected")

    def on_disconnected(self):
        self.say("disconnected")

    def on_text_message_received(self, message):
        self.say(message.text)


Chat().run()
