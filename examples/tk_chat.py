"""A chat window with Tk: the conversations on the left, the messages of the open one on the right.

Run it against `make serve`, with APP_ID and AUTH_KEY in the environment: `python tk_chat.py`. CHAT_USER is the user
who logs in (alice), CHAT_URL the server. It needs no package besides Python's own Tk.
"""

import os
import tkinter
from time import localtime, strftime
from tkinter import ttk
from typing import Any

from tailwire import AppSettingsBuilder, CometChatException, ConnectionChanged, Group, TextMessage, User, watch
from tailwire.sync import Client, LiveMessages, post_tk

URL = os.environ.get("CHAT_URL", "http://127.0.0.1:8480")
USER = os.environ.get("CHAT_USER", "alice")
SETTINGS = AppSettingsBuilder().override_client_host(URL).subscribe_presence_for_all_users().keep_unsent_messages()
STATUS = {"connected": "Connected", "connecting": "Connecting …", "disconnected": "Offline: what you write is kept"}
COLOURS = {"mine": "#1a5fb4", "pending": "#777777", "failed": "#c01c28"}
NOTES = {"pending": "   (not sent yet)", "failed": "   (failed: double-click to send it again)"}


class Window:
    """The chat window. Everything runs in Tk's thread: the client calls back there, and `start()` does not block."""

    def __init__(self, root: tkinter.Tk) -> None:
        self.root = root
        self.receiver: tuple[str, str] = ("", "")  # the open conversation: its type, and the uid or guid
        self.messages: LiveMessages | None = None
        self.conversation_rows: list[Any] = []
        self.message_rows: list[Any] = []
        self.make_widgets()
        self.chat = Client(os.environ["APP_ID"], SETTINGS.build(), post=post_tk(root), on_event=self.show_event)
        watch(self.chat, root)
        self.log_in()

    def make_widgets(self) -> None:
        self.root.geometry("760x460")
        self.root.columnconfigure(1, weight=1)
        self.root.rowconfigure(0, weight=1)
        self.root.option_add("*highlightThickness", 0)
        self.root.option_add("*font", "TkDefaultFont")
        self.conversations = tkinter.Listbox(self.root, width=24, activestyle="none", exportselection=False, border=0)
        self.conversations.grid(row=0, column=0, sticky="ns", padx=8, pady=8)
        self.conversations.bind("<<ListboxSelect>>", self.choose)
        self.uid = ttk.Entry(self.root)
        self.uid.grid(row=2, column=0, sticky="ew", padx=8)
        self.uid.bind("<Return>", lambda _: self.open(("user", self.uid.get().strip())))
        ttk.Label(self.root, text="Write to (uid):").grid(row=1, column=0, sticky="w", padx=8)
        self.text = tkinter.Text(self.root, wrap="word", state="disabled", padx=10, pady=8, spacing3=6, border=0)
        self.text.grid(row=0, column=1, rowspan=2, sticky="nsew", padx=(0, 8), pady=8)
        for tag, colour in COLOURS.items():
            self.text.tag_configure(tag, foreground=colour)
        self.text.bind("<Double-Button-1>", self.send_again)
        self.entry = ttk.Entry(self.root)
        self.entry.grid(row=2, column=1, sticky="ew", padx=(0, 8))
        self.entry.bind("<Return>", self.send)
        self.status = ttk.Label(self.root, padding=(8, 4))
        self.status.grid(row=3, column=0, columnspan=2, sticky="ew")

    def log_in(self) -> None:
        self.chat.start("login", USER, auth_key=os.environ["AUTH_KEY"], done=self.logged_in, failed=self.again)

    def logged_in(self, user: User) -> None:
        self.root.title(f"{user.name} – Chat")
        self.chat.start("live_conversations", done=lambda live: live.subscribe(self.list_changed), failed=self.again)

    def again(self, error: BaseException) -> None:
        self.complain(error)
        self.root.after(5000, self.log_in)

    def complain(self, error: BaseException) -> None:
        self.status.configure(text=str(error), foreground="#c01c28")

    def show_event(self, event: object) -> None:
        if isinstance(event, ConnectionChanged):
            self.status.configure(text=STATUS.get(event.status, event.status), foreground="")
            if event.status == "connected" and self.messages is None and self.receiver[1]:
                self.open(self.receiver)

    def choose(self, _: object) -> None:
        for row in self.conversations.curselection():
            kind, _, name = self.conversation_rows[row].key.partition("/")
            self.open((kind, name))

    def open(self, receiver: tuple[str, str]) -> None:
        """Open a conversation; a pending request for the previous one is ignored."""
        if self.messages is not None:
            self.messages.close()
        self.receiver, self.messages = receiver, None
        name = {"uid" if receiver[0] == "user" else "guid": receiver[1]}
        self.chat.start("live_messages", **name, done=lambda live: self.opened(live, receiver), failed=self.complain)

    def opened(self, live: LiveMessages, receiver: tuple[str, str]) -> None:
        if receiver != self.receiver or self.messages is not None:
            live.close()  # another conversation was chosen meanwhile
        else:
            self.messages = live
            live.subscribe(lambda change: self.message_changed(change) if self.messages is live else None)
            self.entry.focus_set()

    def list_changed(self, change: Any) -> None:
        change.apply(self.conversation_rows)
        self.conversations.delete(0, "end")
        for n, item in enumerate(self.conversation_rows):
            c, other = item.conversation, item.conversation.conversation_with
            unread = f"  ({c.unread_message_count})" if c.unread_message_count else ""
            dot = "#" if isinstance(other, Group) else "●" if other.status == "online" else "○"
            self.conversations.insert("end", f" {dot} {other.name}{unread}{'  …' if item.typing else ''}")
            if item.key == "/".join(self.receiver):
                self.conversations.selection_set(n)

    def message_changed(self, change: Any) -> None:
        change.apply(self.message_rows)
        self.text.configure(state="normal")
        self.text.delete("1.0", "end")
        for item in self.message_rows:
            m, mine = item.message, item.message.sender.uid in ("", USER)
            text = "(deleted)" if m.deleted_at else m.text if isinstance(m, TextMessage) else f"[{m.type}]"
            at = strftime("%H:%M", localtime(m.sent_at or None))
            note = NOTES.get(item.state, "   ✓✓" if mine and m.read_at else "   ✓" if mine else "")
            line = f"{at}  {'You' if mine else m.sender.name}: {' '.join(text.split())}{note}\n"
            self.text.insert("end", line, item.state if item.state in NOTES else "mine" if mine else "")
        self.text.configure(state="disabled")
        self.text.see("end")
        last = self.message_rows[-1].message if self.message_rows else None
        if last and last.sender.uid not in ("", USER) and not last.read_at:
            self.chat.start("mark_as_read", last)

    def send(self, _: object) -> None:
        kind, name = self.receiver
        if self.entry.get().strip() and name:
            try:  # sent now, or as soon as there is a network
                self.chat.queue_message(TextMessage(receiver=name, receiver_type=kind, text=self.entry.get()))
                self.entry.delete(0, "end")
            except CometChatException as e:
                self.complain(e)

    def send_again(self, event: Any) -> None:
        row = int(self.text.index(f"@{event.x},{event.y}").partition(".")[0]) - 1
        if row < len(self.message_rows) and self.message_rows[row].state == "failed":
            self.message_rows[row].entry.retry()


if __name__ == "__main__":
    window = Window(tkinter.Tk(className="Chat"))
    window.root.mainloop()
    window.chat.close()
