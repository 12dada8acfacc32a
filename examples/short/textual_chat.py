"""A chat in the terminal: conversations on the left, the open one on the right."""

import os

from textual.app import App
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from tailwire import AppSettingsBuilder, ChatClient, Group, TextMessage, watch

settings = AppSettingsBuilder().override_client_host(os.environ.get("CHAT_URL", "http://127.0.0.1:8480"))


def plain(text):
    return "".join(c for c in text if c.isprintable())  # strangers must not control the terminal


class Chat(App):
    CSS = "OptionList { width: 30; } #messages { height: auto; }"
    BINDINGS = [("ctrl+z", "suspend_process", "Suspend")]
    messages = to = None

    def compose(self):
        with Horizontal():
            yield OptionList()
            with VerticalScroll():
                yield Static(id="messages", markup=False)
                yield Input(placeholder="Write…")

    async def on_mount(self):
        self.chat = ChatClient(os.environ["APP_ID"], settings.keep_unsent_messages().build())
        await self.chat.init()
        await self.chat.login(os.environ.get("CHAT_USER", "alice"), auth_key=os.environ["AUTH_KEY"])
        self.app_watch = watch(self.chat, self)
        self.conversations = await self.chat.live_conversations()
        self.conversations.subscribe(self.show_conversations)
        self.show_conversations()

    async def on_unmount(self):
        await self.chat.aclose()

    def show_conversations(self, change=None):
        options = self.query_one(OptionList)
        options.clear_options()
        for c in (item.conversation for item in self.conversations.items):
            options.add_option(Content(f"{plain(c.conversation_with.name)} ({c.unread_message_count})"))

    async def on_option_list_option_selected(self, event):
        other = self.conversations.items[event.option_index].conversation.conversation_with
        await self.open({"guid": other.guid} if isinstance(other, Group) else {"uid": other.uid})

    async def open(self, to):
        if self.messages is not None:
            self.messages.close()
        self.messages, self.to = await self.chat.live_messages(**to), to
        self.messages.subscribe(self.show_messages)
        self.show_messages()
        self.query_one(Input).focus()

    def show_messages(self, change=None):
        rows = [f"{i.message.sender.name or 'Me'}: {getattr(i.message, 'text', '')}" for i in self.messages.items]
        typing = [f"{user.name} is typing…" for user in self.messages.typing]
        self.query_one("#messages", Static).update("\n".join(map(plain, rows + typing)))

    def on_input_submitted(self, event):
        for kind, name in (self.to or {}).items():
            self.chat.queue_message(
                TextMessage(receiver=name, receiver_type="user" if kind == "uid" else "group", text=event.value)
            )
        event.input.clear()


if __name__ == "__main__":
    Chat().run()
