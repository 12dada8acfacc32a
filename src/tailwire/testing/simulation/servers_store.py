"""A model of the messages, memberships and changes that several simulated servers share.

Commits have one order. Reads take a random time.
"""

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
    """A page of what a client has missed.

    Attributes:
        ids: the ids of the messages, in order.
        listed: the changes, and the number up to which they are complete.
        whole: whether the page has as many messages as were requested, so that more may follow.
    """

    ids: list[int]
    listed: Listed
    whole: bool


def conversation_of(receiver: str, kind: str) -> ConversationKey:
    """Return the key of the conversation of a message to a user or the group; the sender is always `SYSTEM`."""
    return key_of(SYSTEM, receiver, kind)


def _row(number: int, receiver: str, kind: str, body: bytes) -> MessageRow:
    key = conversation_of(receiver, kind)
    return MessageRow(
        number, key, SYSTEM, receiver, kind, "message", "text", 1, 1, None, None, None, None, None, None, body
    )


class SharedStore:
    """Messages, the memberships of one group, and the change log.

    Args:
        chance: decides how long reads take.

    Attributes:
        fails: whether reads fail; set by the run.
        highest: the highest id of a message that was given out, used or not.
        servers: returns the number of servers in the table of processes.
        joined: by the uid of each current member, the id after which they receive the group's messages.
        ended: the former memberships: the uid, the id after which they received the group's messages, the id of the
            message with which they left, and the number of the change log at that time.
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
        """Store a message with the id `number`. Return the id of its predecessor in the conversation; 0 for none."""
        row = _row(number, receiver, kind, body)
        earlier = (n for n, m in self._messages.items() if m.row.conversation_id == row.conversation_id)
        predecessor_id = max(earlier, default=0)
        self._messages[number] = LoggedMessage(row, predecessor_id)
        return predecessor_id

    def join(self, uid: str, number: int) -> bool:
        """Make a user a member, who receives the group's messages from the id `number` on.

        Return False if they are a member already.
        """
        if uid in self.joined:
            return False
        self.joined[uid] = number - 1
        return True

    def leave(self, uid: str, number: int) -> bool:
        """End the membership of a user; the last message of the group that they receive has the id `number`.

        Return False if they are not a member.
        """
        if uid not in self.joined:
            return False
        self._number += 1
        self.ended.append((uid, self.joined.pop(uid), number, self._number))
        return True

    def store_membership_change(self, change: Change) -> None:
        """Store that a membership changed, for servers that keep memberships in memory."""
        self._memberships[change.id] = change

    def change(self, key: str, receiver: str, kind: str, to_uid: str = "") -> ChangeRow:
        """Store an entry of the change log, in place of the one with the same key, and return it.

        Args:
            key: the key of the entry.
            receiver: the uid of the user, or the guid of the group, whose conversation it is about.
            kind: `user` or `group`.
            to_uid: the uid of the only user who receives it; "" for all.
        """
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
        """Return whether the message with this id is to a user; otherwise it is to the group."""
        return self._messages[number].row.receiver_type == "user"

    def rows(self, after: int, up_to: int) -> list[MessageRow]:
        """Return the messages with ids in (after, up_to], in the order of their ids."""
        return [message.row for number, message in sorted(self._messages.items()) if after < number <= up_to]

    def bodies(self) -> dict[int, bytes]:
        """Return the bodies of all messages, by id."""
        return {number: message.row.body for number, message in self._messages.items()}

    # `LogReader`.

    async def _wait_for_answer(self) -> None:
        await asyncio.sleep(self._chance.choice(READ_SECONDS))
        if self.fails:
            raise Refused("ERR_UNAVAILABLE")

    def record_given_out(self, number: int) -> None:
        """Do nothing: the simulated database is never an older copy."""

    async def look(self) -> Look:
        """Return the state of the log at the time of the call: its highest id and number, and the number of servers.

        Raises:
            Refused: reads fail now (`fails`).
        """
        oldest = min(self._memberships, default=0)
        look = Look(max((*self._messages, *self._memberships), default=0), oldest, self.servers(), self._number)
        await self._wait_for_answer()
        return look

    async def read(self, after: int, up_to: int) -> LogPage:
        """Return the first messages and membership changes with ids in (after, up_to].

        The page also has the id up to which it is complete, which is lower than `up_to` if more follows. It has at most
        `ROWS_PER_PAGE` rows of each kind.

        Raises:
            Refused: reads fail now (`fails`).
        """
        # The two reads happen one after the other, in either order: only the second sees what is committed in between.
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
        """Return whether a user receives the group's message with this id; the one with which they left included."""
        if uid in self.joined and self.joined[uid] < number:
            return True
        return any(who == uid and since < number <= until for who, since, until, _ in self.ended)

    async def changes(self, after: int, up_to: int) -> tuple[list[ChangeRow], int]:
        """Return the first entries of the change log with numbers in (after, up_to], at most `ROWS_PER_PAGE`.

        Returns:
            The entries in order, and the number up to which they are complete.

        Raises:
            Refused: reads fail now (`fails`).
        """
        found = [row for n, row in sorted(self.entries.items()) if after < n <= up_to]
        if len(found) > ROWS_PER_PAGE:
            found, up_to = found[:ROWS_PER_PAGE], found[ROWS_PER_PAGE - 1].number
        await self._wait_for_answer()
        return found, up_to

    async def receivers(self, number: int, uids: Sequence[str]) -> list[tuple[str, int | None]]:
        """Return which of these users receive an entry of the change log; none if it was replaced.

        Args:
            number: the number of the entry.
            uids: the users.

        Returns:
            For each of them the uid, and if the entry is about the group and they are no longer a member, the id of the
            message with which they left; otherwise None.

        Raises:
            Refused: reads fail now (`fails`).
        """
        row = self.entries.get(number)
        found = [(uid, self._until(row, uid)) for uid in uids if row is not None and self.concerns(row, uid)]
        await self._wait_for_answer()
        return found

    def _until(self, row: ChangeRow, uid: str) -> int | None:
        if not group_in(ConversationKey(row.subject)) or self.joined.get(uid, row.after_id) < row.after_id:
            return None
        return next(until for w, since, until, n in self.ended if w == uid and since < row.after_id and row.number < n)

    # Clients.

    def groups_of(self, uid: str) -> dict[str, int]:
        """Return the groups of a user by guid, each with the id after which they receive its messages."""
        return {GUID: self.joined[uid]} if uid in self.joined else {}

    def concerns(self, row: ChangeRow, uid: str) -> bool:
        """Return whether a user receives an entry of the change log.

        An entry about the group goes to those who were members when it was written, even if they have left since.
        """
        guid, uids = receivers_of(row)
        if not guid and uid not in uids:
            return False
        if not group_in(ConversationKey(row.subject)) or self.joined.get(uid, row.after_id) < row.after_id:
            return True
        return any(w == uid and since < row.after_id and row.number < n for w, since, _, n in self.ended)

    def visible(self, uid: str, after: int = 0) -> list[int]:
        """Return the ids of the messages that a user receives, above the id `after`, in order."""
        return [n for n, m in self._messages.items() if n > after and self._sees(uid, m.row)]

    def _sees(self, uid: str, row: MessageRow) -> bool:
        if row.receiver_type == "group":
            return self.was_member(uid, row.id)
        return row.receiver == uid

    def newest(self, uid: str) -> tuple[int, int]:
        """Return the id of the newest message that a user receives (0 for none), and the highest number of changes."""
        return max(self.visible(uid), default=0), self._number

    def page(self, uid: str, after: int, limit: int, position: Position) -> Page:
        """Return a page of what a user has missed, as the server's `actions.catch_up` does.

        Args:
            uid: the user.
            after: the id above which messages are listed.
            limit: the maximum number of messages.
            position: the client's position, which says which changes it has.
        """
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
