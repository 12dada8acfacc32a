"""A NiceGUI app with one client for each user, however many tabs they have open: run by test_nicegui.py as a process.

The docs contain the part from "# recipe" to "# end".
"""

from __future__ import annotations

# recipe
import asyncio
import os
import sys

from nicegui import Client, app, ui

from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, MessageListener, TextMessage

settings = AppSettingsBuilder().override_client_host(os.environ["URL"]).build()


class Shared:
    """The chat client of one user, for all tabs that they have open."""

    def __init__(self, uid: str, token: str) -> None:
        self.uid = uid
        self.hidden: dict[str, bool] = {}  # by the id of the tab
        self.ready = asyncio.create_task(self._begin(token))

    async def _begin(self, token: str) -> ChatClient:
        chat = ChatClient(os.environ["APP_ID"], settings, session_store=MemorySessionStore())
        try:
            await chat.init()
            await chat.login_with_auth_token(token)
        except BaseException:
            shared.pop(self.uid, None)  # the next tab tries again
            await chat.aclose()
            raise
        return chat

    async def seen(self, tab: str, hidden: bool) -> None:
        """Record whether a tab is hidden. The user is away when all of them are."""
        chat = await self.ready
        if tab in self.hidden:
            self.hidden[tab] = hidden
            chat.set_app_state("background" if all(self.hidden.values()) else "foreground", reason="tabs")

    async def left(self, tab: str) -> None:
        """Close the client after the last tab."""
        self.hidden.pop(tab, None)
        if not self.hidden and shared.get(self.uid) is self:
            del shared[self.uid]
            await (await self.ready).aclose()


shared: dict[str, Shared] = {}


async def chat_of(uid: str, token: str) -> ChatClient:
    """Return the client of a user, for the tab that is being drawn."""
    tab: Client = ui.context.client
    mine = shared.get(uid)
    if mine is None:
        mine = shared[uid] = Shared(uid, token)
    mine.hidden[tab.id] = False
    # NiceGUI deletes a tab `reconnect_timeout` after its connection was lost, so not after a reload or a short outage.
    tab.on_delete(lambda: mine.left(tab.id))
    ui.on("visibility", lambda e: mine.seen(tab.id, e.args == "hidden"))
    ui.add_head_html(
        "<script>document.addEventListener('visibilitychange',"
        " () => emitEvent('visibility', document.visibilityState))</script>"
    )
    return await mine.ready


@app.on_shutdown
async def close_all() -> None:
    """Close all clients, so that the server sees them leave."""
    while shared:
        _, mine = shared.popitem()
        await (await mine.ready).aclose()


# end


@ui.page("/{uid}")
async def index(uid: str) -> None:
    """The page of a user: shows received messages, and sends to bob what is typed."""
    token = os.environ[f"TOKEN_{uid.upper()}"]  # an app takes it from its own login, for instance from app.storage.user
    tab: Client = ui.context.client
    chat = await chat_of(uid, token)
    shown = ui.column()

    class Ears(MessageListener):
        def on_text_message_received(self, message: TextMessage) -> None:
            with shown:
                ui.label(message.text)

    chat.add_message_listener(tab.id, Ears())
    tab.on_delete(lambda: chat.remove_message_listener(tab.id))
    ui.label(f"ready {uid}")


if __name__ == "__main__":
    ui.run(port=int(sys.argv[1]), host="127.0.0.1", show=False, reload=False, reconnect_timeout=1.0)
