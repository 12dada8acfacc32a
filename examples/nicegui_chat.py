"""A chat as a web app with NiceGUI: one client for each user who is logged in, shared by their tabs.

Install NiceGUI (`pip install nicegui`) and run it against `make serve`, with APP_ID and AUTH_KEY in the environment:
`CHAT_USER=alice python examples/nicegui_chat.py`, then open http://127.0.0.1:8600. CHAT_USER is the default in
the form; in another browser, log in as bob. There is no password here: replace this with a login of your own.
"""

import asyncio
import os
import time
from pathlib import Path

from nicegui import app, background_tasks, ui

from tailwire import AppSettingsBuilder, ChatClient, CometChatException, FileSessionStore, Group, TextMessage

URL = os.environ.get("CHAT_URL", "http://127.0.0.1:8480")
SETTINGS = AppSettingsBuilder().override_client_host(URL).keep_unsent_messages().build()
FOLDER = Path.home() / ".nicegui-chat"  # for sessions and unsent messages
people = {}  # by uid


class Person:
    """The client of a user. Without a visible tab it has no socket, but still sends queued messages."""

    def __init__(self, uid):
        people[uid] = self
        self.uid, self.tabs = uid, {}  # by tab id: whether the tab is hidden
        store = FileSessionStore(FOLDER / uid.encode().hex())  # never use user input as a folder name
        self.chat = ChatClient(os.environ["APP_ID"], SETTINGS, session_store=store)
        self.ready = asyncio.create_task(self.begin())

    async def begin(self):
        try:
            await self.chat.init()
            await self.chat.login(self.uid, auth_key=os.environ["AUTH_KEY"])
        except BaseException:
            people.pop(self.uid, None)  # so that the next tab can retry
            await self.chat.aclose()
            raise

    def record_tab(self, tab, state):
        """Record that a tab is `visible`, `hidden` or `gone` (closed, not only reloaded)."""
        self.tabs[tab] = state != "visible"
        if state == "gone":
            del self.tabs[tab]
        self.chat.set_app_state("background" if all(self.tabs.values()) else "foreground", reason="tabs")


class ChatPage:
    """The contents of a tab: the conversations of its user, and the messages of one of them."""

    def __init__(self, person, conversations):
        self.uid, self.chat, self.conversations = person.uid, person.chat, conversations
        self.messages = self.place = self.shown = None  # the live list, its conversation, and what is drawn
        with ui.left_drawer().props("breakpoint=600").classes("bg-blue-grey-1"):
            self.show_conversations()
            self.to = ui.input("Write to (user id)").props("outlined dense").classes("w-full")
            self.to.on("keydown.enter", lambda: self.open("user", self.to.value.strip()))
        self.show_messages()
        with ui.footer().classes("bg-white"):
            self.text = ui.input("Message").props("outlined dense").classes("w-full").on("keydown.enter", self.send)
            self.text.bind_enabled_from(self, "place", backward=bool)
        ui.timer(0.1, self.draw)

    def close(self):
        for live in filter(None, (self.conversations, self.messages)):
            live.close()

    def draw(self):
        now = (self.chat.get_connection_status(), self.conversations.items, self.messages and self.messages.items)
        if now != self.shown:
            self.shown = now
            self.show_conversations.refresh()
            self.show_messages.refresh()

    @ui.refreshable_method
    def show_conversations(self):
        ui.label(f"{self.uid}: {self.chat.get_connection_status()}").classes("text-lg")
        for item in self.conversations.items:
            c, other = item.conversation, item.conversation.conversation_with
            place = ("group", other.guid) if isinstance(other, Group) else ("user", other.uid)
            name = other.name + (" is typing…" if item.typing else "")
            with ui.item(name, on_click=lambda place=place: self.open(*place)).classes("w-full"):
                if c.unread_message_count and place == self.place:
                    background_tasks.create(self.chat.mark_conversation_as_read(c))
                elif c.unread_message_count:
                    ui.badge(str(c.unread_message_count)).classes("self-center")

    @ui.refreshable_method
    def show_messages(self):
        for item in self.messages.items if self.messages else ():
            m, mine = item.message, item.message.sender.uid in ("", self.uid)  # queued messages have no sender yet
            at = time.strftime("%H:%M", time.localtime(m.sent_at or time.time()))
            states = {"pending": "waits for the network", "failed": f"not sent: {item.error}"}
            state = states.get(item.state, "read" if mine and m.read_at else "")
            text = "(deleted)" if m.deleted_at else getattr(m, "text", f"({m.type})")
            who, color = ("You", "blue-2") if mine else (m.sender.name, "grey-3")
            row = ui.chat_message(text, name=who, stamp=f"{at} {state}", sent=mine).classes("w-full")
            row.props(f"bg-color={color}")
            if item.state == "failed":
                ui.button("Send again", on_click=item.entry.retry).props("flat").classes("self-end")
        ui.run_javascript("scrollTo(0, document.body.scrollHeight)")

    async def open(self, kind, other):
        try:
            messages = await self.chat.live_messages(**{"guid" if kind == "group" else "uid": other}, page_size=100)
        except CometChatException as e:
            ui.notify(str(e), type="negative")
            return
        if self.messages:
            self.messages.close()
        self.messages, self.place, self.to.value = messages, (kind, other), ""

    def send(self):
        text = self.text.value.strip()
        if text:
            self.chat.queue_message(TextMessage(receiver=self.place[1], receiver_type=self.place[0], text=text))
            self.text.value = ""


@ui.page("/", response_timeout=20)
async def index():
    if (uid := app.storage.user.get("uid")) is None:
        name = ui.input("User id", value=os.environ.get("CHAT_USER", "alice"))
        ui.button("Log in", on_click=lambda: (app.storage.user.update(uid=name.value.strip()), ui.navigate.reload()))
        return
    person, tab = people.get(uid) or Person(uid), ui.context.client
    try:
        await person.ready
        conversations = await person.chat.live_conversations()
    except CometChatException as e:
        ui.label(f"{uid} cannot log in: {e}")
        app.storage.user.clear()  # reloading the page shows the form
        return
    page = ChatPage(person, conversations)
    ui.add_head_html("<script>document.onvisibilitychange = () => emitEvent('tab', document.visibilityState)</script>")
    ui.on("tab", lambda e: person.record_tab(tab.id, e.args))
    tab.on_delete(lambda: (person.record_tab(tab.id, "gone"), page.close()))
    person.record_tab(tab.id, "visible")


@app.on_shutdown
async def close_all():
    await asyncio.gather(*(person.chat.aclose() for person in people.values()))


if __name__ == "__main__":
    ui.run(port=int(os.environ.get("PORT", 8600)), storage_secret=os.environ["AUTH_KEY"], show=False, reload=False)
