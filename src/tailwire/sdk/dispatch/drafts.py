"""Drafts: messages that grow while the app looks on, and end as a message, or not at all.

A draft is a series of transient messages with the whole text so far, so that one that is lost costs nothing:
`{"draft": id, "seq": rising, "text": …, "to": the message that it answers, "from": characters left out before it}`.
One without text ends it. What is not of this shape is a transient message like any other.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import replace

from tailwire.sdk.listeners import events as e
from tailwire.wire.entities import BaseMessage, TransientMessage

LASTS = 15.0
"""Seconds after which a draft of which nothing is heard has ended."""
MOST = 1000
"""Drafts at once that are known; then the one ends of which nothing was heard for longest."""
MAX_OF_ONE = 50
"""Drafts at once of one sender; more of theirs are not told."""
MAX_TEXT = 8192
"""Characters of a draft's text; of a longer one only its end is sent."""
MAX_ID = 200
_LARGEST = 2**53

_Key = tuple[str, str, str, str]


class Drafts:
    """The drafts that grow now.

    Args:
        tell: given each event that the app hears.
    """

    def __init__(self, tell: Callable[[object], None]) -> None:
        self._tell = tell
        # The one that was heard of last is the last.
        self._growing: OrderedDict[_Key, tuple[e.DraftChanged, int, asyncio.TimerHandle]] = OrderedDict()
        self._senders: Counter[str] = Counter()

    def heard(self, message: TransientMessage) -> bool:
        """Take a transient message; answers whether it is one of a draft."""
        read = _read(message)
        if read is None:
            return False
        draft, seq = read
        key = (draft.sender.uid, draft.receiver_type, draft.receiver_id, draft.id)
        known = self._growing.get(key)
        if known is not None and seq <= known[1]:
            return True  # overtaken
        if not draft.text:
            self._end(key)
            return True
        if known is not None:
            known[2].cancel()
        else:
            if self._senders[draft.sender.uid] >= MAX_OF_ONE:
                return True
            if len(self._growing) >= MOST:
                self._end(next(iter(self._growing)))
            self._senders[draft.sender.uid] += 1
        timer = asyncio.get_running_loop().call_later(LASTS, self._end, key)
        self._growing[key] = (draft, seq, timer)
        self._growing.move_to_end(key)
        self._tell(draft)
        return True

    def message_came(self, message: BaseMessage) -> None:
        """A message is about to be handed over: it may be what a draft has become."""
        name = message.metadata.get("draft") if self._growing and isinstance(message.metadata, dict) else None
        if isinstance(name, str):
            self._end((message.sender.uid, message.receiver_type, message.receiver, name))

    def went_offline(self, uid: str) -> None:
        """A user went offline: their drafts will not go on."""
        for key in [key for key in self._growing if key[0] == uid]:
            self._end(key)

    def _end(self, key: _Key) -> None:
        known = self._growing.pop(key, None)
        if known is not None:
            known[2].cancel()
            self._senders[key[0]] -= 1
            if not self._senders[key[0]]:
                del self._senders[key[0]]
            self._tell(replace(known[0], ended=True))

    def forget(self) -> None:
        """Another session begins, or none: nothing more is told of these."""
        for _, _, timer in self._growing.values():
            timer.cancel()
        self._growing.clear()
        self._senders.clear()


def _read(message: TransientMessage) -> tuple[e.DraftChanged, int] | None:
    data = message.data
    name, seq, text = data.get("draft"), data.get("seq"), data.get("text")
    to, start = data.get("to", 0), data.get("from", 0)
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID or not message.sender.uid:
        return None
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        return None
    if not all(type(number) is int and 0 <= number < _LARGEST for number in (seq, to, start)):
        return None
    draft = e.DraftChanged(name, message.sender, message.receiver_id, message.receiver_type, text, start, to)
    return draft, int(seq or 0)
