"""The lines of a message in the history: a pure function of the message, the message above it and the width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len

from tailwire.sdk.live.message_list import LiveMessage
from tailwire.tui import wording
from tailwire.tui.safe_text import cut_to, padded, safe_line, wrapped
from tailwire.wire.entities import Action, BaseMessage

Line = list[tuple[str, str]]
"""A line: pieces of text, each with the name of its style (`history.STYLE_NAMES`, or two colors of a picture)."""
PictureOf = Callable[[BaseMessage, int], list[Line]]
"""Returns the lines of a message's picture, given the columns it may use; [] if there is no picture to show (yet)."""
TIME_COLUMNS = 5
NARROW_COLUMNS = 64
GROUPED_SECONDS = 300
"""A message shows no name if the message above has the same sender and was sent less than these seconds before."""
MAX_REACTIONS_SHOWN = 12
NAME_COLOR_COUNT = 6


@dataclass(frozen=True, slots=True)
class Neighbour:
    """The facts about a message on which the lines of the next message depend.

    Attributes:
        uid: the uid of its sender; "" for an action such as a member joining, whose line shows no name.
        at: when it was sent, in seconds since 1970.
        day: the local date as shown (see `wording.date_text`).
    """

    uid: str
    at: int
    day: str


def name_columns(width: int) -> int:
    """Return the columns for the senders' names in a history of this width."""
    return 9 if width < NARROW_COLUMNS else 14


def color_of(uid: str) -> str:
    """Return the name of the style of a user's name: `name0`, `name1` …, always the same for a uid."""
    return f"name{sum(uid.encode('utf-8', 'replace')) % NAME_COLOR_COUNT}"


def neighbour_of(item: LiveMessage, me: str, now: int) -> Neighbour:
    """Return the facts about a message on which the lines of the next message depend.

    Args:
        item: the message.
        me: the user's own uid.
        now: the time of a message that is not sent yet, in seconds since 1970.
    """
    message = item.message
    at = message.sent_at or now
    uid = "" if isinstance(message, Action) else message.sender.uid or me
    return Neighbour(uid, at, wording.date_text(at))


def message_lines(
    item: LiveMessage,
    before: Neighbour | None,
    width: int,
    *,
    me: str,
    now: int,
    picture: PictureOf | None = None,
    unread_thread: bool = False,
) -> list[Line]:
    """Return the lines of a message, each of at most `width` columns; the first message of a day begins with the date.

    Args:
        item: the message.
        before: the facts about the message above it (see `neighbour_of`); None if there is no message above.
        width: the columns of the history.
        me: the user's own uid.
        now: the time of a message that is not sent yet, in seconds since 1970.
        picture: returns the lines of a message's picture; None to show no picture.
        unread_thread: whether its thread has unread replies.
    """
    this = neighbour_of(item, me, now)
    lines: list[Line] = []
    if before is None or before.day != this.day:
        lines.append(_separator(this.day, width))
        before = None
    names = name_columns(width)
    indent = TIME_COLUMNS + 1 + names + 2
    room = max(width - indent - 3, 8)
    message = item.message
    if isinstance(message, Action):
        head: Line = [(wording.time_text(this.at), "time"), (" " * (names + 3), "text")]
        body = [[(piece, "action")] for piece in wrapped(wording.body_of(message), room)]
    else:
        grouped = before is not None and before.uid == this.uid and this.at - before.at < GROUPED_SECONDS
        head = _head(message, this, names, me, grouped=grouped)
        body = _body(item, room, me, picture, unread_thread=unread_thread)
    empty: Line = [(" " * indent, "text")]
    lines += [(head if n == 0 else empty) + line for n, line in enumerate(body or [[("", "text")]])]
    mark = _mark(item, me)
    if mark:
        last = lines[-1]
        used = sum(cell_len(text) for text, _ in last)
        lines[-1] = [*last, (" " * max(width - used - cell_len(mark[0]) - 1, 1), "text"), mark]
    return lines


def _separator(text: str, width: int) -> Line:
    text = cut_to(f" {text} ", width)
    left = max((width - cell_len(text)) // 2, 0)
    return [("─" * left + text + "─" * max(width - left - cell_len(text), 0), "separator")]


def _head(message: BaseMessage, this: Neighbour, names: int, me: str, *, grouped: bool) -> Line:
    if grouped:
        return [(" " * (TIME_COLUMNS + 1 + names + 2), "text")]
    name = cut_to("You" if this.uid == me else wording.name_of(message.sender), names)
    style = "you" if this.uid == me else color_of(this.uid)
    return [(f"{wording.time_text(this.at)} ", "time"), (" " * (names - cell_len(name)) + name, style), ("  ", "text")]


def _body(item: LiveMessage, room: int, me: str, picture: PictureOf | None, *, unread_thread: bool) -> list[Line]:
    message = item.message
    style = {"pending": "pending", "failed": "failed"}.get(str(item.state), "text")
    lines: list[Line] = []
    quoted = message.quoted_message if message.quoted_message_id and not message.deleted_at else None
    if quoted is not None:
        text = f"{wording.name_of(quoted.sender)}: {wording.preview_of(quoted)}"
        lines.append([("┃ ", "quote_bar"), (cut_to(text, room - 2), "quote")])
    text = wording.body_of(message)
    if text:
        text_style = "deleted" if message.deleted_at else style
        lines += [[(piece, text_style)] for piece in wrapped(text, room)]
    lines += [[(cut_to(f"▤ {file}", room), "file")] for file in wording.files_of(message)]
    lines += picture(message, room) if picture is not None else []
    if not lines:
        lines.append([("", style)])
    if message.edited_at and not message.deleted_at:
        lines[-1] = [*lines[-1], (" (edited)" if cell_len(lines[-1][0][0]) + 9 <= room else "*", "time")]
    if message.deleted_at:
        return lines
    if message.reactions:
        lines += _reactions(message, room)
    if message.reply_count:
        plural = "reply" if message.reply_count == 1 else "replies"
        new: Line = [(" (new)", "unread")] if unread_thread else []
        lines.append([(f"↳ {message.reply_count} {plural}", "thread"), *new])
    if str(item.state) == "failed":
        why = wording.error_text(item.error) if item.error else "the server refused it."
        lines += [[(piece, "failed")] for piece in wrapped(f"✗ not sent: {why} Press r to retry.", room)]
    return lines


def _reactions(message: BaseMessage, room: int) -> list[Line]:
    line: Line = []
    used = 0
    for reaction in message.reactions[:MAX_REACTIONS_SHOWN]:
        text = f"{cut_to(safe_line(reaction.reaction), 8)} {reaction.count}"
        if used + cell_len(text) + 2 > room:
            break
        used += cell_len(text) + 2
        line += [(text, "my_reaction" if reaction.reacted_by_me else "reaction"), ("  ", "text")]
    return [line] if line else []


def _mark(item: LiveMessage, me: str) -> tuple[str, str] | None:
    # The state of the user's own message, at the right edge.
    message = item.message
    if isinstance(message, Action) or (message.sender.uid or me) != me or message.deleted_at:
        return None
    if str(item.state) != "sent":
        return ("…", "pending") if str(item.state) == "pending" else None
    if message.read_at:
        return "✓✓", "read"
    return ("✓", "time") if not message.delivered_at else ("✓✓", "time")


def conversation_title(name: str, unread: int, width: int) -> tuple[str, str]:
    """Return the two parts of a line of `width` columns: the name, cut or padded, and the unread count; "" for 0."""
    count = "" if not unread else f" {unread if unread < 1000 else '999+'}"
    return padded(name, width - len(count)), count
