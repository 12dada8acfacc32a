"""Histories are read page by page in every documented way: each message comes exactly once.

Over HTTP, against the real server on virtual time. Many messages share a second, clocks are set back, and messages are
deleted between two pages.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import Stage
from rest import Rest
from tailwire.testing.virtual.loop import virtual_run

Row = dict[str, Any]

# Numbers of messages, and seconds by which the clock moves after them (negative: is set back).
histories = st.lists(st.tuples(st.integers(1, 4), st.sampled_from([0, 1, 3, -1])), min_size=1, max_size=4)
limits = st.integers(1, 5)
affixes = st.sampled_from(["append", "prepend"])
# Between two pages: which of the messages is deleted, and whether its place goes too.
deletions = st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=3)
LISTS = {
    "with a user": "/users/bob/messages?",
    "of a group": "/groups/g/messages?",
    "of all conversations": "/messages?",
    "in a thread": "/messages/{parent}/thread?",
    "found": "/messages?searchKey=needle&",
    "found in a conversation": "/groups/g/messages?searchKey=needle&",
    "changed since": "/users/bob/messages?updatedAt=1&",
    "without replies": "/groups/g/messages?hideReplies=1&categories=message&",
}


def border(rows: list[Row], affix: str) -> Row:
    """Return the message from which the next page is requested."""
    return rows[-1] if affix == "append" else rows[0]


# How a client continues from a response: the parameters of the next request.
WAYS = {
    "id": lambda rows, meta, affix: {"affix": affix, "id": border(rows, affix)["id"]},
    "id and sentAt": lambda rows, meta, affix: {
        "affix": affix, "id": border(rows, affix)["id"], "sentAt": border(rows, affix)["sentAt"],
    },
    "meta.next": lambda rows, meta, affix: meta["next"],
    "meta.cursor": lambda rows, meta, affix: meta["cursor"],
}  # fmt: skip


class Reader:
    """The reading user, alice, and the history that they may read.

    Attributes:
        parent: the id of the message with the thread.
    """

    def __init__(self, stage: Stage, rest: Rest) -> None:
        self.stage, self.rest = stage, rest
        self.parent = ""

    async def write(self, history: list[tuple[int, int]]) -> None:
        """Send the history: in turn to the user, to their group, and in a thread there."""
        await self.rest("POST", "/groups", behalf="bob", json={"guid": "g", "name": "G", "type": "public"})
        await self.rest("POST", "/groups/g/members", json={"participants": ["alice"]})
        sent = await self.say("/messages", "g", "needle parent")
        self.parent = sent["id"]
        for count, seconds in history:
            for n in range(count):
                await self.say("/messages", "alice", f"needle {n}")
                await self.say("/messages", "g", f"needle {n}")
                await self.say(f"/messages/{self.parent}/thread", "g", f"needle {n}")
            self.stage.server.world.wall_offset += seconds

    async def say(self, path: str, receiver: str, text: str) -> Row:
        kind = "group" if receiver == "g" else "user"
        body = {"receiver": receiver, "receiverType": kind, "data": {"text": text}}
        return await self.rest("POST", path, behalf="bob", json=body)

    async def page(self, path: str, query: dict[str, Any]) -> tuple[list[Row], Row]:
        answer = await self.rest.answer("GET", path.format(parent=self.parent) + urlencode(query), as_="alice")
        assert answer.status_code == 200, answer.text
        got = answer.json()
        return got["data"], got["meta"]

    async def all(self, path: str) -> list[str]:
        """Return the ids of a whole list, read at once, oldest first."""
        return [m["id"] for m in (await self.page(path, {"limit": 1000}))[0]]

    async def walk(self, path: str, limit: int, affix: str, way: str, gone: list[tuple[int, bool]] = ()) -> list[str]:
        """Read a list page by page, deleting messages in between, and return all ids, oldest first."""
        seen: list[str] = []
        query: dict[str, Any] = {"affix": affix}
        left = list(gone)
        for _ in range(200):
            rows, meta = await self.page(path, {**query, "limit": limit})
            assert meta["current"] == {"limit": limit, "count": len(rows)}
            assert meta["pagination"] == {"count": len(rows), "per_page": limit, "current_page": 1}
            if not rows:
                assert meta["cursor"] == {}
                return seen
            page = [m["id"] for m in rows]
            seen = [*seen, *page] if affix == "append" else [*page, *seen]
            query = WAYS[way](rows, meta, affix)
            if left:
                await self.delete(*left.pop(), rows)
        raise AssertionError("the list does not end")

    async def delete(self, which: int, permanent: bool, rows: list[Row]) -> None:
        """Delete a message, often the one at the border of a page."""
        chosen = rows[0] if which % 3 == 0 else rows[-1] if which % 3 == 1 else None
        number = chosen["id"] if chosen is not None else str(which)
        body = {"permanent": permanent}
        answer = await self.rest.answer("DELETE", f"/messages/{number}", json=body)
        assert answer.status_code in (200, 400, 403, 404), answer.text  # it may have been deleted before


def run(history: list[tuple[int, int]], what: Any) -> None:
    """Create a history and run a function on it."""

    async def main() -> None:
        with tempfile.TemporaryDirectory() as folder:
            async with Stage(Path(folder)) as stage, Rest(stage) as rest:
                reader = Reader(stage, rest)
                await reader.write(history)
                await what(reader)

    virtual_run(main())


def is_ordered(ids: list[str]) -> bool:
    """Return whether the ids rise strictly."""
    return [int(i) for i in ids] == sorted({int(i) for i in ids})


MANY = settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@MANY
@given(history=histories, limit=limits, ways=st.permutations([*WAYS]))
@pytest.mark.timeout(120)
def test_paging_by_id_and_by_returned_positions_returns_the_whole_history(history, limit, ways):
    async def walk_all(reader: Reader) -> None:
        for n, path in enumerate(LISTS.values()):
            whole = await reader.all(path)
            assert is_ordered(whole)
            for m, affix in enumerate(("append", "prepend")):
                way = ways[(n + m) % len(ways)]
                assert await reader.walk(path, limit, affix, way) == whole, (path, affix, way)

    run(history, walk_all)


@MANY
@given(history=histories, limit=limits, gone=deletions, affix=affixes, ways=st.permutations([*WAYS]))
@pytest.mark.timeout(120)
def test_deletion_between_pages_loses_no_other_message(history, limit, gone, affix, ways):
    async def walk_all(reader: Reader) -> None:
        for n, path in enumerate(("/users/bob/messages?", "/groups/g/messages?hideDeleted=1&", "/messages?")):
            for way in ways[n : n + 2]:
                before = await reader.all(path)
                seen = await reader.walk(path, limit, affix, way, gone)
                stayed = set(before) & set(await reader.all(path))
                assert is_ordered(seen), (path, way)
                assert stayed <= set(seen), (path, way)

    run(history, walk_all)


@MANY
@given(history=histories, limit=limits)
@pytest.mark.timeout(120)
def test_numbered_pages_return_the_whole_history(history, limit):
    async def walk_all(reader: Reader) -> None:
        for path in LISTS.values():
            whole = await reader.all(path)
            seen: list[str] = []
            number = 1
            while True:
                size = ("limit", "perPage", "per_page")[number % 3]
                rows, meta = await reader.page(path, {size: limit, "page": number})
                assert meta["pagination"]["current_page"] == number
                if not rows:
                    break
                seen = [*[m["id"] for m in rows], *seen]
                number += 1
            assert seen == whole, path

    run(history, walk_all)


@MANY
@given(history=histories, limit=limits)
@pytest.mark.timeout(120)
def test_paging_by_time_returns_each_second_once(history, limit):
    """`sentAt` alone excludes exactly the messages that share the second of the border."""
    rising = [(count, max(seconds, 0)) for count, seconds in history]

    async def walk_all(reader: Reader) -> None:
        path = "/users/bob/messages?"
        whole, _ = await reader.page(path, {"limit": 1000})
        for affix in ("append", "prepend"):
            seen: dict[str, int] = {}
            borders = set()
            query: dict[str, Any] = {"affix": affix}
            while True:
                rows, _ = await reader.page(path, {**query, "limit": limit})
                if not rows:
                    break
                assert not seen.keys() & {m["id"] for m in rows}
                seen |= {m["id"]: m["sentAt"] for m in rows}
                query = {"affix": affix, "sentAt": border(rows, affix)["sentAt"]}
                borders.add(query["sentAt"])
            assert {m["sentAt"] for m in whole if m["id"] not in seen} <= borders

    run(rising, walk_all)
