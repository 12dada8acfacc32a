"""Lists of users and groups on each store, compared with a model: conditions at random, and their counts."""

from __future__ import annotations

import json
import random
from typing import Any

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.filters import GroupFilter, UserFilter
from tailwire.server.ports.records import Draft, GroupRow, UserRow
from tailwire.server.ports.standing import GroupAct

NAMES = ("Anna", "anna", "Bea", "Élan", "élan", "100%", "a_b")
SEARCHES = ("", "an", "ÉL", "10", "user-1", "GROUP-0", "a_")


def anything(standing: object) -> None:
    pass


def tagged(tags: str | None, wanted: tuple[str, ...]) -> bool:
    return bool({*json.loads(tags or "[]")} & {*wanted})


def found_by(search: str, *texts: str) -> bool:
    return any(text.lower().startswith(search.lower()) for text in texts)


def page(rows: list[Any], criteria: Any, key: str, sorts: dict[str, Any]) -> tuple[list[str], int]:
    """Return the keys of a page of the sorted rows, and the number of all of them."""
    rows = sorted(rows, key=lambda row: getattr(row, key))
    rows.sort(key=sorts[criteria.sort_by], reverse=criteria.descending)
    return [getattr(row, key) for row in rows[criteria.offset : criteria.offset + criteria.limit]], len(rows)


def conditions_at_random(chance: random.Random, fields: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: chance.choice(values) for name, values in fields.items() if chance.random() < 0.35}


async def test_filtered_lists_of_users_equal_those_of_the_model(open_store):
    store, chance = await open_store(), random.Random(5)
    users = []
    for n in range(30):
        tags = chance.choice([None, "[]", '["x"]', '["x","y"]'])
        row = UserRow(
            f"user-{n:02}", chance.choice(NAMES), role=chance.choice(["default", "child"]), tags=tags, created_at=n // 3
        )
        assert await store.users.add(row)
        users.append(row)
    gone, me = [row.uid for row in users[20:24]], "user-00"
    await store.users.deactivate(gone, 9)
    for uid in ("user-01", "user-21"):
        assert await store.friends.add(me, uid, 9, 10) == ""
    await store.blocks.add(me, ["user-02"], 9)
    await store.blocks.add("user-03", [me, "user-04"], 9)
    online = ("user-01", "user-02", "user-29")
    fields: dict[str, list[Any]] = {
        "search": [*SEARCHES], "search_in": [("name",), ("uid",)], "uids": [("user-01", "user-03", "user-21", "none")],
        "roles": [("child",)], "tags": [("y",), ("x", "z")], "friends_only": [True], "hide_blocked": [True],
        "online": [True, False], "deactivated": [True, None], "sort_by": ["uid", "createdAt"], "descending": [True],
        "limit": [4], "offset": [3],
    }  # fmt: skip
    sorts = {"name": lambda row: row.name, "uid": lambda row: row.uid, "createdAt": lambda row: row.created_at}
    for _ in range(200):
        f = UserFilter(me, online_uids=online, **conditions_at_random(chance, fields))
        left = [
            row
            for row in users
            if found_by(f.search, *[getattr(row, name) for name in f.search_in])
            and (f.deactivated is None or (row.uid in gone) is f.deactivated)
            and (not f.uids or row.uid in f.uids)
            and (not f.roles or row.role in f.roles)
            and (not f.tags or tagged(row.tags, f.tags))
            and (not f.friends_only or row.uid in ("user-01", "user-21"))
            and (not f.hide_blocked or row.uid not in ("user-02", "user-03"))
            and (f.online is None or (row.uid in online) is f.online)
        ]
        rows, total = await store.users.find(f)
        assert ([row.uid for row in rows], total) == page(left, f, "uid", sorts), f
    await store.close()


async def test_filtered_lists_of_groups_equal_those_of_the_model(open_store):
    store, chance = await open_store(), random.Random(6)
    groups = []
    for n in range(24):
        kind, owner = chance.choice(["public", "private", "password"]), chance.choice(["alice", "bob"])
        tags = chance.choice([None, '["x"]', '["x","y"]'])
        row = GroupRow(
            f"group-{n:02}", chance.choice(NAMES), kind, owner=owner, tags=tags, members_count=1, created_at=n // 3 + 1,
            updated_at=chance.choice([0, 5, 9]),
        )  # fmt: skip
        await store.groups.add(row)
        groups.append(row)
    mine = {row.guid for row in groups if row.owner == "alice"}
    for row in groups[:6]:
        if row.guid not in mine:
            sent = Draft(key_of("", row.guid, "group"), "alice", row.guid, "group", "action", "x", b'{"data":{}}', 9)
            await store.members.add(
                GroupAct(row.guid, "alice", "alice", anything), "participant", 9, lambda _, d=sent: d
            )
            mine.add(row.guid)
    fields: dict[str, list[Any]] = {
        "reader": ["alice"], "search": [*SEARCHES], "search_in": [("name",), ("guid",)], "tags": [("y",), ("x", "z")],
        "types": [("private",), ("public", "password")], "updated_from": [5, 6], "sort_by": ["guid", "createdAt"],
        "descending": [True], "limit": [4], "offset": [3],
    }  # fmt: skip

    def changed_at(row: GroupRow) -> int:
        return max(row.created_at, row.updated_at)

    sorts = {"name": lambda row: row.name, "guid": lambda row: row.guid, "createdAt": lambda row: row.created_at}
    for n in range(200):
        f = GroupFilter(**conditions_at_random(chance, fields))
        if n % 3 == 0:
            f = GroupFilter("alice", joined=True, types=f.types, tags=f.tags, limit=f.limit)
        left = [
            row
            for row in groups
            if found_by(f.search, *[getattr(row, name) for name in f.search_in])
            and (not f.joined or row.guid in mine)
            and (not f.reader or row.type != "private" or row.guid in mine)
            and (not f.types or row.type in f.types)
            and (not f.tags or tagged(row.tags, f.tags))
            and (
                not f.updated_from
                or (changed_at(row) <= f.updated_from if f.descending else changed_at(row) >= f.updated_from)
            )
        ]
        rows, total = await store.groups.find(f)
        assert ([row.guid for row in rows], total) == page(
            left, f, "guid", dict.fromkeys(sorts, changed_at) if f.updated_from else sorts
        ), f
    await store.close()
