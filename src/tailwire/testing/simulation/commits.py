"""Record what the server's database commits: messages, changes, memberships, owners, ends of logins, with their times.

The database itself does not keep all of it: in the change log a later entry replaces an earlier one, and the entries of
a deleted group are deleted with it. So temporary triggers on the writer's connection record each write.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tailwire.server.ports.change_log import ChangeKind

_CHANGE_COLUMNS = ("number", "after_id", "subject", "kind", "uid", "device", "to_uid", "message_id", "detail")
_NEW_CHANGE = ", ".join(f"NEW.{name}" for name in _CHANGE_COLUMNS)
_TRIGGERS = {
    "change_added": f"AFTER INSERT ON change_log BEGIN SELECT commits_change({_NEW_CHANGE}); END",
    "change_replaced": f"AFTER UPDATE OF number ON change_log BEGIN SELECT commits_change({_NEW_CHANGE}); END",
    "action_added": (
        "AFTER INSERT ON messages WHEN NEW.category = 'action'"
        " BEGIN SELECT commits_action(NEW.id, NEW.type, CAST(NEW.body AS TEXT)); END"
    ),
    "message_added": (
        "AFTER INSERT ON messages BEGIN SELECT commits_message(NEW.id, NEW.sender, NEW.receiver, NEW.receiver_type,"
        " NEW.category = 'action' AND NEW.type = 'message'); END"
    ),
    "message_removed": "AFTER DELETE ON messages BEGIN SELECT commits_removal(OLD.id); END",
    "member_added": "AFTER INSERT ON members BEGIN SELECT commits_member(NEW.guid, NEW.uid, 1); END",
    "member_removed": "AFTER DELETE ON members BEGIN SELECT commits_member(OLD.guid, OLD.uid, 0); END",
    "token_ended": "AFTER DELETE ON auth_tokens BEGIN SELECT commits_token(OLD.token_hash); END",
    "owner_changed": "AFTER UPDATE OF owner ON groups BEGIN SELECT commits_owner(NEW.guid, OLD.owner, NEW.owner); END",
}


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the change log when it was written. The other fields are columns of the table `change_log`.

    Attributes:
        at: the virtual time.
        members: the uids of the members, at that time, of the group that the entry is about; empty if it is not about
            a group.
    """

    at: float
    members: frozenset[str]
    number: int
    after_id: int
    subject: str
    kind: str
    uid: str
    device: str
    to_uid: str
    message_id: int
    detail: str


@dataclass(frozen=True, slots=True)
class StoredAction:
    """An action message when it was stored: an edit, a deletion, or a change of a membership."""

    at: float
    id: int
    type: str
    body: str


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message when it was stored.

    Attributes:
        at: the virtual time.
        receivers: the uids of its sender and receiver, or of the members of its group at that time.
        is_change: whether it is an action message that reports an edit or a deletion of another message.
    """

    at: float
    id: int
    receivers: frozenset[str]
    is_change: bool


@dataclass(frozen=True, slots=True)
class Transfer:
    """A change of a group's owner.

    Attributes:
        at: the virtual time.
        members: the uids of the group's members at that time.
    """

    at: float
    members: frozenset[str]
    guid: str
    previous_owner: str
    owner: str


@dataclass
class Commits:
    """Records what a store commits; writes that are rolled back are left out.

    Attributes:
        now: returns the virtual time.
        history: the committed changes, action messages and transfers, in the order in which they were written.
        messages: all messages that were ever stored, action messages included, by id.
        removed: by the id of a message, the virtual time at which it was deleted from the table.
        tokens_ended: by the hash of an auth token, the virtual time at which it was deleted from the table.
    """

    now: Callable[[], float]
    history: list[Change | StoredAction | Transfer] = field(default_factory=list)
    messages: dict[int, StoredMessage] = field(default_factory=dict)
    removed: dict[int, float] = field(default_factory=dict)
    tokens_ended: dict[str, float] = field(default_factory=dict)
    _members: dict[str, dict[str, float]] = field(default_factory=dict)
    _pending: list[Change | StoredAction | Transfer] = field(default_factory=list)
    _pending_messages: list[StoredMessage] = field(default_factory=list)
    _pending_removals: list[int] = field(default_factory=list)
    _pending_tokens: list[str] = field(default_factory=list)

    @property
    def changes(self) -> list[Change]:
        """The entries of the change log ever written, in order."""
        return [one for one in self.history if isinstance(one, Change)]

    @property
    def removals(self) -> list[Change]:
        """Those of `changes` that report the deletion of a group."""
        return [change for change in self.changes if change.kind == ChangeKind.GROUP_REMOVED]

    @property
    def transfers(self) -> list[Transfer]:
        """The changes of groups' owners, in order."""
        return [one for one in self.history if isinstance(one, Transfer)]

    def watch(self, database: Any) -> None:
        """Record from now on what a server's database commits. Call it after each start of the server."""
        connection: sqlite3.Connection = database.writing
        for name, count, call in (
            ("change", len(_CHANGE_COLUMNS), self._record_change),
            ("message", 5, self._record_message),
            ("removal", 1, self._pending_removals.append),
            ("token", 1, self._pending_tokens.append),
            ("action", 3, self._record_action),
            ("member", 3, self._record_member),
            ("owner", 3, self._record_owner),
        ):
            connection.create_function(f"commits_{name}", count, call)
        for name, when in _TRIGGERS.items():
            connection.execute(f"CREATE TEMP TRIGGER commits_{name} {when}")
        self._forget_pending()
        self._read_members(connection)
        database.on_rollback(self._on_rollback)
        database.on_commit(self._on_commit)

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._pending_messages.clear()
        self._pending_removals.clear()
        self._pending_tokens.clear()

    def _read_members(self, connection: sqlite3.Connection) -> None:
        before, self._members = self._members, {}
        for guid, uid in connection.execute("SELECT guid, uid FROM members"):
            joined = before.get(guid, {}).get(uid, self.now())
            self._members.setdefault(guid, {})[uid] = joined

    def joined_at(self, guid: str, uid: str) -> float | None:
        """Return the virtual time since which a user has been a member of a group; None if they are not one now."""
        return self._members.get(guid, {}).get(uid)

    def _members_of(self, guid: str) -> frozenset[str]:
        return frozenset(self._members.get(guid, ()))

    def _record_change(self, *columns: Any) -> None:
        self._pending.append(Change(self.now(), self._members_of(columns[2].removeprefix("g/")), *columns))

    def _record_message(self, number: int, sender: str, receiver: str, receiver_type: str, is_change: int) -> None:
        receivers = self._members_of(receiver) if receiver_type == "group" else frozenset((sender, receiver))
        self._pending_messages.append(StoredMessage(self.now(), number, receivers, bool(is_change)))

    def _record_action(self, number: int, type_: str, body: str) -> None:
        self._pending.append(StoredAction(self.now(), number, type_, body))

    def _record_member(self, guid: str, uid: str, there: int) -> None:
        members = self._members.setdefault(guid, {})
        if there:
            members[uid] = self.now()
        else:
            members.pop(uid, None)

    def _record_owner(self, guid: str, previous_owner: str, owner: str) -> None:
        if previous_owner != owner:
            self._pending.append(Transfer(self.now(), self._members_of(guid), guid, previous_owner, owner))

    def _on_commit(self, last_id: int) -> None:
        self.history += self._pending
        self.messages |= {one.id: one for one in self._pending_messages}
        self.removed |= dict.fromkeys(self._pending_removals, self.now())
        self.tokens_ended |= dict.fromkeys(self._pending_tokens, self.now())
        self._forget_pending()

    def _on_rollback(self, connection: sqlite3.Connection) -> None:
        self._forget_pending()
        self._read_members(connection)
