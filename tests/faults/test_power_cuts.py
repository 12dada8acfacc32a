"""The power is cut at any moment: each acknowledged message is on the disk, and the database is whole."""

from __future__ import annotations

import contextlib
import os
import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.disk import Disk, Entry, Recorder, moments
from harness import LiveStage
from sizes import only_in_full, size
from tailwire import TextMessage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SENDS = 12
_ACKNOWLEDGED = re.compile(rb'"muid":"(power-\d+)"')


async def record_sends(live: LiveStage, folder: Path) -> tuple[Recorder, list[Entry]]:
    """Send some messages, react to each, and stop the server as a power cut does. Return what was recorded."""
    await live.server.kill()
    recorder = Recorder(live, folder)
    await live.server.start()
    alice = await live.enter("alice", auto=False)
    for n in range(SENDS):
        sent = await alice.chat.send_message(TextMessage(receiver="bob", text=f"text {n}", muid=f"power-{n}"))
        await alice.chat.add_reaction(sent.id, "👍")
    await live.server.kill()
    return recorder, recorder.entries()


def lost_at(database: Path, acknowledged: set[str]) -> set[str]:
    """Return the acknowledged messages that a database lacks.

    Raises:
        AssertionError: the database is damaged.
    """
    with contextlib.closing(sqlite3.connect(database)) as c:
        assert c.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        stored = {muid for (muid,) in c.execute("SELECT muid FROM messages WHERE muid LIKE 'power-%'")}
    return acknowledged - stored


def losses(recorder: Recorder, entries: list[Entry], folder: Path, chance: random.Random | None) -> Iterator[str]:
    """Cut the power at each moment. Yield what was lost at each that lost something."""
    disk, acknowledged, done = Disk(recorder.before), set[str](), 0
    for moment in moments(entries):
        for entry in entries[done:moment]:
            disk.take(entry)
            if entry.kind == "a":
                acknowledged |= {muid.decode() for muid in _ACKNOWLEDGED.findall(entry.data)}
        done = moment
        disk.after_power_cut(folder, chance)
        (database,) = folder.glob("*.db")
        lost = lost_at(database, acknowledged)
        if lost:
            yield f"{moment} of {len(entries)}: {sorted(lost)}"
    assert len(acknowledged) == SENDS, "the record lacks answers"


@pytest.mark.thorough
async def test_no_acknowledged_message_is_lost_wherever_the_power_is_cut(live: LiveStage, tmp_path: Path):
    recorder, entries = await record_sends(live, tmp_path)
    assert sum(entry.kind == "s" for entry in entries) >= SENDS
    assert list(losses(recorder, entries, tmp_path / "after", None)) == []
    for seed in range(size(1, 3)):
        assert list(losses(recorder, entries, tmp_path / "after", random.Random(seed))) == []


OFF_IN_FULL = [pytest.mark.thorough, only_in_full("the same with NORMAL, with which less is lost")]


@pytest.mark.parametrize("level", [pytest.param("OFF", marks=OFF_IN_FULL), "NORMAL"])
async def test_power_cut_loses_acknowledged_messages_if_commits_are_not_synced(
    live: LiveStage, tmp_path: Path, level: str
):
    # The same with a server that does not wait for the disk: what the other test looks for is there to be seen.
    (tmp_path / "sitecustomize.py").write_text(
        "from tailwire.server.store.sqlite import database\n"
        "honest = database._connect\n"
        "def connect(path):\n"
        "    c = honest(path)\n"
        f"    c.execute('PRAGMA synchronous = {level}')\n"
        "    return c\n"
        "database._connect = connect\n"
    )
    live.server._settings["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    recorder, entries = await record_sends(live, tmp_path)
    assert next(losses(recorder, entries, tmp_path / "after", None), "")
