"""What all members have received or read once one of them has left or was removed, on each store."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from contract.neighbours import Clock
from planting import replaced
from tailwire.server.ports.change_log import ChangeKind, ChangeRow
from tailwire.server.ports.conversations import ConversationKey, key_of
from tailwire.server.ports.records import Draft, GroupRow, Stored
from tailwire.server.ports.standing import GroupAct
from tailwire.server.store.postgres import read_state as of_postgres
from tailwire.server.store.postgres import removal as removal_of_postgres
from tailwire.server.store.sql.read_state import MAX_SCANNED_MESSAGES
from tailwire.server.store.sqlite import read_state as of_sqlite
from tailwire.server.store.sqlite import removal as removal_of_sqlite

SENT, READ, LEFT = 10, 20, 30
"""The times of the steps."""


def anything(standing: object) -> None:
    pass


class Groups:
    """Groups with receipts. Users join, send, read and leave."""

    def __init__(self, store: Any, clock: Clock) -> None:
        self.store = store
        self._clock = clock
        self._guids: set[str] = set()

    @classmethod
    async def open(cls, open_store: Any, members: tuple[str, ...] = ()) -> Groups:
        """Open a store with the groups team, of these members, and crew; both belong to alice."""
        clock = Clock()
        groups = cls(await open_store(clock), clock)
        await groups.create("team", members)
        await groups.create("crew")
        return groups

    async def create(self, guid: str, members: tuple[str, ...] = ()) -> None:
        """Create a group of alice and these members."""
        self._guids.add(guid)
        await self.store.groups.add(GroupRow(guid, guid, "public", owner="alice", members_count=1, created_at=1))
        for uid in members:
            await self.join(uid, guid)

    def _key(self, uid: str, other: str) -> ConversationKey:
        return key_of(uid, other, "group" if other in self._guids else "user")

    def _announced(self, uid: str, guid: str, at: int) -> Draft:
        return Draft(self._key("", guid), uid, guid, "group", "action", "groupMember", b'{"data":{}}', at)

    async def join(self, uid: str, guid: str = "team") -> int:
        """Let a user join. Return the id of the message that announces it."""
        act = GroupAct(guid, uid, uid, anything)
        stored = await self.store.members.add(act, "participant", 1, lambda _: self._announced(uid, guid, SENT))
        return stored.message.id

    async def send(self, sender: str, receiver: str = "team", *, action: bool = False) -> int:
        """Send a message to a group, or to a user whose name is not that of one."""
        kind, category = "group" if receiver in self._guids else "user", "action" if action else "message"
        draft = Draft(self._key(sender, receiver), sender, receiver, kind, category, "text", b'{"data":{}}', SENT)
        return (await self.store.messages.add(draft)).message.id

    async def read(self, uid: str, up_to: int, of: str = "team", *, log: bool = True, read: bool = True) -> None:
        """Let a user read a group or another user, or receive it (`read` is false), up to a message.

        Args:
            log: False for a group that is too large for receipts of each member.
        """
        group = of if of in self._guids else ""
        await self.store.read_state.mark_up_to(self._key(uid, of), uid, up_to, READ, read=read, group=group, log=log)

    async def leave(self, uid: str, guid: str = "team") -> Stored:
        """Let a user leave a group."""
        self._clock.now = LEFT
        act = GroupAct(guid, uid, uid, anything)
        announced = self._announced(uid, guid, LEFT)
        stored, _ = await self.store.members.remove(act, lambda _: announced, receipt_members=9)
        return stored

    async def remove(self, uid: str, *, with_messages: bool = False, receipt_members: int = 9) -> None:
        """Remove a user."""
        self._clock.now = LEFT
        removal = self.store.removal
        await removal.remove_user(uid, with_messages=with_messages, receipt_members=receipt_members)

    async def times(self, *numbers: int) -> list[tuple[int | None, int | None]]:
        """Return when each message was received and read by all."""
        rows = [await self.store.messages.get(number) for number in numbers]
        return [(row.delivered_at, row.read_at) for row in rows]

    async def logged(self, uid: str) -> list[ChangeRow]:
        """Return the entries of the change log with which a sender learns what all have received or read."""
        log = self.store.change_log
        entries = await log.find(uid, "-", 0, await log.newest_number(), (), 50)
        return [e for e in entries if e.kind in (ChangeKind.READ_BY_ALL, ChangeKind.DELIVERED_TO_ALL)]


NOTHING, ALL = (None, None), (LEFT, LEFT)


async def test_messages_read_by_all_once_a_member_left_have_that_time_and_one_entry_per_sender_and_kind(open_store):
    groups = await Groups.open(open_store, ("bob", "carol", "dave"))
    sent = [await groups.send(sender) for sender in ("bob", "alice", "bob", "alice")]
    for uid in ("alice", "bob", "carol"):
        await groups.read(uid, sent[-1])
    stored = await groups.leave("dave")
    rows = [await groups.store.messages.get(number) for number in sent]
    assert [(row.delivered_at, row.read_at, row.updated_at) for row in rows] == [(LEFT, LEFT, LEFT)] * 4
    first = stored.by_all[0][3]
    assert stored.by_all == (
        ("alice", sent[3], False, first), ("bob", sent[2], False, first + 1),
        ("alice", sent[3], True, first + 2), ("bob", sent[2], True, first + 3),
    )  # fmt: skip
    for sender, newest, places in (("alice", sent[3], (0, 2)), ("bob", sent[2], (1, 3))):
        entries = await groups.logged(sender)
        kinds = (ChangeKind.DELIVERED_TO_ALL, ChangeKind.READ_BY_ALL)
        assert [(e.number, e.kind) for e in entries] == [
            (first + place, kind) for place, kind in zip(places, kinds, strict=True)
        ]
        found = {(e.subject, e.uid, e.device, e.to_uid, e.message_id, e.detail, e.at) for e in entries}
        assert found == {(key_of("", "team", "group"), "dave", "", sender, newest, "", LEFT)}
        assert all(sent[-1] <= e.after_id <= stored.message.id for e in entries)
    await groups.store.close()


async def test_leaving_records_separately_what_all_have_received_and_what_all_have_read(open_store):
    groups = await Groups.open(open_store, ("bob", "carol"))
    sent = [await groups.send("alice") for _ in range(4)]
    await groups.read("bob", sent[3], read=False)
    await groups.read("bob", sent[1])
    await groups.read("carol", sent[0], read=False)
    stored = await groups.leave("carol")
    assert [entry[:3] for entry in stored.by_all] == [("alice", sent[3], False), ("alice", sent[1], True)]
    assert await groups.times(*sent) == [(READ, LEFT), (LEFT, LEFT), (LEFT, None), (LEFT, None)]
    await groups.store.close()


async def test_leaving_a_group_changes_no_messages_of_other_groups_and_conversations(open_store):
    groups = await Groups.open(open_store, ("bob", "carol", "dave"))
    for uid in ("bob", "carol", "dave", "erin", "frank"):
        await groups.join(uid, "crew")  # erin and frank read nothing
    sent = await groups.send("alice")
    elsewhere = [await groups.send("alice", receiver) for receiver in ("crew", "gina")]
    later = [await groups.send("alice") for _ in range(2)]
    crew, direct = await groups.send("alice", "crew"), await groups.send("alice", "dave")
    for uid in ("bob", "carol"):
        await groups.read(uid, crew, "crew")
    await groups.read("dave", direct, "alice")
    for uid, up_to in (("alice", later[1]), ("bob", later[1]), ("carol", later[0])):
        await groups.read(uid, up_to)
    stored = await groups.leave("dave")
    assert [entry[:3] for entry in stored.by_all] == [("alice", later[0], False), ("alice", later[0], True)]
    assert await groups.times(sent, *later) == [ALL, ALL, NOTHING]
    assert await groups.times(*elsewhere) == [NOTHING] * 2
    await groups.store.close()


async def test_slower_one_of_two_others_decides_what_all_have_read(open_store):
    groups = await Groups.open(open_store, ("bob", "carol", "dave"))
    sent = [await groups.send(sender) for sender in ("carol", "alice", "carol", "alice")]
    for uid, up_to in (("alice", sent[1]), ("bob", sent[2]), ("carol", sent[3])):
        await groups.read(uid, up_to)
    stored = await groups.leave("dave")
    by_all = [("alice", sent[1]), ("carol", sent[0])]
    assert [entry[:3] for entry in stored.by_all] == [(*one, read) for read in (False, True) for one in by_all]
    assert await groups.times(*sent) == [ALL, ALL, NOTHING, NOTHING]
    await groups.store.close()


async def test_members_who_joined_later_count_as_having_read_what_was_sent_before(open_store):
    groups = await Groups.open(open_store, ("bob", "dave"))
    sent = await groups.send("alice")
    await groups.join("erin")
    later = await groups.send("alice")
    await groups.read("bob", later)
    stored = await groups.leave("dave")
    assert [entry[:3] for entry in stored.by_all] == [("alice", sent, False), ("alice", sent, True)]
    assert await groups.times(sent, later) == [ALL, NOTHING]
    await groups.store.close()


@pytest.mark.parametrize("has_read", [False, True])
async def test_messages_that_the_leaving_member_had_read_or_joined_after_stay_as_they_were(open_store, has_read):
    groups = await Groups.open(open_store)
    alone = await groups.send("alice")
    assert await groups.join("dave") == alone + 1
    await groups.join("bob")
    sent = [await groups.send("alice") for _ in range(2)]
    if has_read:
        await groups.read("dave", sent[0], log=False)
    await groups.read("bob", sent[1], log=False)
    stored = await groups.leave("dave")
    assert [entry[:3] for entry in stored.by_all] == [("alice", sent[1], False), ("alice", sent[1], True)]
    assert await groups.times(alone, *sent) == [NOTHING, NOTHING if has_read else ALL, ALL]
    await groups.store.close()


async def test_messages_of_the_one_who_leaves_and_actions_are_left_alone(open_store):
    groups = await Groups.open(open_store, ("bob", "carol", "dave"))
    own, action, sent = await groups.send("dave"), await groups.send("carol", action=True), await groups.send("alice")
    for uid in ("alice", "bob", "carol"):
        await groups.read(uid, action, log=False)
        await groups.read(uid, sent)
    stored = await groups.leave("dave")
    assert [entry[:3] for entry in stored.by_all] == [("alice", sent, False), ("alice", sent, True)]
    assert await groups.times(own, action, sent) == [NOTHING, NOTHING, ALL]
    await groups.store.close()


async def _open_with_one_that_was_read_unnoticed(open_store: Any) -> tuple[Groups, list[int]]:
    # All have read both messages of alice. Only that of the second was recorded; and dave has marked both as unread.
    groups = await Groups.open(open_store, ("bob", "dave"))
    sent = [await groups.send("alice") for _ in range(2)]
    for number, log in zip(sent, (False, True), strict=True):
        for uid in ("bob", "dave"):
            await groups.read(uid, number, log=log)
    await groups.store.read_state.mark_unread_after(key_of("", "team", "group"), "dave", sent[0] - 1)
    return groups, sent


async def test_messages_that_were_read_by_all_before_keep_their_time(open_store):
    groups, sent = await _open_with_one_that_was_read_unnoticed(open_store)
    stored = await groups.leave("dave")
    assert [entry[:3] for entry in stored.by_all] == [("alice", sent[0], True)]
    assert await groups.times(*sent) == [(None, LEFT), (READ, READ)]
    await groups.store.close()


def _look_at(monkeypatch: pytest.MonkeyPatch, messages: int) -> None:
    # Bound the number of messages that are looked at, as by `MAX_SCANNED_MESSAGES`.
    limited = [replaced(sql, "LIMIT 1000", f"LIMIT {messages}") for sql in of_postgres._ALL_WITHOUT_SQL]
    monkeypatch.setattr(of_postgres, "_ALL_WITHOUT_SQL", limited)
    monkeypatch.setattr(of_sqlite, "MAX_SCANNED_MESSAGES", messages)


async def test_leaving_marks_only_the_newest_messages_up_to_the_limit_as_read_by_all(open_store, monkeypatch):
    _look_at(monkeypatch, 2)
    groups = await Groups.open(open_store, ("bob", "carol", "dave"))
    sent = [await groups.send("alice") for _ in range(2)]
    await groups.send("alice", "crew")
    sent += [await groups.send("alice") for _ in range(3)]
    for uid in ("bob", "carol"):
        await groups.read(uid, sent[2])
    await groups.leave("dave")
    assert await groups.times(*sent) == [NOTHING, ALL, ALL, NOTHING, NOTHING]
    await groups.store.close()


async def test_messages_that_were_read_by_all_before_do_not_count_towards_the_limit(open_store, monkeypatch):
    _look_at(monkeypatch, 1)
    groups, sent = await _open_with_one_that_was_read_unnoticed(open_store)
    await groups.leave("dave")
    assert await groups.times(*sent) == [(None, LEFT), (READ, READ)]
    await groups.store.close()


async def test_reading_a_message_sent_before_the_join_marks_no_later_one_as_read_by_all(open_store):
    groups = await Groups.open(open_store)
    sent = [await groups.send("alice") for _ in range(2)]
    for uid in ("bob", "carol"):
        await groups.join(uid)
    await groups.read("bob", sent[0])
    assert await groups.times(*sent) == [(READ, READ), NOTHING]
    await groups.store.close()


async def test_messages_that_the_slowest_has_read_are_read_by_all_however_many_are_younger(open_store):
    groups = await Groups.open(open_store, ("bob", "carol"))
    sent = await asyncio.gather(*(groups.send("alice") for _ in range(MAX_SCANNED_MESSAGES + 60)))
    await groups.read("carol", sent[49])
    await groups.read("bob", sent[-1])
    assert await groups.times(sent[0], sent[49], sent[50]) == [(READ, READ), (READ, READ), NOTHING]
    await groups.store.close()


async def test_nothing_is_read_by_all_once_one_member_is_left(open_store):
    groups = await Groups.open(open_store, ("bob", "carol"))
    sent = await groups.send("carol")
    assert (await groups.leave("carol")).by_all == ()
    await groups.read("alice", sent)
    assert (await groups.leave("bob")).by_all == ()
    assert await groups.times(sent) == [NOTHING]
    await groups.store.close()


@pytest.mark.parametrize("seed", range(3, 7))
async def test_leaving_records_what_reading_everything_would_have_recorded(open_store, seed):
    """On PostgreSQL the two are written twice: in `read_state.py` and in `receipts_1.sql`."""
    chance = random.Random(seed)
    groups, members = await Groups.open(open_store), ("alice", "bob", "carol", "dave")
    sent: dict[str, list[int]] = {"left": [], "read": []}
    for guid in sent:
        await groups.create(guid, members[1:])
    for _ in range(35):
        what, log, some = chance.random(), chance.random() < 0.8, chance.randrange(1, 4)
        sends = what < 0.4 or len(sent["left"]) < 3
        uid = chance.choice(members if sends else (*members[:3], *members))  # dave seldom reads
        for guid, numbers in sent.items():
            if sends:
                numbers.append(await groups.send(uid, guid, action=what < 0.1))
            else:
                await groups.read(uid, numbers[-some], guid, log=log, read=what < 0.8)
    left = (await groups.leave("dave", "left")).by_all
    read = await groups.store.read_state.mark_up_to(
        key_of("", "read", "group"), "dave", sent["read"][-1], LEFT, read=True, group="read"
    )
    assert await groups.times(*sent["left"]) == await groups.times(*sent["read"])
    found, expected = (
        [(sender, sent[guid].index(number), kind) for sender, number, kind, _ in by_all]
        for guid, by_all in (("left", left), ("read", read.by_all if read else ()))
    )
    assert found == expected
    await groups.store.close()


@pytest.mark.parametrize("with_messages", [False, True])
async def test_messages_that_only_a_removed_user_had_not_read_become_read_by_all(open_store, with_messages):
    groups = await Groups.open(open_store, ("bob", "carol", "dave"))
    await groups.create("pair", ("dave",))
    for uid in ("bob", "carol", "dave"):
        await groups.join(uid, "crew")
    await groups.create("quartet", ("bob", "carol", "dave"))
    places = (("alice",), ("bob", "crew"), ("alice",), ("alice", "pair"), ("alice", "quartet"), ("dave",))
    sent = [await groups.send(*one) for one in places]
    for uid in ("alice", "bob", "carol"):
        await groups.read(uid, sent[0])
        await groups.read(uid, sent[1], "crew")
    for uid in ("bob", "dave"):
        await groups.read(uid, sent[4], "quartet")  # carol does not
    newest = await groups.store.change_log.newest_number()
    await groups.remove("dave", with_messages=with_messages)
    assert await groups.times(*sent[:5]) == [ALL, ALL, NOTHING, NOTHING, NOTHING]
    if not with_messages:
        assert await groups.times(sent[5]) == [NOTHING]
    # A receipt of a user who is not there could not be shown.
    assert await groups.store.change_log.newest_number() == newest
    assert [await groups.logged(uid) for uid in ("alice", "bob")] == [[], []]
    await groups.store.close()


async def test_removal_of_a_user_marks_no_message_of_a_group_too_large_for_receipts_as_read(open_store):
    groups = await Groups.open(open_store, ("bob", "carol", "dave"))
    for uid in ("bob", "carol", "dave", "erin"):
        await groups.join(uid, "crew")
    sent = [await groups.send("alice"), await groups.send("alice", "crew")]
    for uid in ("bob", "carol", "erin"):
        for number, guid in zip(sent, ("team", "crew"), strict=True):
            if uid != "erin" or guid == "crew":
                await groups.read(uid, number, guid, log=False)
    await groups.remove("dave", receipt_members=4)
    assert await groups.times(*sent) == [ALL, NOTHING]
    await groups.store.close()


async def test_removal_of_a_user_updates_receipts_first_in_the_groups_they_joined_last(open_store, monkeypatch):
    for module in (removal_of_postgres, removal_of_sqlite):
        limited = replaced(module.MEMBERSHIPS_WITH_RECEIPTS_SQL, "LIMIT 100", "LIMIT 1")
        monkeypatch.setattr(module, "MEMBERSHIPS_WITH_RECEIPTS_SQL", limited)
    groups = await Groups.open(open_store)
    for guid in ("a", "z", "m"):
        await groups.create(guid, ("bob", "carol"))
    for guid in ("a", "z", "m"):
        await groups.join("dave", guid)
    sent = [await groups.send("alice", guid) for guid in ("a", "z", "m")]
    for number, guid in zip(sent, ("a", "z", "m"), strict=True):
        for uid in ("bob", "carol"):
            await groups.read(uid, number, guid)
    await groups.remove("dave")
    assert await groups.times(*sent) == [NOTHING, NOTHING, ALL]
    await groups.store.close()
