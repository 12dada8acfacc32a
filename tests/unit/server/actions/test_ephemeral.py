"""Who is reported as offline although the store refuses what is written or read for it."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from tailwire.server.actions.ephemeral import Ephemeral
from tailwire.server.actions.views import UserView
from tailwire.server.fanout.presence import SingleProcessPresence
from tailwire.server.ports.records import Event, UserRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World


class Stage:
    """Presence whose store refuses what is named in `refuses`.

    Attributes:
        refuses: "writes" of when users were last online, or the uid of a user who cannot be read.
        error: the error of such a write.
        online: the users with sockets.
        returning: users who get a socket while friends or blocked users are read.
        published: the uid and the action of each publication, in order.
        reported: the statuses that webhooks get, in order.
    """

    def __init__(self) -> None:
        self.refuses = ""
        self.error: Exception = Refused("ERR_UNAVAILABLE")
        self.online: set[str] = set()
        self.returning: set[str] = set()
        self.published: list[tuple[str, str]] = []
        self.reported: list[str] = []
        others: Any = SimpleNamespace(
            store=SimpleNamespace(
                users=SimpleNamespace(store_last_online=self._store_last_online, get=self._get),
                friends=SimpleNamespace(of_user=self._nobody),
                blocks=SimpleNamespace(blocked_or_blocking=self._nobody),
                webhooks=SimpleNamespace(any_enabled=True, add_events=self._add_events),
            ),
            directory=SimpleNamespace(is_online=self.online.__contains__, forget=lambda uid: None, public_view=self._view),
            delivery=SimpleNamespace(publish_presence=self._publish),
            world=World(), authorizer=None, sheds=lambda level: False,
        )  # fmt: skip
        hub: Any = SimpleNamespace(is_online=self.online.__contains__, away=set())
        self.ephemeral = Ephemeral(others, others, others, 10, lambda: True, SingleProcessPresence(hub))

    async def _store_last_online(self, uid: str, at: int) -> None:
        if self.refuses == "writes":
            raise self.error

    async def _get(self, uid: str) -> UserRow:
        if self.refuses == uid:
            raise self.error
        return UserRow(uid, uid, created_at=1)

    def _view(self, row: UserRow) -> UserView:
        return UserView(row, online=row.uid in self.online)

    async def _nobody(self, uid: str) -> set[str]:
        await asyncio.sleep(0)
        self.online |= self.returning
        return set()

    async def _add_events(self, events: list[Event]) -> None:
        self.reported += [json.loads(event.data or b"{}")["status"] for event in events]

    def _publish(self, uid: str, role: str, body: dict[str, Any], *others: object) -> None:
        self.published.append((uid, body["action"]))


@pytest.mark.parametrize("error", [Refused("ERR_UNAVAILABLE"), ValueError("of a program")])
async def test_user_goes_offline_for_others_although_the_time_cannot_be_stored(error):
    stage = Stage()
    stage.error = error
    for _ in range(2):
        stage.online.add("bob")
        await stage.ephemeral.user_came_online("bob")
        stage.online.remove("bob")
        stage.refuses = "writes"
        await stage.ephemeral.user_went_offline("bob")
    assert stage.published == [("bob", "online"), ("bob", "offline")] * 2


@pytest.mark.parametrize("refused", ["writes", "bob"])
async def test_users_of_a_server_that_has_ended_are_reported_although_one_is_refused(refused):
    stage = Stage()
    stage.refuses = refused
    stage.online.add("carol")
    await stage.ephemeral.publish_offline(["alice", "bob", "carol", "dave"], 1)
    assert stage.published == [(uid, "offline") for uid in ("alice", "bob", "dave") if uid != refused]


async def test_user_who_returns_before_they_are_reported_as_offline_is_not_reported():
    stage = Stage()
    stage.returning.add("bob")
    await stage.ephemeral.publish_offline(["bob", "dave"], 1)
    assert (stage.published, stage.reported) == ([("dave", "offline")], ["offline"])
