"""`tailwire migrate --follow`: a chat moves to PostgreSQL while its server goes on writing."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress

import asyncpg
import pytest
from moves import check_same_rows, command

from harness import Actor, LiveStage
from sizes import only_in_full
from tailwire import CometChatException, Group, TextMessage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
NETWORK_ERRORS = ("NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE")
PAUSE_SECONDS = 0.01
"""Between two writes: the machine has other tests to run."""


class Move:
    """A running `tailwire migrate --follow`, with the lines that it has printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def until(self, words: str, times: int = 1) -> str:
        """Read until as many lines as `times` contain these words, and return the last of them."""
        assert self.process.stdout is not None
        while len(found := [line for line in self.lines if words in line]) < times:
            line = await self.process.stdout.readline()
            assert line, "\n".join(self.lines)
            self.lines.append(line.decode().rstrip())
        return found[-1]

    async def ended(self) -> tuple[int, str]:
        """Wait for the end, and return the exit code and all that was printed."""
        rest, _ = await self.process.communicate()
        return self.process.returncode or 0, "\n".join([*self.lines, rest.decode()])


@asynccontextmanager
async def following(live: LiveStage, url: str) -> AsyncIterator[Move]:
    """Start the command on the folder of the server, and end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tailwire.cli.main", "migrate", "--follow", "--to", url, "--data", str(live.server.data),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env={**os.environ},
    )  # fmt: skip
    try:
        yield Move(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def keep_sending(actor: Actor, receiver: str, stop: asyncio.Event, stored: list[TextMessage]) -> None:
    """Send one message after the other. A message whose response is lost is sent again, with the same muid."""
    number = 0
    while not stop.is_set():
        text = f"{actor.chat.get_logged_in_user().uid} {number}"
        before = len(stored)
        await actor.say_or_not(receiver, text, stored)
        if len(stored) > before:
            number += 1
        else:
            await actor.wait_connected()
        await asyncio.sleep(PAUSE_SECONDS)


async def keep_changing(actor: Actor, stored: list[TextMessage], stop: asyncio.Event) -> int:
    """Change what is stored already, in place, and remove some of it. Return how many changes were made."""
    made, repeated = 0, False
    while not stop.is_set():
        try:
            await change_once(actor, stored, made)
        except CometChatException as error:
            if error.code in NETWORK_ERRORS:
                await actor.wait_connected()
                repeated = True
                continue
            if not repeated:  # otherwise it was made, and only its response was lost
                raise
        made, repeated = made + 1, False
        await asyncio.sleep(PAUSE_SECONDS)
    return made


async def change_once(actor: Actor, stored: list[TextMessage], number: int) -> None:
    """Make the next of several kinds of changes, which take turns."""
    chat, (turn, kind) = actor.chat, divmod(number, 8)
    message = stored[turn * 7 % len(stored)] if stored else await actor.say("bob", "to begin with")
    match kind:
        case 0:
            message.text = f"edited {number}"
            await chat.edit_message(message)
        case 1:
            await chat.add_reaction(message.id, f"r{turn}")
        case 2:
            await (chat.save_message(message.id) if turn % 2 == 0 else chat.pin_message(message.id))
        case 3 if turn % 3 == 0:
            await chat.remove_reaction(message.id, f"r{turn}")
        case 4 if turn % 4 == 0:
            await chat.unsave_message(message.id)
        case 5:
            await (chat.leave_group("g") if turn % 2 else chat.join_group("g"))
        case 6 if turn % 2 == 0:
            await actor.say("g", "as a member", "group")
        case 7:
            await chat.delete_message((await actor.say("bob", "gone")).id)


async def test_nothing_is_lost_doubled_or_reordered_while_clients_write_during_the_move(
    live: LiveStage, postgres_url: str
):
    alice, bob, carol = await live.enter("alice"), await live.enter("bob"), await live.enter("carol")
    await carol.chat.create_group(Group(guid="g", name="Grün", type="public"))
    await bob.chat.join_group("g")
    stop, of_alice, of_carol = asyncio.Event(), [], []
    writers = [
        asyncio.create_task(keep_sending(alice, "bob", stop, of_alice)),
        asyncio.create_task(keep_sending(carol, "alice", stop, of_carol)),
        asyncio.create_task(keep_changing(alice, of_alice, stop)),
    ]
    await bob.ears.until(lambda: len(bob.ears.texts) > 20)
    async with following(live, postgres_url) as move:
        await move.until("Stop the server")
        known = len(of_alice)
        await bob.ears.until(lambda: len(of_alice) > known + 20)  # so that the last pass has something to do
        await live.server.stop()
        code, output = await move.ended()
        assert code == 0, output
    assert "last pass: 0 rows" not in output
    await check_same_rows(live.server.data / "tailwire.db", postgres_url)
    live.server._settings["TAILWIRE_DATABASE"] = postgres_url
    await live.server.start()
    known = len(of_alice)
    await bob.ears.until(lambda: len(of_alice) > known + 20)
    stop.set()
    *_, changes = await asyncio.gather(*writers)
    assert changes > 30

    for sender, receiver, stored in ((alice, bob, of_alice), (carol, alice, of_carol)):
        uid = sender.chat.get_logged_in_user().uid
        last = stored[-1].id
        await receiver.ears.until(lambda r=receiver, last=last: any(m.id == last for m in r.ears.all("text")))
        got = [m for m in receiver.ears.all("text") if m.muid.startswith(f"{uid} ")]
        assert [m.id for m in got] == sorted({m.id for m in got})
        assert [m.muid for m in got] == [f"{uid} {n}" for n in range(len(stored))]
        assert [m.id for m in got] == [m.id for m in stored]
        kept = [m.id async for m in sender.chat.messages(uid=receiver.chat.get_logged_in_user().uid, page_size=100)]
        assert {m.id for m in stored[-5:]} <= set(kept)
        assert not receiver.ears.all("gap")
    for actor in (alice, bob, carol):
        await actor.wait_connected()


STOP_IN_FULL = [pytest.mark.thorough, only_in_full("the same with a server that is killed")]


@pytest.mark.parametrize("end", [pytest.param("stop", marks=STOP_IN_FULL), "kill"])
async def test_server_started_on_postgresql_before_the_move_has_ended_has_all_messages(
    live: LiveStage, postgres_url: str, end: str
):
    alice, bob = await live.enter("alice"), await live.enter("bob")
    await alice.say("bob", "on SQLite")
    async with following(live, postgres_url) as move:
        await move.until("Stop the server")
        await alice.say("bob", "after the copy")
        await getattr(live.server, end)()
        live.server._settings["TAILWIRE_DATABASE"] = postgres_url
        await live.server.start()  # without waiting for the command
        assert (await move.ended())[0] == 0
    await bob.wait_connected()
    await alice.say("bob", "on PostgreSQL")
    await bob.ears.until(lambda: bob.ears.texts == ["on SQLite", "after the copy", "on PostgreSQL"])


async def test_nothing_is_kept_of_a_move_that_is_interrupted(live: LiveStage, postgres_url: str):
    alice = await live.enter("alice")
    await alice.say("bob", "first")
    async with following(live, postgres_url) as move:
        await move.until("Stop the server")
        move.process.send_signal(signal.SIGINT)
        code, output = await move.ended()
    assert (code, "nothing is kept" in output) == (1, True), output
    assert not [path.name for path in live.server.data.iterdir() if "copy" in path.name or "moved" in path.name]
    await alice.say("bob", "second")
    await live.server.stop()
    code, output = await command(live, "migrate", "--follow", "--to", postgres_url)
    assert code == 0, output
    await check_same_rows(live.server.data / "tailwire.db", postgres_url)


async def test_commands_and_servers_refuse_a_file_that_was_moved_to_postgresql(live: LiveStage, postgres_url: str):
    await live.server.stop()
    assert (await command(live, "migrate", "--to", postgres_url))[0] == 0
    code, output = await command(live, "user", "create", "dora", "Dora")
    assert (code != 0, "was moved to PostgreSQL" in output) == (True, True), output
    with pytest.raises(RuntimeError, match="was moved to PostgreSQL"):
        await live.server.start()
    (live.server.data / "tailwire.db.moved").unlink()
    await live.server.start()


async def test_numbers_of_removed_rows_are_not_given_out_again(live: LiveStage, postgres_url: str):
    alice, bob = await live.enter("alice"), await live.enter("bob")
    message = await alice.say("bob", "first")
    for reaction in ("👍", "🎉"):
        await bob.chat.add_reaction(message.id, reaction)
    await bob.chat.remove_reaction(message.id, "🎉")
    await live.server.stop()
    assert (await command(live, "migrate", "--to", postgres_url))[0] == 0
    with closing(sqlite3.connect(live.server.data / "tailwire.db")) as c:
        (sequence,) = c.execute("SELECT seq FROM sqlite_sequence WHERE name = 'reactions'").fetchone()
    connection = await asyncpg.connect(postgres_url)
    try:
        following_one = await connection.fetchval("SELECT nextval(pg_get_serial_sequence('reactions', 'id'))")
    finally:
        await connection.close()
    assert following_one == sequence + 1
