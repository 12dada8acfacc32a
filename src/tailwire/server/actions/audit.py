"""The audit log, a record of what API keys and commands do.

All changes, including edits and deletions of messages, are recorded in the transaction that makes them. Reads and sends
with a key are recorded at most once every ten minutes per key, user and operation, because a backend may make thousands
a second. Requests that run at the same time may each be recorded: only one that succeeds starts the ten minutes.
The values of fields are not recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.auth.secrets import KEY_ID_CHARACTERS, fingerprint, key_id
from tailwire.server.limits.rates import RequestKind
from tailwire.server.ports.audit import (
    BEHALF,
    CHANGE,
    USE,
    AuditEntry,
    AuditFilter,
    AuditRow,
    AuditStore,
    current_entry,
)
from tailwire.server.ports.refusal import Refused
from tailwire.server.telemetry.logs import report

USE_SECONDS = 600.0
RETRY_SECONDS = 10.0
"""If the entry of a read or a send could not be stored, the next such request after this time is recorded."""
MAX_REMEMBERED_USES = 10_000
MAX_TARGET_CHARACTERS = 500
UNRECORDED_PATHS = frozenset({"/metrics", "/openapi.json", "/health", "/health/ready"})
SETTINGS_ACTION = "settings"
_IDS = ("uid", "guid", "role", "id", "receiver", "uids_to_deactivate", "uids_to_activate")  # stored in lower case
_TARGET_FIELDS = (*_IDS, "name")
_SECRET_PARAMETERS = frozenset({"key", "token"})


class AuditedOperation(Protocol):
    """What the log needs to know about an operation of the REST API: its method, path and kind of rate limit."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def rate(self) -> RequestKind: ...


class AuditLog:
    """Records what keys do, and reads the log.

    Args:
        clock: returns monotonic seconds.
    """

    def __init__(self, store: AuditStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._uses: dict[tuple[str, str, str], float] = {}

    def begin(
        self,
        caller: Caller,
        operation: AuditedOperation,
        params: Mapping[str, str],
        body: Any,
        address: str,
        request_id: str,
    ) -> AuditEntry | None:
        """Return the entry to record for a request with a key, or None if the request need not be recorded.

        The entry also becomes the current one: the first write of the request stores it in its transaction. A request
        without a write stores it in `end`. Not recorded are `UNRECORDED_PATHS`, and a read or a send for whose key,
        user and operation an entry was stored less than `USE_SECONDS` ago.

        Args:
            caller: the key, and the user for whom it acts, if any.
            operation: the operation that is called.
            params: the parameters of the path.
            body: the decoded body; None without one.
            address: the IP address from which the request came.
            request_id: the id of the request.
        """
        if operation.path in UNRECORDED_PATHS:
            return None
        action = f"{operation.method} {operation.path}"
        uid = "" if caller.system else caller.uid
        kind = BEHALF if uid else CHANGE
        sends = operation.rate is RequestKind.SEND and operation.method == "POST"
        if sends or operation.method in ("GET", "HEAD"):
            kind = USE
        if kind == USE and not self._is_due((caller.key_hash, uid, action)):
            return None
        entry = AuditEntry(
            kind,
            caller.key_id,
            action,
            _target(params, body),
            _details(body),
            caller.key_hash,
            uid,
            address,
            request_id,
        )
        current_entry.set(entry)
        return entry

    def _is_due(self, use: tuple[str, str, str]) -> bool:
        before = self._uses.get(use)
        return before is None or self._clock() - before >= USE_SECONDS

    def _record_use(self, entry: AuditEntry, at: float) -> None:
        # Only requests that succeeded count: a refused one must not keep the next ones out of the log.
        use = (entry.key_hash, entry.on_behalf_of, entry.action)
        self._uses.pop(use, None)
        if len(self._uses) >= MAX_REMEMBERED_USES:
            del self._uses[next(iter(self._uses))]
        self._uses[use] = at

    async def end(self, entry: AuditEntry) -> None:
        """Record a request that succeeded: store its entry, unless a write has stored it, and log it.

        Raises:
            Refused: the store cannot write. For a read or a send this is not raised if the store is only temporarily
                unavailable (ERR_UNAVAILABLE): its entry is then only in the server's log.
        """
        at = self._clock()
        try:
            if not entry.taken:
                await self._store.add(entry)
        except Refused as e:
            if entry.kind != USE or e.code != "ERR_UNAVAILABLE":
                raise
            at += RETRY_SECONDS - USE_SECONDS
        if entry.kind == USE:
            self._record_use(entry, at)
        _log(entry)

    async def record_settings(self, values: str) -> None:
        """Record the settings with which the server starts, unless the newest entry about settings has the same text.

        Args:
            values: the names and values of the settings that differ from their defaults, as one text.

        Raises:
            Refused: the store cannot be read or written.
        """
        before = await self._store.last_entry(SETTINGS_ACTION)
        if before is None or before.details != values:
            entry = AuditEntry(CHANGE, "server", SETTINGS_ACTION, details=values)
            await self.end(entry)

    async def find(self, criteria: AuditFilter) -> list[AuditRow]:
        """Return the entries that a filter selects, newest first, at most `criteria.limit`."""
        return await self._store.find(criteria)


def begin_command(action: str, target: str = "") -> AuditEntry:
    """Return the entry of a command, and make it the current one, which the command's first write stores.

    Args:
        action: the name of the command.
        target: what it acts on, such as a uid; "" for nothing in particular.
    """
    entry = AuditEntry(CHANGE, "command line", action, target)
    current_entry.set(entry)
    return entry


def _log(entry: AuditEntry) -> None:
    report(
        "audit", kind=entry.kind, actor=entry.actor, on_behalf_of=entry.on_behalf_of, action=entry.action,
        target=entry.target, details=entry.details, address=entry.address, request_id=entry.request_id,
    )  # fmt: skip


def _named(name: str, value: str) -> str:
    if name in _SECRET_PARAMETERS:
        return _id_of(name, value)
    return value.lower() if name in _IDS else value


def _id_of(name: str, value: str) -> str:
    # A key may also be named by its id, which is not a secret. Keys are longer.
    return value if name == "key" and len(value) == KEY_ID_CHARACTERS else key_id(fingerprint(value))


def _target(params: Mapping[str, str], body: Any) -> str:
    # The parameters of the path, or else the target that the body names. Keys and tokens are named by their ids, and
    # users, groups, roles and webhooks as they are stored.
    named = [_named(name, value) for name, value in params.items()]
    if not named and body is not None:
        for name in _TARGET_FIELDS:
            value = getattr(body, name, None)
            if value:
                named = [_named(name, str(one)) for one in (value if isinstance(value, list) else [value])]
                break
    return " ".join(named)[:MAX_TARGET_CHARACTERS]


def _details(body: Any) -> str:
    # The JSON names of the fields that were set, never their values.
    if not isinstance(body, msgspec.Struct):
        return ""
    return ", ".join(text for name, text, default in _fields(type(body)) if getattr(body, name) != default)


@lru_cache(maxsize=256)
def _fields(kind: type[msgspec.Struct]) -> list[tuple[str, str, Any]]:
    # The name, the name in JSON and the default of each field.
    return [
        (f.name, f.encode_name, f.default_factory() if f.default_factory is not msgspec.NODEFAULT else f.default)
        for f in msgspec.structs.fields(kind)
    ]
