"""Check what messages contain besides their text: tags, mentions and files, as they arrived and as they are stored.

A file must exist as long as its message, and be removed with it (docs/server.md, `deleted_files_after`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tailwire.testing.simulation.contents import Content, mentioned_in, stored_name
from tailwire.testing.simulation.records import ReceivedMessage, Send
from tailwire.testing.simulation.steps import USERS


def wrong_as_received(received: ReceivedMessage, send: Send) -> str:
    """Return a description of tags, mentions or files of a received message that are not as sent; "" if all are."""
    return _wrong(received.content, send, received.text)


def _wrong(content: Content, send: Send, text: str) -> str:
    files = tuple((name, f"{send.muid}.txt", len(data)) for name, data in send.files.items())
    if content.tags not in send.tags:
        return f"the tags {content.tags}, they were {send.tags}"
    if content.mentioned != mentioned_in(text) & set(USERS):
        return f"mentions of {set(content.mentioned)} in {text!r}"
    if content.files != files:
        return f"the files {content.files}, they were {files}"
    return ""


def wrong_as_stored(reader: Any, sends: dict[str, Send]) -> str:
    """Return a description of a stored message whose tags, mentions or files are not as sent; "" if there is none.

    Args:
        reader: reads the server's database.
        sends: everything that was sent, by muid.
    """
    mentions: dict[int, set[str]] = {}
    for number, uid in reader.execute("SELECT message_id, uid FROM mentions").fetchall():
        mentions.setdefault(number, set()).add(uid)
    sql = "SELECT id, muid, body FROM messages WHERE category = 'message' AND deleted_at IS NULL"
    for number, muid, body in reader.execute(sql).fetchall():
        fields = json.loads(body)
        data, send = fields["data"], sends[muid]
        text = str(data.get("text", ""))
        files = tuple((stored_name(a["url"]), a["name"], int(a["size"])) for a in data.get("attachments", ()))
        content = Content(tuple(fields.get("tags") or ()), frozenset(data.get("mentions") or ()), files)
        wrong = _wrong(content, send, text)
        if wrong:
            return f"{number} is stored with {wrong}"
        if mentions.get(number, set()) != mentioned_in(text) & set(USERS):
            return f"{number} mentions {mentions.get(number, set())} by the table, and its text is {text!r}"
    return ""


def wrong_files(reader: Any, folder: Path, sends: dict[str, Send]) -> str:
    """Return a description of a file that is missing, changed, or left over from a deleted message; "" if none is.

    Args:
        reader: reads the server's database.
        folder: the folder in which the server stores files.
        sends: everything that was sent, by muid; the files of acknowledged sends are checked.
    """
    sql = "SELECT muid FROM messages WHERE category = 'message' AND deleted_at IS NULL"
    there = {row[0] for row in reader.execute(sql).fetchall()}
    recorded = {row[0] for row in reader.execute("SELECT name FROM files WHERE used < 2").fetchall()}
    for send in sends.values():
        for name, content in send.files.items() if send.id else ():
            file = folder / name
            if send.muid in there:
                if name not in recorded or not file.exists():
                    return f"{name} of {send.muid} is gone, and its message is not"
                if file.read_bytes() != content:
                    return f"{name} of {send.muid} has another content than was sent"
            elif name in recorded or file.exists():
                return f"{name} of {send.muid} is still there, and its message is deleted"
    return ""
