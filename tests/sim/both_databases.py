"""The model of the database and PostgreSQL side by side: both carry out each statement, and must answer the same.

PostgreSQL takes no virtual time (see `servers.in_place`), and its clock is that of the event loop: a function of the
same name comes before its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import asyncpg

from servers.in_place import ConnectionThread
from tailwire.server.store.postgres import leases, processes, starts
from tailwire.server.store.postgres.drafts import CALL_BATCH_SQL
from tailwire.server.store.postgres.parameters import translate
from tailwire.testing.simulation.servers_database import SimulatedDatabase
from tailwire.testing.simulation.servers_push_rows import ROWS
from tailwire.testing.simulation.servers_queue import TRIGGER, WEBHOOK
from tailwire.testing.simulation.servers_store import SharedStore

PREPARE = f"""
CREATE SCHEMA virtual;
CREATE FUNCTION virtual.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
$$ SELECT to_timestamp(current_setting('virtual.now')::double precision) $$;
CREATE SEQUENCE process_ids;
ALTER TABLE processes ALTER COLUMN id SET DEFAULT nextval('process_ids');
CREATE TABLE simulated_members (uid text PRIMARY KEY);
CREATE TABLE simulated_changes (number bigserial PRIMARY KEY, key text NOT NULL);
INSERT INTO webhooks (id, name, url, triggers, retry, enabled, created_at)
VALUES ('{WEBHOOK}', '', '', '{TRIGGER}', 1, 1, 1);
{"; ".join(ROWS)};
"""
RESET = """
TRUNCATE processes, batches, changes, messages, conversations, participants, deliveries, webhook_states, origin, starts,
simulated_members, simulated_changes, presence, presence_versions, leases, notifications RESTART IDENTITY;
UPDATE push_progress SET message_id = 0, after_uid = '', reaction_id = 0;
SELECT setval('message_ids', 0, true), setval('process_ids', 1, false);
"""
OF_STARTS = (starts._BEGIN_START_SQL, starts._STARTS_SQL, starts._STORE_NAME_SQL, translate(starts.KNOWN_START_SQL)[0])
"""Statements about which start of the store this is: the model has one that never changes."""


def prepare(elsewhere: ConnectionThread, url: str) -> Any:
    """Return a connection to a database in which runs can be played."""

    async def connect() -> Any:
        connection = await asyncpg.connect(
            url, server_settings={"search_path": "virtual, pg_catalog, public", "virtual.now": "0"}
        )
        await connection.execute(
            "SET search_path = public; " + PREPARE + "SET search_path = virtual, pg_catalog, public"
        )
        return connection

    real = elsewhere.run(connect())
    elsewhere.keep(real)
    return real


class BothDatabases(SimulatedDatabase):
    """Carries out each statement twice, and compares. The servers receive the answers of PostgreSQL.

    Args:
        real: the connection that `prepare` has made.

    Attributes:
        compared: the number of equal answers.
    """

    def __init__(
        self, store: SharedStore, chance: Any, now: Callable[[], float], elsewhere: ConnectionThread, real: Any
    ) -> None:
        super().__init__(store, chance, now)
        self._elsewhere = elsewhere
        self._real = real
        self.compared = 0
        elsewhere.run(real.execute(RESET))

    def execute(self, server: int, text: str, values: Sequence[Any]) -> list[Any]:
        expected = self._outcome(lambda: SimulatedDatabase.execute(self, server, text, values))
        found = self._outcome(lambda: self._ask(text, values))
        if text not in OF_STARTS:
            real, model = _comparable(text, found), _comparable(text, expected)
            if real != model:
                raise AssertionError(
                    f"PostgreSQL answers {real}, and its model {model}, to {text[:60]} … with {values}"
                )
            self.compared += 1
        if isinstance(found, Exception):
            raise found
        return found

    def _outcome(self, call: Callable[[], list[Any]]) -> list[Any] | asyncpg.PostgresError:
        try:
            return call()
        except asyncpg.PostgresError as e:
            return e

    def _ask(self, text: str, values: Sequence[Any]) -> list[Any]:
        async def ask() -> list[Any]:
            await self._real.execute(f"SET virtual.now = '{self.clock():.6f}'")
            return list(await self._real.fetch(text, *values))

        found: list[Any] = self._elsewhere.run(ask())
        return found

    def roll_back_an_id(self) -> None:
        super().roll_back_an_id()
        self._elsewhere.run(self._real.execute(f"SELECT setval('message_ids', {self._store.highest})"))


def _comparable(text: str, outcome: Any) -> Any:
    # Without what has no order, and with the same types.
    if isinstance(outcome, asyncpg.PostgresError):
        return outcome.sqlstate
    if text == CALL_BATCH_SQL:
        row = outcome[0]
        answers = json.loads(row["answers"]) if row["answers"] else None
        ids = list(row["ids"])
        befores = [before for number, before in zip(ids, row["befores"] or (), strict=False) if number > 0]
        return ids, befores, row["first"], row["last"], _sorted(answers)
    rows = [tuple(_plain(value) for value in row) for row in outcome]
    if text == translate(processes._RENEW_SQL)[0]:
        mine, servers, ended, alive, now = rows[0]
        return mine, servers, sorted(ended), sorted(alive), round(now, 3)
    return sorted(rows) if text == translate(leases._TAKE_LEASES_SQL)[0] or "presence" in text else rows


def _sorted(answers: Any) -> Any:
    for answer in answers or ():
        for rows in answer.get("results", ()):
            if isinstance(rows, list):
                rows.sort(key=lambda row: row.get("id", 0))
                for row in rows:
                    row.get("offline", []).sort()
    return answers


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):  # of a process without users PostgreSQL returns lists of one NULL
        return [one for one in value if one is not None]
    return float(value) if isinstance(value, Decimal) else value
