"""The audit log: what API keys, commands and the server's settings changed, and the data that keys read."""

from __future__ import annotations

from collections.abc import Awaitable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple, Protocol

CHANGE, BEHALF, USE = "change", "behalf", "use"
"""The kinds of entries, each with a limit of its own. `change`: a change by the app, by a command or of the settings.
`behalf`: a change on behalf of a user. `use`: a read or a send; for each key, user and operation at most one is
recorded in ten minutes."""


@dataclass(slots=True)
class AuditEntry:
    """An entry that is about to be written.

    Attributes:
        kind: `change`, `behalf` or `use`.
        actor: the id of an API key, `command line`, or `server`.
        key_hash: the fingerprint of the key, by which the store finds its name; "" without a key.
        on_behalf_of: the user for whom a key acted; "" for the app itself.
        action: the operation.
        target: the object on which it was performed; "" for none.
        details: which fields were set, without their values; "" for none.
        address: the IP address from which the request came; "" if there was no request.
        request_id: the id of the request, which its response and the access log contain; "" if there was none.
        taken: whether a write is about to store it, or has stored it. Other writes then do not store it again.
        over: whether its request has failed. Writes that still run in the background then do not store the entry.
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
    """A stored entry. The attributes that are not listed are those of `AuditEntry`.

    Attributes:
        at: when it was stored, in seconds since 1970.
        key_name: the name that the key had at that time; "" without a key.
    """

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
    """Selects entries that meet all conditions. A field that is "" or None is not checked.

    Attributes:
        limit: how many entries to return at most.
        before: only entries with a lower id.
        target: what the entry is about. One that is given with capital letters selects the same in lower case as well,
            because ids are stored so.
        since, until: only entries stored from `since` to `until`, both included, in seconds since 1970.
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
"""The entry of the request that is being served; None if it has none. The first write of the request that changes
something stores the entry in the same transaction."""


class AuditStore(Protocol):
    """The entries of the audit log."""

    def set_limits(self, *, seconds: int, entries: int) -> None:
        """Set how long and how many entries are kept. Older and surplus ones are removed by later writes or cleanup.

        Args:
            seconds: how long entries are kept; 0 to store none.
            entries: how many are kept of each kind; beyond that, the oldest ones are removed.
        """

    def add(self, entry: AuditEntry) -> Awaitable[None]:
        """Store an entry in a transaction of its own. Stores nothing if `set_limits` was given 0 seconds.

        Raises:
            Refused: ERR_UNAVAILABLE: the store cannot write.
        """

    async def find(self, criteria: AuditFilter) -> list[AuditRow]:
        """Return the entries that a filter selects, newest first. Those kept longer than the limit are left out."""

    async def last_entry(self, action: str) -> AuditRow | None:
        """Return the newest entry with an `action`, even if it has expired; None if there is none."""
