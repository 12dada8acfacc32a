"""Runs `examples/tk_chat.py`; reads the user's actions from standard input and prints what is shown."""

from __future__ import annotations

import json
import sys
import tkinter

import tk_chat

window = tk_chat.Window(tkinter.Tk(className="Chat"))
root = window.root


def visible_state() -> dict[str, object]:
    """Return what the user sees."""
    return {
        "title": root.title(),
        "conversations": [line.strip() for line in window.conversations.get(0, "end")],
        "messages": window.text.get("1.0", "end").strip().splitlines(),
        "status": window.status["text"],
    }


def do(what: str, text: str) -> object:
    if what == "open":
        names = [line.split()[1] for line in window.conversations.get(0, "end")]
        window.conversations.selection_clear(0, "end")
        window.conversations.selection_set(names.index(text))
        window.conversations.event_generate("<<ListboxSelect>>")
    elif what == "find":
        window.uid.insert(0, text)
        window.uid.focus_force()
        window.uid.event_generate("<Return>")
    elif what == "type":
        window.entry.insert(0, text)
        window.entry.focus_force()
        window.entry.event_generate("<Return>")
    elif what == "retry":
        root.update_idletasks()
        x, y, width, height = window.text.bbox(f"{int(text) + 1}.0")
        for event in ("<ButtonPress-1>", "<ButtonRelease-1>") * 2:
            window.text.event_generate(event, x=x + width // 2, y=y + height // 2)
    elif what == "minimise":
        root.iconify()
    elif what == "restore":
        root.deiconify()
    return visible_state()


def readable(*_: object) -> None:
    line = sys.stdin.readline()
    if not line:
        root.tk.deletefilehandler(sys.stdin)
        root.destroy()
        return
    number, what, text = json.loads(line)
    print(json.dumps([number, do(what, text)]), flush=True)


root.tk.createfilehandler(sys.stdin, tkinter.READABLE, readable)
root.mainloop()
window.chat.close()
