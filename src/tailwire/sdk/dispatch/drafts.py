"""Drafts: messages that grow while they are written, and end as a message, or without one.

A draft is a series of transient messages, each with the whole text so far (or the end of a long one), so that the loss
of one does not matter. Their `data` is `{"draft": id, "seq": number that rises, "text": …, "to": id of the message to
which it replies, "from": number of characters left out before the text}`. An empty `text` ends the draft. A transient
message with other data does not belong to a draft.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace

from tailwire.sdk.listeners import events as e
from tailwire.wire.entities import BaseMessage, TransientMessage

TIMEOUT_SECONDS = 15.0
"""A draft without an update for this long has ended."""
MAX_DRAFTS = 1000
"""The maximum number of drafts. At the limit, a new one ends the one that was not updated for the longest time."""
MAX_DRAFTS_PER_SENDER = 50
"""The maximum number of drafts of one sender; further ones are ignored."""
MAX_TEXT_CHARACTERS = 8192
"""The maximum number of characters in the text of a draft; of a longer text, only the end is sent."""
MAX_ID_LENGTH = 200
_MAX_NUMBER = 2**53

_Key = tuple[str, str, str, str]


class Drafts:
    """The drafts that other users are writing.

    Args:
        report: called with a `DraftChanged` whenever a draft has grown or ended.
    """

    def __init__(self, report: Callable[[object], None]) -> None:
        self._report = report
        # Ordered by their last update, newest last.
        self._growing: OrderedDict[_Key, tuple[e.DraftChanged, int, asyncio.TimerHandle]] = OrderedDict()
        self._senders: Counter[str] = Counter()

    def handle(self, message: TransientMessage) -> bool:
        """Process a transient message, if it belongs to a draft.

        Returns:
            Whether it belongs to a draft, even if it is ignored because it is out of order or exceeds a limit. If
            False, it is an ordinary transient message for the app.
        """
        read = _draft_in(message)
        if read is None:
            return False
        draft, seq = read
        key = (draft.sender.uid, draft.receiver_type, draft.receiver_id, draft.id)
        known = self._growing.get(key)
        if known is not None and seq <= known[1]:
            return True  # out of order
        if not draft.text:
            self._end(key)
            return True
        if known is not None:
            known[2].cancel()
        else:
            if self._senders[draft.sender.uid] >= MAX_DRAFTS_PER_SENDER:
                return True
            if len(self._growing) >= MAX_DRAFTS:
                self._end(next(iter(self._growing)))
            self._senders[draft.sender.uid] += 1
        timer = asyncio.get_running_loop().call_later(TIMEOUT_SECONDS, self._end, key)
        self._growing[key] = (draft, seq, timer)
        self._growing.move_to_end(key)
        self._report(draft)
        return True

    def end_with_message(self, message: BaseMessage) -> None:
        """End the draft whose id the metadata of a message names, if there is one, because it has become this message.

        Call it before handing the message over.
        """
        name = message.metadata.get("draft") if self._growing and isinstance(message.metadata, dict) else None
        if isinstance(name, str):
            self._end((message.sender.uid, message.receiver_type, message.receiver, name))

    def end_all_of(self, uid: str) -> None:
        """End the drafts of a user who went offline."""
        for key in [key for key in self._growing if key[0] == uid]:
            self._end(key)

    def _end(self, key: _Key) -> None:
        known = self._growing.pop(key, None)
        if known is not None:
            known[2].cancel()
            self._senders[key[0]] -= 1
            if not self._senders[key[0]]:
                del self._senders[key[0]]
            self._report(replace(known[0], ended=True))

    def clear(self) -> None:
        """Drop all drafts without telling the app, because the session has ended."""
        for _, _, timer in self._growing.values():
            timer.cancel()
        self._growing.clear()
        self._senders.clear()


def _draft_in(message: TransientMessage) -> tuple[e.DraftChanged, int] | None:
    data = message.data
    name, seq, text = data.get("draft"), data.get("seq"), data.get("text")
    to, start = data.get("to", 0), data.get("from", 0)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID_LENGTH or not message.sender.uid:
        return None
    if not isinstance(text, str) or len(text) > MAX_TEXT_CHARACTERS:
        return None
    if not all(type(number) is int and 0 <= number < _MAX_NUMBER for number in (seq, to, start)):
        return None
    draft = e.DraftChanged(name, message.sender, message.receiver_id, message.receiver_type, text, start, to)
    return draft, int(seq or 0)
