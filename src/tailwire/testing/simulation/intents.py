"""Check that reactions and saves are as users wanted them last: the last confirmed call, set or undo, decides."""

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
    """Records calls that set or undo a reaction or a save, by kind (`reaction` or `save`), user and message."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str, int], list[_Call]] = {}
        self._clear: set[tuple[str, str, int]] = set()  # the last call began after all earlier ones had ended

    async def record(self, kind: str, uid: str, message_id: int, wanted: bool, work: Awaitable[Any]) -> None:
        """Await a call, and record what it was for and how it ended.

        Args:
            kind: `reaction` or `save`.
            uid: the uid of the user who makes the call.
            message_id: the id of the message.
            wanted: whether the call sets the reaction or save; False if it undoes it.
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
        """Return a description of a reaction or save that is not as its user wanted it last; "" if there is none.

        It is not checked where several calls overlapped, a call was not confirmed, or the message was deleted.
        """
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
