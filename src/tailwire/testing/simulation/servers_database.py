"""A model of the database that several simulated servers share: it executes the statements of the real store.

The store's own code for PostgreSQL runs on it: the queue of writes (the lane), leases, processes, presence, and the
deliveries of webhooks. The model recognises each statement by its text; an unknown one fails the run. Its clock is that
of the event loop. Statements are executed one after the other and at once, so no statement sees another one half done;
`tests/postgres` tests the locks and snapshots of PostgreSQL.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import asyncpg
import msgspec

from tailwire.server.ports.broker import Record
from tailwire.server.ports.changes import Change
from tailwire.server.store.postgres import lane, leases, presence, processes, starts
from tailwire.server.store.postgres.drafts import CALL_BATCH_SQL
from tailwire.server.store.postgres.failures import DECLARED_DEAD
from tailwire.server.store.postgres.parameters import translate
from tailwire.server.store.postgres.unit import _INVALIDATE_WITH_MESSAGE_SQL, to_positional
from tailwire.server.store.sql import notifications
from tailwire.testing.simulation.servers_queue import WebhookQueue
from tailwire.testing.simulation.servers_store import SharedStore
from tailwire.testing.virtual.world import EPOCH

# The actions of users, as steps of units that PostgreSQL can execute too (`tests/sim/test_servers_on_postgres.py`).
JOIN_SQL = "INSERT INTO simulated_members (uid) VALUES (:uid) ON CONFLICT DO NOTHING"
LEAVE_SQL = """WITH gone AS (DELETE FROM simulated_members WHERE uid = :uid RETURNING uid)
INSERT INTO simulated_changes (key) SELECT uid FROM gone"""
ADD_CHANGE_SQL = """INSERT INTO simulated_changes (key) VALUES (concat_ws(' ', :key, :receiver, :kind, :to_uid))
RETURNING number"""
MARK = "start"


def _rounded(number: float) -> int:
    # Round as PostgreSQL rounds a decimal.
    return math.floor(round(number, 3) + 0.5)


class DeclaredDeadError(asyncpg.PostgresError):
    """The database refuses a batch, because other servers have declared its process dead."""

    sqlstate = DECLARED_DEAD


class ProcessEntry(NamedTuple):
    """A row of the table `processes`: a server, with the end of its lease in seconds since 1970 (`until`)."""

    name: str
    serving: bool
    keys: str
    until: float


def _has_ended(entry: ProcessEntry, now: float) -> bool:
    return entry.until < now or (entry.serving and entry.until > now + processes.MAX_LEASE_SECONDS)


class Commit(NamedTuple):
    """A batch of writes that was executed, for the judge.

    Attributes:
        process, number: the id of the server's process, and the number of the batch there.
        alive: whether the process had a row in `processes` at that time.
    """

    process: int
    number: int
    alive: bool


class SimulatedDatabase:
    """The simulated database: tables of processes, leases and presence, and the batches of writes.

    Args:
        store: contains the messages, memberships and changes, which batches write.
        chance: decides which batches skip an id.
        now: returns the time of the event loop.

    Attributes:
        processes: the table of processes, by id.
        leases: the table of leases: the id of the process that holds a lease, by its name.
        presence: the table of online users: whether they are away, by uid and process id.
        commits: the batches that were executed, in order.
        declared_dead: by process id, the time of the event loop at which its row was deleted, because it was declared
            dead or has left.
        queue: the webhooks and their deliveries, and the push notifications.
        calm: whether the connections work without faults: no statement and no answer is lost or late.
        executed: called after each statement with the number of the server that sent it.
        announce: called after each commit of messages with the number of the server and the record, the ids that it
            has taken.
    """

    def __init__(self, store: SharedStore, chance: random.Random, now: Callable[[], float]) -> None:
        self._store = store
        self._chance = chance
        self._now = now
        self.processes: dict[int, ProcessEntry] = {}
        self.leases: dict[str, int] = {}
        self.presence: dict[tuple[str, int], bool] = {}
        self._versions: dict[int, int] = {}
        self._batches: dict[tuple[int, int], dict[str, Any]] = {}
        self._last_process = 0
        self.commits: list[Commit] = []
        self.declared_dead: dict[int, float] = {}
        self.queue = WebhookQueue()
        self.calm = False
        self.executed: Callable[[int], None] = lambda server: None
        self.announce: Callable[[int, Record], None] = lambda server, record: None
        self._statements: dict[str, tuple[tuple[str, ...], Callable[..., list[Any]]]] = {
            lane.LEASE_SQL: ((), self._register),
            lane.LEAVE_SQL: ((), self._leave),
            starts._BEGIN_START_SQL: ((), lambda *values: [(MARK, store.highest, 0, "")]),
            starts._STARTS_SQL: ((), lambda: [(MARK, 0)]),
            starts._STORE_NAME_SQL: ((), lambda: [("store",)]),
        }
        for sql, call in (
            (starts.KNOWN_START_SQL, lambda mark, highest: [(mark == MARK and highest <= store.highest,)]),
            (processes._RENEW_SQL, self._renew),
            (leases._TAKE_LEASES_SQL, self._take),
            (leases._GIVE_UP_LEASES_SQL, self._give_up),
            (presence._STORE_PRESENCE_SQL, self._store_presence),
            (presence._VERSIONS_SQL, lambda: list(self._versions.items())),
            (presence._USERS_OF_PROCESS_SQL, self._roll),
            (notifications.NEWEST_ID_SQL, lambda: [(max(store.bodies(), default=0),)]),
            (notifications.MESSAGES_SQL, lambda after, up_to, most: store.rows(after, up_to)[:most]),
        ):
            text, names = translate(sql)
            self._statements[text] = names, call
        self._steps: dict[str, Callable[..., list[Any] | int]] = {
            to_positional(processes._TAKE_OVER_SQL): self._take_over,
            to_positional(_INVALIDATE_WITH_MESSAGE_SQL): self._invalidate,
            to_positional(JOIN_SQL): lambda uid, message_id, **_: store.join(uid, message_id),
            to_positional(LEAVE_SQL): lambda uid, message_id, **_: store.leave(uid, message_id),
            to_positional(ADD_CHANGE_SQL): self._change,
        }

    def clock(self) -> float:
        """Return the time by the clock of the database, in seconds since 1970."""
        return EPOCH + self._now()

    def execute(self, server: int, text: str, values: Sequence[Any]) -> list[Any]:
        """Execute a statement of a server, and return its rows.

        Args:
            server: the number of the server.
            text: the statement.
            values: the values of its parameters.

        Raises:
            asyncpg.PostgresError: the database refuses the statement.
        """
        if text == CALL_BATCH_SQL:
            return [self._batch(server, values)]
        if text not in self._statements:
            return self.queue.execute(text, values)
        names, call = self._statements[text]
        return call(**dict(zip(names, values, strict=True))) if names else call(*values)

    # Processes.

    def is_alive(self, process: int) -> bool:
        """Return whether a process has a row in `processes`, because it has neither left nor been declared dead."""
        return process in self.processes

    def _register(self, name: str, serving: bool, keys: str) -> list[Any]:
        self._last_process += 1
        self.processes[self._last_process] = ProcessEntry(name, serving, keys, self.clock() + lane.LEASE_SECONDS)
        return [(self._last_process,)]

    def _leave(self, process: int, grace: float) -> list[Any]:
        self._free(process)
        if not any(of == process for _, of in self.presence):
            self._delete(process)
        elif process in self.processes:
            entry = self.processes[process]
            self.processes[process] = entry._replace(serving=False, keys="", until=self.clock() + grace)
        return []

    def _free(self, process: int) -> None:
        self.leases = {name: of for name, of in self.leases.items() if of != process}

    def _delete(self, process: int) -> None:
        # Together with all rows that refer to it.
        if self.processes.pop(process, None) is not None:
            self.declared_dead[process] = self._now()
        self._free(process)
        self.presence = {(uid, of): away for (uid, of), away in self.presence.items() if of != process}
        self._versions.pop(process, None)

    def _renew(self, mine: int) -> list[Any]:
        now = self.clock()
        serving = sum(entry.serving and (entry.until > now or n == mine) for n, entry in self.processes.items())
        ended = [n for n, entry in self.processes.items() if _has_ended(entry, now) and n != mine]
        if mine in self.processes:
            self.processes[mine] = self.processes[mine]._replace(until=now + lane.LEASE_SECONDS)
        return [(mine in self.processes, serving, ended, list(self.processes), now)]

    def _take_over(self, ids: Sequence[int], **_: Any) -> list[Any]:
        now = self.clock()
        gone = {n: self.processes[n] for n in ids if n in self.processes and _has_ended(self.processes[n], now)}
        rows = []
        for number, entry in gone.items():
            others = {uid for uid, of in self.presence if of not in gone}
            offline = [uid for uid, of in self.presence if of == number and uid not in others]
            rows.append(
                {"id": number, "name": entry.name, "serving": entry.serving, "until": _rounded(min(entry.until, now)),
                 "offline": offline}
            )  # fmt: skip
        for number in gone:
            self._delete(number)
        return rows

    # Leases.

    def _take(self, names: Sequence[str], mine: int) -> list[Any]:
        if self.is_alive(mine):
            for name in sorted(names):
                self.leases.setdefault(name, mine)
        return [(name,) for name, of in self.leases.items() if of == mine]

    def _give_up(self, mine: int, names: Sequence[str]) -> list[Any]:
        gone = [name for name in names if self.leases.get(name) == mine]
        for name in gone:
            del self.leases[name]
        return [(name,) for name in gone]

    # Presence.

    def _state(self, uid: str) -> int:
        away = [away for (of, _), away in self.presence.items() if of == uid]
        return 0 if not away else 1 if all(away) else 2

    def _store_presence(
        self, process: int, after: int, uids: Sequence[str], here: Sequence[bool], away: Sequence[bool]
    ) -> list[Any]:
        if self._versions.get(process, after) != after:
            return [(None, None, self._versions[process])]
        if not self.is_alive(process):
            raise asyncpg.ForeignKeyViolationError("presence_versions_process_fkey")
        self._versions[process] = self._versions.get(process, _rounded(self.clock() * 1000) - 1) + 1
        befores = [self._state(uid) for uid in uids]
        for uid, is_here, is_away in zip(uids, here, away, strict=True):
            if is_here:
                self.presence[uid, process] = is_away
            else:
                self.presence.pop((uid, process), None)
        return [(befores, [self._state(uid) for uid in uids], self._versions[process])]

    def _roll(self, process: int) -> list[Any]:
        if process not in self._versions:
            return []
        users = {uid: away for (uid, of), away in self.presence.items() if of == process}
        return [(self._versions[process], list(users), list(users.values()))]

    # Batches.

    def _batch(self, server: int, values: Sequence[Any]) -> dict[str, Any]:
        process, number, *_ = values
        known = self._batches.get((process, number))
        if known is not None:
            return known
        self._refuse_the_dead(process)
        receivers, kinds, bodies = values[7], values[8], values[15]
        events, encoded, changes = list(zip(*(v or () for v in values[23:27]), strict=True)), values[27], values[28]
        if changes:
            raise NotImplementedError("a change without a message is not simulated")
        store = self._store
        if self._chance.random() < 0.1:
            self.roll_back_an_id()
        last, n = store.highest, len(receivers)
        store.highest += n
        keep, answers = [True] * n, []
        for unit in msgspec.json.decode(encoded or "[]"):
            draft = unit["draft"]
            ids_given = {"last_id": last, "message_id": last + (draft or 0)}
            answers.append(self._unit(unit["steps"], ids_given))
            if draft is not None and answers[-1].get("ended", 0) is not None:
                keep[draft - 1] = False
        ids, befores = [0] * n, [0] * n
        for i in range(n):
            if keep[i]:
                ids[i] = last + 1 + i
                befores[i] = store.add(ids[i], receivers[i], kinds[i], bodies[i])
        for of, webhook, trigger, body in events:
            if keep[abs(of) - 1]:
                self.queue.add(webhook, trigger, b'{"message":{"id":"%d' % (last + abs(of)) + body, values[4])
        row = {
            "ids": ids, "befores": befores, "first": last + 1, "last": last + n,
            "answers": msgspec.json.encode(answers).decode() if answers else None,
        }  # fmt: skip
        self._batches[process, number] = row
        self.commits.append(Commit(process, number, process in self.processes))
        if n:
            self.announce(server, Record(last + 1, last + n))
        return row

    def roll_back_an_id(self) -> None:
        """Leave out an id of messages, as when a batch is rolled back after it has taken an id."""
        self._store.highest += 1

    def close(self) -> None:
        """Release the memory of the database; it is no longer usable."""
        self.queue.close()

    def _refuse_the_dead(self, process: int) -> None:
        if not self.is_alive(process):
            raise DeclaredDeadError(f"process {process} was declared dead")

    def _unit(self, steps: Sequence[Any], ids: dict[str, int]) -> dict[str, Any]:
        results: list[Any] = []
        for place, (kind, statement, values) in enumerate(steps):
            call = self._steps.get(statement)
            found = call(**values, **ids) if call else self.queue.step(kind, statement, {**values, **ids})
            if kind == "seen" and not found:
                return {"again": True}
            if kind == "until":
                if found:
                    return {"results": results, "ended": place}
                continue
            results.append(found if kind == "rows" else int(found) if isinstance(found, int) else len(found))
            if kind == "need" and not results[-1]:
                return {"results": results, "ended": place}
        return {"results": results, "ended": None}

    def _invalidate(self, kind: str, key: str, message_id: int, **_: Any) -> int:
        self._store.store_membership_change(Change(message_id, kind, key))
        return 1

    def _change(self, key: str, receiver: str, kind: str, to_uid: str, **_: Any) -> list[Any]:
        return [{"number": self._store.change(key, receiver, kind, to_uid).number}]
