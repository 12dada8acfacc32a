"""The state that users asked for: of the calls that set something and undo it, the last confirmed one decides."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from tailwire.sdk.exceptions import CometChatException
from tailwire.testing.virtual.world import virtual_loop

_HAS_REACTION_SQL = "SELECT 1 FROM reactions WHERE message_id = ? AND uid = ?"
_HAS_SAVED_SQL = "SELECT 1 FROM saves WHERE message_id = ? AND uid = ?"


@dataclass(slots=True)
class _Call:
    wanted: bool  # whether the reaction or save shall be there afterwards
    ended: float | None = None
    confirmed: bool = False


class Intents:
    """Records calls, by kind (`reaction` or `save`), user and message."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str, int], list[_Call]] = {}
        self._clear: set[tuple[str, str, int]] = set()  # the last call began after all earlier ones had ended

    async def record(self, kind: str, uid: str, message_id: int, wanted: bool, work: Awaitable[Any]) -> None:
        """Carry out a call, and record it.

        Args:
            kind: `reaction` or `save`.
            uid: who makes the call.
            message_id: the id of the message.
            wanted: whether the call sets the reaction or save; otherwise it takes it back.
            work: the call.

        Raises:
            CometChatException: as the call.
        """
        key = kind, uid, message_id
        calls = self._calls.setdefault(key, [])
        before, call = [one for one in calls if one.ended is None], _Call(wanted)
        calls.append(call)
        self._clear.discard(key)
        if not before:
            self._clear.add(key)
        try:
            await work
            call.confirmed = True
        except CometChatException:
            self._clear.discard(key)  # it may or may not have been carried out
            raise
        finally:
            call.ended = virtual_loop().time()

    def find_broken(self, reader: sqlite3.Connection) -> str:
        """Describe a reaction or save that differs from what its user wanted last; return "" if there is none."""
        for (kind, uid, message_id), calls in self._calls.items():
            last = calls[-1]
            doubtful = any(not call.confirmed for call in calls)
            there = reader.execute("SELECT deleted_at FROM messages WHERE id = ?", (message_id,)).fetchone()
            if (kind, uid, message_id) not in self._clear or doubtful or there is None or there[0] is not None:
                continue
            sql = _HAS_REACTION_SQL if kind == "reaction" else _HAS_SAVED_SQL
            found = reader.execute(sql, (message_id, uid)).fetchone() is not None
            if found is not last.wanted:
                return f"the {kind} of {uid} on {message_id} is {found}, they wanted {last.wanted} last"
        return ""
