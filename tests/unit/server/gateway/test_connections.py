"""The connections of a process, as an operator lists them."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tailwire.server.gateway.connections import OpenConnections
from unit.server.gateway.fake_sockets import FakeSocket


class Scene:
    """Connections of alice and bob, opened one second after the other."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sockets: list[FakeSocket] = []
        self.connections = OpenConnections(lambda: self.now, self._sockets_of)

    def _sockets_of(self, uid: str) -> list[Any]:
        return [socket for socket in self.sockets if socket.uid == uid]

    def open(self, uid: str, **facts: Any) -> FakeSocket:
        self.now += 1
        socket = FakeSocket(uid, opened_at=self.now, **facts)
        self.sockets.append(socket)
        self.connections.assign_number(cast(Any, socket))
        return socket

    def end(self, socket: FakeSocket, why: str) -> None:
        self.now += 1
        socket.ended_by = why
        self.sockets.remove(socket)
        self.connections.keep_ended(cast(Any, socket))

    def live(self, uid: str = "", before: int | None = None, limit: int = 10) -> list[int]:
        return [row.id for row in self.connections.open_newest_first(uid=uid, before_number=before, limit=limit)]

    def ended(self, uid: str = "", before: int | None = None, limit: int = 10) -> list[int]:
        return [row.id for row in self.connections.ended_newest_first(uid=uid, before_number=before, limit=limit)]


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    for uid in ("alice", "bob", "alice", "bob", "alice"):
        scene.open(uid)
    return scene


def test_connections_have_ascending_numbers_from_one_and_are_listed_newest_first(scene: Scene):
    assert scene.live() == [5, 4, 3, 2, 1]
    assert scene.live("alice") == [5, 3, 1]
    assert scene.live("carol") == []


def test_page_of_open_connections_has_only_those_below_the_given_number(scene: Scene):
    assert scene.live(limit=2) == [5, 4]
    assert scene.live(before=4, limit=2) == [3, 2]
    assert scene.live(before=2, limit=2) == [1]
    assert scene.live(before=1, limit=2) == []
    assert scene.live("alice", before=5, limit=1) == [3]
    assert scene.live("alice", before=4, limit=5) == [3, 1]


def test_connections_that_ended_are_listed_the_last_to_end_first(scene: Scene):
    for index in (1, 0, 2):  # bob's second, alice's first, alice's last
        scene.end(scene.sockets[index], "client: 1000")
    assert scene.ended() == [5, 1, 2]
    assert scene.ended("alice") == [5, 1]
    assert scene.ended(limit=2) == [5, 1]
    assert scene.ended(before=1) == [2]
    assert scene.ended("bob", before=5) == [2]
    assert scene.ended(before=99) == []
    assert scene.live() == [4, 3]


def test_connection_is_found_by_its_number_while_open_and_after_its_end(scene: Scene):
    socket = scene.sockets[1]
    opened = scene.connections.get(2)
    assert opened is not None
    assert (opened.uid, opened.end, opened.ended_at) == ("bob", None, 0.0)
    scene.end(socket, "server: 4009 nothing was received")
    ended = scene.connections.get(2)
    assert ended is not None
    assert ended.ended_at == 6.0
    assert ended.end == ("server", 4009, "nothing was received")
    assert [event.kind for event in ended.events] == ["opened", "ended"]
    assert scene.connections.get(99) is None


def test_connection_that_is_reported_as_ended_twice_is_listed_once(scene: Scene):
    scene.connections.keep_ended(cast(Any, scene.sockets[0]))
    scene.connections.keep_ended(cast(Any, scene.sockets[0]))
    assert scene.ended() == [1]


def test_app_state_is_shown_for_clients_that_report_it():
    scene = Scene()
    reports = frozenset({"appState", "a"})
    scene.open("alice", background_until=60.0, features=reports)
    scene.open("alice", features=reports)
    scene.open("alice", background_until=60.0)
    rows = scene.connections.open_newest_first(uid="", before_number=None, limit=5)
    assert [row.app_state for row in rows] == ["", "foreground", "background"]
    assert rows[1].features == ("a", "appState")
