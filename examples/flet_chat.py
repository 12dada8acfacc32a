"""A chat with Flet: the conversations on the left, the open one on the right.

Install Flet (`pip install flet flet-web`) and run it against `make serve`, with APP_ID and AUTH_KEY in the environment:
`CHAT_USER=alice python examples/flet_chat.py` opens a window, whose session and unsent messages are kept on the device.
With FLET_FORCE_WEB_SERVER=1 it is a web app on http://127.0.0.1:8000; each tab then has a client of its own, in memory.
"""

import asyncio
import os
import time
from pathlib import Path

import flet as ft

import tailwire
from tailwire import AppSettingsBuilder, ChatClient, CometChatException, Group, TextMessage

USER = os.environ.get("CHAT_USER", "alice")
URL = os.environ.get("CHAT_URL", "http://127.0.0.1:8480")
SETTINGS = AppSettingsBuilder().override_client_host(URL).keep_unsent_messages().build()


def place_of(conversation):
    other = conversation.conversation_with
    return ("group", other.guid) if isinstance(other, Group) else ("user", other.uid)


class Chat:
    """A page, and the client of its user."""

    def __init__(self, page: ft.Page):
        self.page = page
        folder = Path.home() / ".flet-chat" / USER
        store = tailwire.MemorySessionStore() if page.web else tailwire.FileSessionStore(folder)
        self.chat = ChatClient(os.environ["APP_ID"], SETTINGS, session_store=store)
        self.conversations = self.messages = self.place = None  # two live lists, and the conversation of the second one
        self.changed = asyncio.Event()
        self.status, self.list = ft.Text(size=12), ft.ListView(expand=True)
        self.to = ft.TextField(hint_text="Write to (user id)", on_submit=self.write_to)
        self.title = ft.Text("Choose a conversation", size=18, expand=True)
        self.rows = ft.ListView(expand=True, spacing=6, padding=8, auto_scroll=True)
        self.typing = ft.Text(size=12, italic=True)
        self.text = ft.TextField(hint_text="Message", on_submit=self.send, disabled=True)
        page.title = f"Chat of {USER}"
        side = ft.Column([ft.Text(page.title, size=18), self.status, self.list, self.to], width=220)
        head = ft.Row([self.title, ft.TextButton("Older messages", on_click=self.older)])
        main = ft.Column([head, self.rows, self.typing, self.text], expand=True)
        main.horizontal_alignment = ft.CrossAxisAlignment.STRETCH
        page.add(ft.Row([side, ft.VerticalDivider(), main], expand=True))
        page.on_close = self.chat.aclose

    async def run(self):
        try:
            await self.chat.init()
            await self.chat.login(USER, auth_key=os.environ["AUTH_KEY"])
            self.conversations = await self.chat.live_conversations()
        except CometChatException as e:
            self.status.value = f"{USER} cannot log in: {e}"
            self.page.update()
            return
        tailwire.watch(self.chat, self.page)
        self.follow(self.conversations, self.list.controls, self.line)
        self.chat.connection.subscribe(lambda _: self.changed.set())
        while not self.conversations.closed:
            self.draw()
            await asyncio.sleep(0.05)  # redraw at most twenty times a second
            await self.changed.wait()
            self.changed.clear()

    def follow(self, live, controls, make):
        controls[:] = [make(item) for item in live.items]
        live.subscribe(lambda change: (change.apply(controls, make), self.changed.set()))

    def draw(self):
        self.status.value = str(self.chat.get_connection_status())
        self.typing.value = ", ".join(f"{u.name} is typing…" for u in (self.messages.typing if self.messages else ()))
        self.page.update()
        for c in (item.conversation for item in self.conversations.items):
            if c.unread_message_count and place_of(c) == self.place:
                self.marking = asyncio.create_task(self.mark_as_read(c))

    async def mark_as_read(self, conversation):
        try:
            await self.chat.mark_conversation_as_read(conversation)
        except CometChatException as error:
            print(error)

    def line(self, item):
        c = item.conversation
        unread = ft.Badge(str(c.unread_message_count)) if c.unread_message_count else None
        icon = ft.Icon(ft.Icons.GROUP if isinstance(c.conversation_with, Group) else ft.Icons.PERSON, badge=unread)
        return ft.ListTile(
            c.conversation_with.name, leading=icon, on_click=lambda: self.page.run_task(self.open, *place_of(c))
        )

    def row(self, item):
        m, mine = item.message, item.message.sender.uid in ("", USER)  # queued messages have no sender yet
        at = time.strftime("%H:%M", time.localtime(m.sent_at or time.time()))
        states = {"pending": "waits for the network", "failed": f"not sent, tap to try again: {item.error}"}
        state = states.get(item.state, "read" if mine and m.read_at else "")
        text = "(deleted)" if m.deleted_at else getattr(m, "text", f"({m.type})")
        about = f"{'You' if mine else m.sender.name}  {at}  {state}"
        return ft.Container(
            ft.Column([ft.Text(text), ft.Text(about, size=11)], spacing=2, tight=True),
            align=ft.Alignment.CENTER_RIGHT if mine else ft.Alignment.CENTER_LEFT,
            bgcolor=ft.Colors.PRIMARY_CONTAINER if mine else ft.Colors.SURFACE_CONTAINER_HIGHEST,
            border_radius=12,
            padding=10,
            on_click=(lambda: item.entry.retry()) if item.state == "failed" else None,
        )

    async def open(self, kind, other):
        try:
            messages = await self.chat.live_messages(**{"guid" if kind == "group" else "uid": other})
        except CometChatException as e:
            self.page.show_dialog(ft.SnackBar(str(e)))
            return
        if self.messages:
            self.messages.close()
        self.messages, self.place = messages, (kind, other)
        self.follow(messages, self.rows.controls, self.row)
        self.title.value, self.text.disabled = other, False
        self.changed.set()

    async def write_to(self):
        uid, self.to.value = self.to.value.strip(), ""
        if uid:
            await self.open("user", uid)

    async def send(self):
        text, self.text.value = self.text.value.strip(), ""
        if text:
            self.chat.queue_message(TextMessage(receiver=self.place[1], receiver_type=self.place[0], text=text))
        await self.text.focus()

    async def older(self):
        try:
            if self.messages is not None:
                await self.messages.older()
        except CometChatException as e:
            self.page.show_dialog(ft.SnackBar(str(e)))


async def main(page: ft.Page):
    await Chat(page).run()


if __name__ == "__main__":
    ft.run(main)
