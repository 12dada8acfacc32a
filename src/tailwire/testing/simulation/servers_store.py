"""A model of the store that several servers share, for the simulation: commits have one order, reads take a while."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tailwire.sdk.continuity.changes import Listed
from tailwire.sdk.continuity.state import Position
from tailwire.server.ports.change_log import ChangeKind, ChangeRow, receivers_of
from tailwire.server.ports.changes import Change
from tailwire.server.ports.conversations import ConversationKey, group_in, key_of
from tailwire.server.ports.log import LoggedChange, LoggedMessage, LogPage, Look
from tailwire.server.ports.records import MessageRow
from tailwire.server.ports.refusal import Refused

SYSTEM = "system"
GUID = "g"
USERS = ("ann", "ben", "cleo")
ROWS_PER_PAGE = 5
MAX_CHANGES = 4
READ_SECONDS = (0.0005, 0.001, 0.01)


class Page(NamedTuple):
    """A page that a client reads: ids of messages, what it says about changes, and whether it is full."""

    ids: list[int]
    listed: Listed
    whole: bool


def conversation_of(receiver: str, kind: str) -> ConversationKey:
    """Return the conversation of a message to a user or the group."""
    return key_of(SYSTEM, receiver, kind)


def _row(number: int, receiver: str, kind: str, body: bytes) -> MessageRow:
    key = conversation_of(receiver, kind)
    return MessageRow(
        number, key, SYSTEM, receiver, kind, "message", "text", 1, 1, None, None, None, None, None, None, body
    )


class SharedStore:
    """Messages, memberships of one group, and the change log.

    Attributes:
        fails: whether reads fail.
        highest: the highest id that was given out.
        servers: returns how many servers have a row.
        joined: the members of the group, each with the id after which they receive its messages.
        ended: former memberships: user, id after which it began, id of the message with which they left, and the number
            of the change log at which it ended.
        entries: the change log, by number.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.fails = False
        self.servers: Callable[[], int] = lambda: 1
        self.joined: dict[str, int] = {}
        self.ended: list[tuple[str, int, int, int]] = []
        self.entries: dict[int, ChangeRow] = {}
        self._keys: dict[str, int] = {}
        self._messages: dict[int, LoggedMessage] = {}
        self._memberships: dict[int, Change] = {}
        self.highest = self._number = 0

    # Writes, each within a transaction of `servers_database`.

    def add(self, number: int, receiver: str, kind: str, body: bytes) -> int:
        """Store a message. Return the id of the one before it in its conversation; 0 if there is none."""
        row = _row(number, receiver, kind, body)
        earlier = (n for n, m in self._messages.items() if m.row.conversation_id == row.conversation_id)
        predecessor_id = max(earlier, default=0)
        self._messages[number] = LoggedMessage(row, predecessor_id)
        return predecessor_id

    def join(self, uid: str, number: int) -> bool:
        """Make a user a member, with the message of this id. Return False if they are one."""
        if uid in self.joined:
            return False
        self.joined[uid] = number - 1
        return True

    def leave(self, uid: str, number: int) -> bool:
        """End the membership of a user, with the message of this id. Return False if they are not a member."""
        if uid not in self.joined:
            return False
        self._number += 1
        self.ended.append((uid, self.joined.pop(uid), number, self._number))
        return True

    def store_membership_change(self, change: Change) -> None:
        """Store a change of a membership."""
        self._memberships[change.id] = change

    def change(self, key: str, receiver: str, kind: str, to_uid: str = "") -> ChangeRow:
        """Store an entry of the change log, which replaces the one with the same key."""
        self._number += 1
        self.entries.pop(self._keys.get(key, 0), None)
        self._keys[key] = self._number
        what = ChangeKind.READ if to_uid else ChangeKind.PINNED
        subject = conversation_of(receiver, kind)
        newest = max(self._messages, default=0)
        row = ChangeRow(self._number, newest, subject, what, SYSTEM, "", to_uid, 1, "", 1)
        self.entries[self._number] = row
        return row

    def is_direct(self, number: int) -> bool:
        """Return whether a message is to one user."""
        return self._messages[number].row.receiver_type == "user"

    def rows(self, after: int, up_to: int) -> list[MessageRow]:
        """Return the messages with ids in (after, up_to], in the order of their ids."""
        return [message.row for number, message in sorted(self._messages.items()) if after < number <= up_to]

    def bodies(self) -> dict[int, bytes]:
        """Return the bodies of all messages, by id."""
        return {number: message.row.body for number, message in self._messages.items()}

    # `LogReader`.

    async def _answer(self) -> None:
        await asyncio.sleep(self._chance.choice(READ_SECONDS))
        if self.fails:
            raise Refused("ERR_UNAVAILABLE")

    async def look(self) -> Look:
        """Return the state of the log now."""
        oldest = min(self._memberships, default=0)
        look = Look(max((*self._messages, *self._memberships), default=0), oldest, self.servers(), self._number)
        await self._answer()
        return look

    async def read(self, after: int, up_to: int) -> LogPage:
        """Return the first page of the messages and membership changes with ids in (after, up_to]."""
        # Two statements at the same time, in either order: what is committed in between is seen by one of them.
        messages: list[LoggedMessage] = []
        changes: list[LoggedChange] = []

        def read_messages() -> None:
            messages.extend(self._messages[n] for n in sorted(self._messages) if after < n <= up_to)

        def read_changes() -> None:
            rows = (self._memberships[n] for n in sorted(self._memberships) if after < n <= up_to)
            changes.extend(self._logged(row) for row in rows)

        took = self._chance.choice(READ_SECONDS)
        reads = (read_messages, read_changes) if after % 2 else (read_changes, read_messages)
        reads[0]()
        await asyncio.sleep(took / 2)
        reads[1]()
        await asyncio.sleep(took / 2)
        if self.fails:
            raise Refused("ERR_UNAVAILABLE")
        for ids in ([m.row.id for m in messages], [c.change.id for c in changes]):
            if len(ids) >= ROWS_PER_PAGE:
                up_to = min(up_to, ids[ROWS_PER_PAGE - 1])
        return LogPage(up_to, [m for m in messages if m.row.id <= up_to], [c for c in changes if c.change.id <= up_to])

    def _logged(self, change: Change) -> LoggedChange:
        uid = change.key.partition("/")[2]
        return LoggedChange(change, self.was_member(uid, change.id) and not self._left_with(uid, change.id))

    def _left_with(self, uid: str, number: int) -> bool:
        return any(who == uid and until == number for who, _, until, _ in self.ended)

    def was_member(self, uid: str, number: int) -> bool:
        """Return whether a user receives the group's message with this id, even if it is about their leaving."""
        if uid in self.joined and self.joined[uid] < number:
            return True
        return any(who == uid and since < number <= until for who, since, until, _ in self.ended)

    async def changes(self, after: int, up_to: int) -> tuple[list[ChangeRow], int]:
        """Return the first changes with numbers in (after, up_to], and the number up to which they are complete."""
        found = [row for n, row in sorted(self.entries.items()) if after < n <= up_to]
        if len(found) > ROWS_PER_PAGE:
            found, up_to = found[:ROWS_PER_PAGE], found[ROWS_PER_PAGE - 1].number
        await self._answer()
        return found, up_to

    async def receivers(self, number: int, uids: Sequence[str]) -> list[tuple[str, int | None]]:
        """Return which users may receive an entry, with the end of their membership if it has ended."""
        row = self.entries.get(number)
        found = [(uid, self._until(row, uid)) for uid in uids if row is not None and self.concerns(row, uid)]
        await self._answer()
        return found

    def _until(self, row: ChangeRow, uid: str) -> int | None:
        if not group_in(ConversationKey(row.subject)) or self.joined.get(uid, row.after_id) < row.after_id:
            return None
        return next(until for w, since, until, n in self.ended if w == uid and since < row.after_id and row.number < n)

    # Clients.

    def groups_of(self, uid: str) -> dict[str, int]:
        """Return the groups of a user, each with the id after which they receive its messages."""
        return {GUID: self.joined[uid]} if uid in self.joined else {}

    def concerns(self, row: ChangeRow, uid: str) -> bool:
        """Return whether a user receives an entry; that of a group goes to those who were members when it happened."""
        guid, uids = receivers_of(row)
        if not guid and uid not in uids:
            return False
        if not group_in(ConversationKey(row.subject)) or self.joined.get(uid, row.after_id) < row.after_id:
            return True
        return any(w == uid and since < row.after_id and row.number < n for w, since, _, n in self.ended)

    def visible(self, uid: str, after: int = 0) -> list[int]:
        """Return the ids of the messages of a user after an id."""
        return [n for n, m in self._messages.items() if n > after and self._sees(uid, m.row)]

    def _sees(self, uid: str, row: MessageRow) -> bool:
        if row.receiver_type == "group":
            return self.was_member(uid, row.id)
        return row.receiver == uid

    def newest(self, uid: str) -> tuple[int, int]:
        """Return the id of a user's newest message, and the newest number of the change log."""
        return max(self.visible(uid), default=0), self._number

    def page(self, uid: str, after: int, limit: int, position: Position) -> Page:
        """Return a page of what a user has missed, as `actions.catch_up` makes it."""
        ids = self.visible(uid, after)[:limit]
        whole, known, more = len(ids) == limit, self._number, False
        since = position.changes if position.changes is not None else self._number
        found = [
            row for n, row in sorted(self.entries.items())
            if n > since and n not in position.heard and self.concerns(row, uid)
        ]  # fmt: skip
        if len(found) > MAX_CHANGES:
            rest, found = found[MAX_CHANGES], found[:MAX_CHANGES]
            known, more = found[-1].number, True
            ids = [n for n in ids if n <= rest.after_id]
        if whole and ids and (later := next((c for c in found if c.after_id > ids[-1]), None)):
            known = later.number - 1
            found = [row for row in found if row.number <= known]
        return Page(ids, Listed(known, [(c.number, c.after_id, c.number) for c in found], more), whole)
