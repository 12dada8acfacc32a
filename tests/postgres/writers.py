"""Processes that write to one database, and readers that follow the log as other server processes do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg

from postgres import writing

PROGRAM = Path(writing.__file__)


class WriterProcess:
    """A process that writes until it is killed.

    Attributes:
        acknowledged: ids of acknowledged messages, by text.
        slowest: the slowest send of each interval in ms.
    """

    def __init__(self, url: str, name: str, senders: int = 4, *, muids: bool = False) -> None:
        self._arguments = [url, name, str(senders), "muids" if muids else "none"]
        self.acknowledged: dict[str, int] = {}
        self.slowest: list[int] = []
        self._process: Any = None
        self._changed = asyncio.Condition()

    async def start(self) -> WriterProcess:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), *self._arguments, stdout=asyncio.subprocess.PIPE, env=environment
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        async for line in self._process.stdout:
            first, _, rest = line.decode().rstrip("\n").partition(" ")
            if not line.endswith(b"\n"):
                break  # killed in the middle of a line
            async with self._changed:
                if first == "slowest":
                    self.slowest.append(int(rest))
                else:
                    assert rest not in self.acknowledged, "acknowledged twice"
                    self.acknowledged[rest] = int(first)
                self._changed.notify_all()

    async def until(self, more: int, seconds: float = 60) -> None:
        """Wait until `more` further messages are acknowledged."""
        goal = len(self.acknowledged) + more
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: len(self.acknowledged) >= goal)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def kill(self) -> None:
        """Kill the process with -9, and read what it has acknowledged."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
        await self._process.wait()
        await self._reading

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None


_CONNECTED_WRITERS_SQL = (
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'tailwire writer' AND datname = current_database()"
)


class LogReader:
    """Reads `id > the last one read` over and over, as a process does that heals a gap.

    Attributes:
        read: the ids in the order in which they were read.
        polls: how often it has looked.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self.read: list[int] = []
        self.polls = 0
        self._ended = False

    async def run(self) -> None:
        connection: Any = None
        while not self._ended:
            try:
                if connection is None:
                    connection = await asyncpg.connect(self._url, timeout=5)
                await self._look(connection)
                await asyncio.sleep(0)  # as often as possible
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                if connection is not None:
                    connection.terminate()
                connection = None
                await asyncio.sleep(0.02)
        if connection is not None:
            connection.terminate()
        connection = await asyncpg.connect(self._url, timeout=5)
        async with asyncio.timeout(30):  # PostgreSQL may still commit what a killed writer has sent
            while await connection.fetchval(_CONNECTED_WRITERS_SQL):
                await asyncio.sleep(0.02)
        await self._look(connection)
        await connection.close()

    async def _look(self, connection: Any) -> None:
        last = self.read[-1] if self.read else 0
        found = await connection.fetch("SELECT id FROM messages WHERE id > $1 ORDER BY id", last, timeout=5)
        self.read += [row[0] for row in found]
        self.polls += 1

    def end(self) -> None:
        """Look once more when no writer is connected any longer, and end."""
        self._ended = True


async def check_stored(url: str, writers: list[WriterProcess], readers: list[LogReader]) -> int:
    """Check that nothing acknowledged is lost, doubled or out of order, and return the number of messages."""
    connection = await asyncpg.connect(url, timeout=10)
    found = await connection.fetch(
        "SELECT id, convert_from(body, 'UTF8')::jsonb #>> '{data,text}' FROM messages ORDER BY id"
    )
    await connection.close()
    stored = {text: number for number, text in found}
    assert len(stored) == len(found), "a message was stored twice"
    for writer in writers:
        assert all(stored.get(text) == number for text, number in writer.acknowledged.items()), "lost, or another id"
        ids = list(writer.acknowledged.values())
        assert ids == sorted(ids), "acknowledged out of order"
    everything = sorted(stored.values())
    for reader in readers:
        assert reader.read == everything, "a reader has missed a message, or read it late"
    return len(everything)
