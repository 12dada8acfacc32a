"""A chat window with one other user: `python tk_chat.py bob`."""

import os
import sys
import tkinter

from tailwire import AppSettingsBuilder, TextMessage, watch
from tailwire.sync import Client, post_tk

URL, OTHER = os.environ.get("CHAT_URL", "http://127.0.0.1:8480"), sys.argv[1]
settings = AppSettingsBuilder().override_client_host(URL).keep_unsent_messages().build()
root = tkinter.Tk()
lines, entry, rows = tkinter.Listbox(root, width=60), tkinter.Entry(root), []
lines.pack()
entry.pack(fill="x")


def opened(live):
    live.subscribe(draw)
    entry.bind("<Return>", send)
    entry.focus()


def draw(change):
    change.apply(rows)
    lines.delete(0, "end")
    for row in rows:
        lines.insert("end", f"{row.message.sender.name or 'Me'}: {getattr(row.message, 'text', '')} ({row.state})")


def send(_):
    chat.queue_message(TextMessage(receiver=OTHER, text=entry.get()))  # sent now, or as soon as there is a network
    entry.delete(0, "end")


with Client(os.environ["APP_ID"], settings, post=post_tk(root)) as chat:
    chat.login(os.environ.get("CHAT_USER", "alice"), auth_key=os.environ["AUTH_KEY"])
    watch(chat, root)
    chat.start("live_messages", uid=OTHER, done=opened)
    root.mainloop()
