"""The audit log: what API keys, commands and the server's settings changed, and the data that keys read."""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple, Protocol

CHANGE, BEHALF, USE = "change", "behalf", "use"
"""Kinds of entries, each with a limit of its own: changes by the app; changes on behalf of a user; reads and sends,
which are recorded only now and then for each key, user and operation."""


@dataclass(slots=True)
class AuditEntry:
    """An entry that is about to be written.

    Attributes:
        kind: `change`, `behalf` or `use`.
        actor: the id of an API key, `command line`, or `server`.
        key_hash: the fingerprint of the key, by which the store finds its name; "" without a key.
        on_behalf_of: the user for whom a key acted; "" for the app itself.
        action: the operation.
        target: the object on which it was performed.
        details: which fields were set, without their values.
        taken: whether a write is about to store it, or has stored it.
        over: whether its request has failed, so that work that it began in the background does not write the entry.
    """

    kind: str
    actor: str
    action: str
    target: str = ""
    details: str = ""
    key_hash: str = ""
    on_behalf_of: str = ""
    address: str = ""
    request_id: str = ""
    taken: bool = False
    over: bool = False


class AuditRow(NamedTuple):
    """A stored entry. `key_name` is the name that the key had at that time."""

    id: int
    at: int
    kind: str
    actor: str
    key_name: str
    on_behalf_of: str
    action: str
    target: str
    details: str
    address: str
    request_id: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Selects entries: those older than `before`, newest first. "" and None select all.

    Attributes:
        before: an id.
        since, until: seconds since 1970, inclusive.
    """

    limit: int
    before: int | None = None
    kind: str = ""
    actor: str = ""
    on_behalf_of: str = ""
    action: str = ""
    target: str = ""
    since: int | None = None
    until: int | None = None


current_entry: ContextVar[AuditEntry | None] = ContextVar("current_entry", default=None)
"""The entry of the request that is being served. The first write of the request stores it in its transaction."""


class AuditStore(Protocol):
    """The entries of the audit log."""

    def set_limits(self, *, seconds: int, entries: int) -> None:
        """Limit the log.

        Args:
            seconds: how long entries are kept; 0 to keep none.
            entries: how many are kept of each kind.
        """

    def add(self, entry: AuditEntry) -> Awaitable[None]:
        """Store an entry in a transaction of its own."""

    async def find(self, criteria: AuditFilter) -> list[AuditRow]:
        """Return entries, newest first."""

    async def last_entry(self, action: str) -> AuditRow | None:
        """Return the newest entry of an action, or None."""
