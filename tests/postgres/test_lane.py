"""The promises of the lane, on a real PostgreSQL: order, numbers of batches, known muids, refusals."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from postgres.writing import draft, draft_entry, open_lane
from tailwire.server.ports.refusal import Refused
from tailwire.server.store.postgres import lane as lane_module
from tailwire.server.store.postgres.drafts import Entry, QueuedEvent
from tailwire.server.store.postgres.lane import LaneClosed
from tailwire.server.store.postgres.unit import Unit


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url


async def rows(url: str, sql: str, *values) -> list[tuple]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql, *values)]
    finally:
        await connection.close()


async def test_ids_rise_and_are_acknowledged_in_order(url):
    lane = await open_lane(url)
    answered = []

    async def send():
        answered.append((await lane.submit(draft_entry())).id)

    await asyncio.gather(*(send() for _ in range(1200)))
    assert answered == list(range(1, 1201))
    assert await rows(url, "SELECT id FROM messages ORDER BY id") == [(n,) for n in range(1, 1201)]
    await lane.close()


async def test_answer_to_a_send_has_the_id_of_the_previous_message_of_its_conversation(url):
    lane = await open_lane(url)
    sends = [("alice", "bob"), ("alice", "carol"), ("bob", "alice"), ("alice", "bob"), ("carol", "alice")]
    placed = await asyncio.gather(*(lane.submit(draft_entry(sender=s, receiver=r)) for s, r in sends))
    assert [(p.id, p.predecessor_id) for p in placed] == [(1, 0), (2, 0), (3, 1), (4, 3), (5, 2)]
    again = await lane.submit(draft_entry(sender="bob", receiver="alice"))
    assert again.predecessor_id == 4
    await lane.close()


async def test_muid_is_stored_once_within_a_batch_and_after_it(url):
    lane = await open_lane(url)
    placed = await asyncio.gather(*(lane.submit(draft_entry(muid="m")) for _ in range(20)))
    assert [p.new for p in placed] == [True] + [False] * 19
    assert {p.id for p in placed} == {placed[0].id}
    assert (await lane.submit(draft_entry(muid="m"))) == (placed[0].id, False, 0)
    assert (await lane.submit(draft_entry(sender="bob", receiver="alice", muid="m"))).new
    assert await rows(url, "SELECT count(*) FROM messages") == [(2,)]
    await lane.close()


async def test_send_stores_conversation_participants_replies_mentions_files_and_events(url):
    lane = await open_lane(url)
    await rows(url, "INSERT INTO files (name, uid, file_name, mime_type, size, created_at, unused_since)"
               " VALUES ('f', 'alice', 'f', 'x', 1, 1, 1), ('g', 'alice', 'g', 'x', 1, 1, 1)")  # fmt: skip
    event = (QueuedEvent("w", "message_sent", None), QueuedEvent("w", "user_mentioned", b"whole"))
    await lane.submit(Entry(draft(mentions=("bob", "carol"), files=("f", "missing")), events=event))
    await lane.submit(draft_entry(sender="bob", receiver="alice", parent_id=1))
    await lane.submit(draft_entry(shown=False))
    assert await rows(url, "SELECT conversation_id, last_message_id, shown_message_id FROM conversations") == [
        ("u/alice/bob", 3, 1)
    ]
    assert await rows(url, "SELECT uid FROM participants ORDER BY uid") == [("alice",), ("bob",)]
    assert await rows(url, "SELECT reply_count FROM messages WHERE id = 1") == [(1,)]
    assert await rows(url, "SELECT uid, message_id FROM subscriptions") == [("bob", 1)]
    assert await rows(url, "SELECT uid, message_id FROM mentions ORDER BY uid") == [("bob", 1), ("carol", 1)]
    assert await rows(url, "SELECT place, key, name FROM file_uses") == [("message", "1", "f")]
    assert await rows(url, "SELECT name, used FROM files ORDER BY name") == [("f", 1), ("g", 0)]
    event_body = b'{"message":{"id":"1","data":{"text":"x"},"updatedAt":1}}'
    assert await rows(url, "SELECT body FROM deliveries ORDER BY id") == [(event_body,), (b"whole",)]
    await lane.close()


async def test_send_by_a_nonmember_of_a_group_is_refused_unless_it_is_already_stored(url):
    lane = await open_lane(url)
    await rows(url, "INSERT INTO members VALUES ('g', 'alice', 'participant', 1, 0)")
    entry = Entry(draft(receiver="g", kind="group", muid="m"), by_member=True)
    first, stranger = await asyncio.gather(
        lane.submit(entry), lane.submit(Entry(draft(sender="bob", receiver="g", kind="group"), by_member=True))
    )
    assert (first.new, stranger.id) == (True, 0)
    await rows(url, "DELETE FROM members")
    assert await lane.submit(entry) == (first.id, False, 0)
    assert await rows(url, "SELECT count(*) FROM messages") == [(1,)]
    await lane.close()


async def test_batch_repeated_after_a_lost_answer_is_stored_once(url):
    """The answer to a batch is lost after its commit: neither its messages nor its changes are doubled."""
    lane = await open_lane(url)
    await lane.submit(draft_entry(muid="known"))
    real = await lane._checked_connection()
    lost = 0

    class LosesAnswers:
        async def fetchrow(self, *arguments, **more):
            nonlocal lost
            await real.fetchrow(*arguments, **more)
            lost += 1
            raise ConnectionResetError("as planned")

        def is_closed(self):
            return False

        def terminate(self):
            real.terminate()

    lane._connection = LosesAnswers()
    unit = Unit()
    unit.run("INSERT INTO members VALUES ('g', 'alice', 'participant', :now::bigint, :last_id::bigint)", now=5)
    sends = [
        draft_entry(),
        draft_entry(muid="known"),
        Entry(draft(), unit),
        draft_entry(sender="bob", receiver="alice"),
    ]
    placed = await asyncio.gather(*(lane.submit(entry) for entry in sends))
    assert lost == 1
    assert [placed[0], placed[1], placed[3]] == [(2, True, 1), (1, False, 0), (5, True, 4)]
    assert (placed[2].message_id, placed[2].predecessor_id, placed[2].results) == (4, 2, (1,))
    assert await rows(url, "SELECT id FROM messages ORDER BY id") == [(1,), (2,), (4,), (5,)]
    assert await rows(url, "SELECT joined_at, joined_after_id FROM members") == [(5, 1)]
    await lane.close()


async def test_process_that_was_declared_dead_continues_under_a_new_identity(url):
    lane = await open_lane(url)
    forgotten = []
    lane.on_new_identity(lambda: forgotten.append(lane.process))
    old = lane.process
    await lane.submit(draft_entry())
    await rows(url, "DELETE FROM processes")
    assert (await lane.submit(draft_entry())).id == 2
    assert lane.process != old
    assert forgotten == [lane.process]
    assert await rows(url, "SELECT id FROM processes") == [(lane.process,)]
    await lane.close()
    assert await rows(url, "SELECT id FROM processes") == []


async def test_write_submitted_before_a_long_pause_is_made_under_the_new_identity(url, monkeypatch):
    # When the process wakes, the time for which writes wait for the database is over.
    monkeypatch.setattr(lane_module, "UNREACHABLE_SECONDS", 0.0)
    lane = await open_lane(url)
    await rows(url, "DELETE FROM processes")
    assert (await lane.submit(draft_entry())).new
    assert lane.errors.current == ""
    await lane.close()


async def test_faulty_entry_of_a_batch_fails_without_failing_the_others(url):
    lane = await open_lane(url)
    entries = [draft_entry(text=str(n)) for n in range(9)]
    entries[4] = draft_entry(muid="nul\0")
    broken = Unit()
    broken.run("INSERT INTO members VALUES ('g', 'half', 'participant', 1, 0)")
    broken.run("SELECT 1 / 0")
    entries[7] = Entry(draft(text="broken"), broken)
    results = await asyncio.gather(*(lane.submit(entry) for entry in entries), return_exceptions=True)
    assert [isinstance(r, Exception) for r in results] == [n in (4, 7) for n in range(9)]
    ids = [r.id for r in results if not isinstance(r, Exception)]
    assert ids == sorted(ids)
    assert await rows(url, "SELECT count(*) FROM messages") == [(7,)]
    assert await rows(url, "SELECT count(*) FROM members") == [(0,)]
    await lane.close()


async def test_unit_of_writes_is_not_carried_out_if_its_required_state_has_changed(url):
    lane = await open_lane(url)
    unit = Unit()
    unit.require_unchanged("(SELECT count(*) FROM members WHERE guid = :guid) = :count::bigint", guid="g", count=1)
    unit.run("INSERT INTO members VALUES (:guid, 'bob', 'participant', 1, 0)", guid="g")
    unit.invalidate("member", "g/bob")
    answer, other = await asyncio.gather(lane.submit(Entry(draft(), unit)), lane.submit(draft_entry()))
    assert (answer.again, answer.message_id, other.id) == (True, 0, 2)
    assert await rows(url, "SELECT count(*) FROM changes") == [(0,)]
    await rows(url, "INSERT INTO members VALUES ('g', 'alice', 'participant', 1, 0)")
    answer = await lane.submit(Entry(draft(), unit))
    assert (answer.again, answer.results, answer.ended, answer.message_id) == (False, (1,), None, 4)
    assert await rows(url, "SELECT id, kind, key FROM changes") == [(5, "member", "g/bob")]
    assert (await lane.submit(draft_entry())).id == 6
    await lane.close()


async def test_unit_of_writes_that_ends_early_stores_no_message(url):
    lane = await open_lane(url)
    for kind in ("until", "need"):
        unit = Unit()
        unit.run_returning("SELECT uid, :body::bytea AS body FROM members WHERE uid IN"
                  " (SELECT jsonb_array_elements_text(:uids::jsonb))", uids=["x"], body=b"\0\xff")  # fmt: skip
        if kind == "until":
            unit.end_if("EXISTS (SELECT FROM members) IS FALSE")
        else:
            unit.run_required("UPDATE members SET scope = 'admin'")
        unit.run("INSERT INTO members VALUES ('g', 'bob', 'participant', 1, 0)")
        answer = await lane.submit(Entry(draft(), unit))
        assert (answer.again, answer.ended, answer.message_id, answer.results[0]) == (False, 1, 0, [])
    assert await rows(url, "SELECT count(*) FROM messages") == [(0,)]
    await lane.close()


async def test_unit_of_writes_can_be_carried_out_without_a_message(url):
    lane = await open_lane(url)
    for ends, expected in ((False, (None, (1,))), (True, (1, (1,)))):
        unit = Unit()
        unit.run("INSERT INTO members VALUES ('g', :uid, 'participant', 1, 0)", uid=str(ends))
        if ends:
            unit.end_if("true")
        unit.invalidate("member", "g")
        answer = await lane.submit(Entry(unit=unit))
        assert (answer.ended, answer.results) == expected
        assert (answer.message_id, answer.predecessor_id) == (0, 0)
    assert await rows(url, "SELECT uid FROM members ORDER BY uid") == [("False",), ("True",)]
    assert await rows(url, "SELECT key FROM changes") == [("g",)]
    await lane.close()


async def test_other_processes_are_notified_of_the_first_and_last_id_of_a_batch(url):
    lane = await open_lane(url)
    heard: asyncio.Queue = asyncio.Queue()
    listening = await asyncpg.connect(url)
    await listening.add_listener("tailwire", lambda *notice: heard.put_nowait(notice[-1]))
    await asyncio.gather(*(lane.submit(draft_entry()) for _ in range(3)))
    async with asyncio.timeout(10):
        assert await heard.get() == "1 3"
    await listening.close()
    await lane.close()


async def test_waiting_writes_are_bounded_by_number_and_size(url, monkeypatch):
    lane = await open_lane(url)
    monkeypatch.setattr(lane_module, "MAX_WAITING_WRITES", 3)
    waiting = [lane.submit(draft_entry()) for _ in range(3)]
    with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
        lane.submit(draft_entry())
    await asyncio.gather(*waiting)
    monkeypatch.setattr(lane_module, "MAX_WAITING_BYTES", 2000)
    waiting = [lane.submit(draft_entry(text="x" * 1000))]
    with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
        lane.submit(draft_entry(text="x" * 1000))
    await asyncio.gather(*waiting)
    assert (await lane.submit(draft_entry(text="x" * 1000))).new
    await lane.close()
    with pytest.raises(LaneClosed):
        lane.submit(draft_entry())


class Deaf:
    """A connection whose answers are lost: it carries out a batch, or does not answer at all."""

    def __init__(self, real, *, carries_out: bool = True) -> None:
        self._real, self._carries_out = real, carries_out

    async def fetchrow(self, *arguments, **more):
        if self._carries_out:
            await self._real.fetchrow(*arguments, **more)
        raise TimeoutError  # as asyncpg does, without a text

    def is_closed(self):
        return False

    def terminate(self):
        self._real.terminate()


async def test_missing_answer_of_the_database_is_reported_as_a_failure_to_write(url, monkeypatch, caplog):
    """The failure has no text; the reason is named nevertheless, and it is noted when writes work again."""
    monkeypatch.setattr(lane_module, "UNREACHABLE_SECONDS", 0.0)
    lane = await open_lane(url)
    lane._connection = Deaf(await lane._checked_connection(), carries_out=False)
    with caplog.at_level("WARNING", "tailwire"), pytest.raises(Refused):
        await lane.submit(draft_entry())
    assert lane.errors.current == "no answer in time"
    assert "the store cannot write: no answer in time" in caplog.text
    assert (await lane.submit(draft_entry())).new
    assert lane.errors.current == ""
    assert "the store writes again" in caplog.text
    await lane.close()


async def test_refusal_after_a_missing_answer_says_that_the_outcome_is_not_known(url, monkeypatch):
    monkeypatch.setattr(lane_module, "UNREACHABLE_SECONDS", 0.0)
    lane = await open_lane(url)
    lane._connection = Deaf(await lane._checked_connection())
    with pytest.raises(Refused) as refusal:
        await lane.submit(draft_entry())
    assert await rows(url, "SELECT count(*) FROM messages") == [(1,)]
    assert "not known whether" in str(refusal.value.details)
    await lane.close()


async def test_refusal_says_that_nothing_was_stored_when_the_batch_was_not_sent(url, monkeypatch):
    monkeypatch.setattr(lane_module, "UNREACHABLE_SECONDS", 0.0)
    lane = await open_lane(url)
    lane._throw_away()

    async def refused():
        raise ConnectionRefusedError("as planned")

    monkeypatch.setattr(lane, "_connect", refused)
    with pytest.raises(Refused) as refusal:
        await lane.submit(draft_entry())
    assert "Nothing was stored" in str(refusal.value.details)
    lane.abandon()
