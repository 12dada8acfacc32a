"""A chat in the terminal with Textual: the conversations on the left, the open one on the right.

Install Textual (`pip install textual`) and run it against `make serve`, with APP_ID and AUTH_KEY in the environment:
`CHAT_USER=alice python examples/textual_chat.py`, and in another terminal the same with `CHAT_USER=bob`.
"""

import asyncio
import os
import time
import unicodedata
from pathlib import Path

from textual import work
from textual.app import App, ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Footer, Header, Input, OptionList, Static

from tailwire import AppSettingsBuilder, ChatClient, CometChatException, FileSessionStore, Group, TextMessage, watch

USER = os.environ.get("CHAT_USER", "alice")
URL = os.environ.get("CHAT_URL", "http://127.0.0.1:8480")
SETTINGS = AppSettingsBuilder().override_client_host(URL).keep_unsent_messages().build()
FOLDER = Path.home() / ".textual-chat" / USER  # for the session and unsent messages


def plain(text):
    return "".join(c for c in text if c == "\n" or unicodedata.category(c) != "Cc")  # no control characters


def place_of(conversation):
    other = conversation.conversation_with
    return ("group", other.guid) if isinstance(other, Group) else ("user", other.uid)


class ChatApp(App):
    CSS = """
    #side { width: 28; }
    OptionList, #scroll { height: 1fr; border: round $primary; border-title-color: $primary; }
    Input, Input:focus { border: round $primary; }
    """
    TITLE, AUTO_FOCUS = f"Chat of {USER}", "#to"
    BINDINGS = [("ctrl+o", "older", "Older"), ("ctrl+r", "retry", "Retry"), ("ctrl+z", "suspend_process", "Suspend")]

    def compose(self) -> ComposeResult:
        yield Header(icon="")
        with Horizontal():
            yield Vertical(OptionList(), Input(placeholder="Write to (user id)", id="to"), id="side")
            with Vertical():
                yield VerticalScroll(Static(id="messages"), id="scroll", can_focus=False)
                yield Input(placeholder="Message", id="text", disabled=True)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#scroll").anchor()  # keep scrolled to the end
        self.chat = ChatClient(os.environ["APP_ID"], SETTINGS, session_store=FileSessionStore(FOLDER))
        self.conversations = self.messages = self.place = None  # two live lists, and the conversation of the second one
        self.changed = asyncio.Event()
        self.begin()

    async def action_quit(self) -> None:
        await self.chat.aclose()
        self.exit()

    @work
    async def begin(self) -> None:
        try:
            await self.chat.init()
            await self.chat.login(USER, auth_key=os.environ["AUTH_KEY"])
            self.conversations = await self.chat.live_conversations()
        except CometChatException as e:
            self.exit(return_code=1, message=f"{USER} cannot log in: {e}")
            return
        watch(self.chat, self)
        self.conversations.subscribe(lambda _: self.changed.set())
        self.chat.connection.subscribe(lambda _: self.changed.set())
        while not self.conversations.closed:
            self.draw()
            await asyncio.sleep(0.05)  # redraw at most twenty times a second
            await self.changed.wait()
            self.changed.clear()

    @work(exclusive=True, group="open")
    async def open(self, kind: str, other: str) -> None:
        try:
            messages = await self.chat.live_messages(**{"guid" if kind == "group" else "uid": other})
        except CometChatException as e:
            self.notify(str(e), severity="error")
            return
        if self.messages:
            self.messages.close()
        self.messages, self.place = messages, (kind, other)
        self.messages.subscribe(lambda _: self.changed.set())
        self.changed.set()
        self.query_one("#scroll").border_title = plain(other)
        self.query("#text").set(disabled=False).focus()

    def draw(self) -> None:
        self.sub_title = str(self.chat.get_connection_status())
        options = self.query_one(OptionList)
        marked = options.highlighted
        options.clear_options()
        for c in (item.conversation for item in self.conversations.items):
            unread = f"  {c.unread_message_count} new" if c.unread_message_count else ""
            options.add_option(Content.assemble(plain(c.conversation_with.name), (unread, "bold $accent")))
            if unread and place_of(c) == self.place:
                self.run_worker(self.chat.mark_conversation_as_read(c), exit_on_error=False)
        options.highlighted = marked
        if self.messages is not None:
            self.query_one("#messages").update(Content("\n").join(self.row(item) for item in self.messages.items))
            typing = " ".join(f"{plain(user.name)} is typing…" for user in self.messages.typing)
            self.query_one("#text").placeholder = typing or "Message"

    def row(self, item) -> Content:
        m, mine = item.message, item.message.sender.uid in ("", USER)  # queued messages have no sender yet
        who = ("You", "bold $primary") if mine else (plain(m.sender.name), "bold $accent")
        at = time.strftime("  %H:%M  ", time.localtime(m.sent_at or time.time()))
        text = "(deleted)" if m.deleted_at else plain(getattr(m, "text", f"({m.type})"))
        states = {"pending": "waits for the network", "failed": f"not sent: {item.error}"}
        state = states.get(item.state, "read" if mine and m.read_at else "")
        return Content.assemble(who, (at, "dim"), text, (f"  {state}", "italic $warning" if item.entry else "dim"))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.open(*place_of(self.conversations.items[event.option_index].conversation))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if text and event.input.id == "to":
            self.open("user", text)
        elif text:
            self.chat.queue_message(TextMessage(receiver=self.place[1], receiver_type=self.place[0], text=text))
        event.input.clear()

    @work(exclusive=True, group="older")
    async def action_older(self) -> None:
        try:
            if self.messages:
                await self.messages.older()
        except CometChatException as e:
            self.notify(str(e), severity="error")

    def action_retry(self) -> None:
        for item in self.messages.items if self.messages else ():
            if item.state == "failed":
                item.entry.retry()


if __name__ == "__main__":
    ChatApp().run()
