"""Compares the catch-ups of users who were away with what they received live according to the model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from rights.frames import key_of
from rights.operations import Key, ReceivedChange
from rights.stage import Backend
from rights.state import State

DEVICE = "away"
MOST_PAGES = 200
# The model's sockets have no features, so the model says nothing about these frames.
UNKNOWN_TO_THE_MODEL = ("conversation_list", "conversation_pin")


class Missed:
    """One device for each user, which has no socket, and catches up when it is asked to (`find_wrong`)."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._received_live: dict[str, set[Key]] = defaultdict(set)
        self._due: dict[str, set[Key]] = defaultdict(set)
        self._positions: dict[str, tuple[int, int]] = {}

    def record(self, changes: Iterable[tuple[ReceivedChange, str]]) -> None:
        """Record what users received live."""
        for one, _ in changes:
            for uid in (*one.must, *one.once, *one.may):
                self._received_live[uid].add(one.key)
            for uid in one.must:
                if one.key[0] == "message":
                    self._due[uid].add(one.key)

    async def find_wrong(self, state: State, uid: str) -> tuple[str, str] | None:
        """Catch up as a user. Return what they wrongly received or missed, as (rule, text); None if nothing."""
        got: list[Key] = []
        after, known = self._positions.get(uid, (0, 0))
        for _ in range(MOST_PAGES):
            listed, changes, meta = await self._page(uid, after, known)
            for frame in changes:
                if frame["type"] not in UNKNOWN_TO_THE_MODEL:
                    got.append(key_of(frame))
                elif frame["body"]["action"] == "group" and uid not in _members(
                    state, frame["body"]["conversationWith"]
                ):
                    return "catch-up: group", f"{uid} was told of a group that they are not a member of: {frame}"
            got += [("message", int(message["id"])) for message in listed]
            after, known = max([after, *(int(message["id"]) for message in listed)]), meta["known"]
            if not listed and not meta["more"]:
                break
        self._positions[uid] = after, known
        for key in got:
            if key not in self._received_live[uid]:
                return f"catch-up: {key[0]}", f"{uid} was told {key}, which they were not told live"
        due, self._due[uid] = self._due[uid], set()
        for key in due - set(got):
            if await self._is_there(uid, key):
                return f"catch-up missing: {key[0]}", f"{uid} was not told {key}, which they were told live"
        return None

    async def _page(self, uid: str, after: int, known: int) -> tuple[list[Any], list[Any], Any]:
        query = f"affix=append&id={after}&per_page=7&mark=none&changes={known}"
        token = self._backend.tokens[uid]
        answer = await self._backend.ask("GET", f"/messages?{query}", authtoken=token, resource=f"{uid}-{DEVICE}")
        assert answer.status == 200, answer.body
        meta = answer.json["meta"]["changes"]
        assert meta["lost"] == 0
        return answer.data, meta["listed"], meta

    async def _is_there(self, uid: str, key: Key) -> bool:
        # Not removed for all, nor by the user for themselves, nor an earlier edit. They may have left the group since.
        answer = await self._backend.ask("GET", f"/messages/{key[1]}")
        if answer.status != 200:
            return False
        message = answer.data
        kind = message["receiverType"]
        other = message["receiver"] if kind == "group" or message["sender"] == uid else message["sender"]
        page = await self._backend.ask("GET", f"/{kind}s/{other}/messages?id={key[1] + 1}&per_page=1", as_=uid)
        return page.status != 200 or any(int(one["id"]) == key[1] for one in page.data)


def _members(state: State, guid: str) -> Iterable[str]:
    group = state.groups.get(guid)
    return group.members if group is not None else ()
