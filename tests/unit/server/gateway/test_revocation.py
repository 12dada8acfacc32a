"""Tokens revoked by another process.

Their sockets are closed at once if the change names the token, otherwise once the store confirms that it is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tailwire.server.gateway.revocation import Revocation
from tailwire.server.ports.changes import Change
from tailwire.server.ports.refusal import Refused
from unit.server.gateway.fake_sockets import FakeSocket

pytestmark = pytest.mark.virtual


class Scene:
    """Users with sockets at this process, and a store that knows which tokens are valid."""

    def __init__(self) -> None:
        self.sockets: list[FakeSocket] = []
        self.valid: set[str] = set()
        self.revoked: list[tuple[str, str]] = []
        self.lookups: list[str] = []
        self.failures = 0
        self._listener: Callable[[Sequence[Change] | None], None] | None = None
        feed = SimpleNamespace(listen=self._listen)
        store = SimpleNamespace(feed=feed, tokens=SimpleNamespace(owner=self._owner))
        hub = SimpleNamespace(
            sockets_of=self._sockets_of,
            users_with_sockets=lambda: sorted({socket.uid for socket in self.sockets}),
            revoke=lambda uid, token: self.revoked.append((uid, token)),
        )
        self.revocation = Revocation(cast(Any, store), cast(Any, hub))

    def _listen(self, listener: Callable[[Sequence[Change] | None], None]) -> None:
        self._listener = listener

    def _sockets_of(self, uid: str) -> list[FakeSocket]:
        return [socket for socket in self.sockets if socket.uid == uid]

    async def _owner(self, token: str) -> tuple[str, int, int] | None:
        await asyncio.sleep(0)
        self.lookups.append(token)
        if self.failures:
            self.failures -= 1
            raise Refused("ERR_UNAVAILABLE")
        return ("somebody", 1, 0) if token in self.valid else None

    def open(self, uid: str, token: str, *, valid: bool) -> None:
        self.sockets.append(FakeSocket(uid, token=token))
        if valid:
            self.valid.add(token)

    async def hear(self, *changes: tuple[int, str, str], seconds: float = 0.5) -> None:
        assert self._listener is not None
        self._listener([Change(*change) for change in changes])
        await asyncio.sleep(seconds)

    async def miss_some(self) -> None:
        assert self._listener is not None
        self._listener(None)
        await asyncio.sleep(0.5)


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.open("alice", "old", valid=False)
    scene.open("alice", "new", valid=True)
    scene.open("bob", "gone", valid=False)
    return scene


async def test_revocation_of_a_token_by_another_process_ends_its_sockets_at_once(scene: Scene):
    await scene.hear((7, "token", "alice/old"))
    assert scene.revoked == [("alice", "old")]
    assert scene.lookups == []


@pytest.mark.parametrize("kind", ["tokens", "user"])
async def test_sockets_of_revoked_tokens_end_when_the_tokens_of_their_user_changed(scene: Scene, kind: str):
    await scene.hear((7, kind, "alice"))
    assert scene.revoked == [("alice", "old")]
    assert sorted(scene.lookups) == ["new", "old"]


async def test_own_changes_and_changes_other_than_of_tokens_end_no_socket(scene: Scene):
    await scene.hear((0, "token", "alice/old"), (0, "tokens", "alice"), (7, "group", "alice"), (8, "user", "carol"))
    assert (scene.revoked, scene.lookups) == ([], [])


async def test_revocation_by_another_process_that_is_reported_after_an_own_change_ends_its_sockets(scene: Scene):
    await scene.hear((0, "tokens", "alice"), (8, "token", "bob/gone"))
    assert scene.revoked == [("bob", "gone")]


async def test_all_sockets_are_checked_after_changes_were_missed(scene: Scene):
    await scene.miss_some()
    assert sorted(scene.revoked) == [("alice", "old"), ("bob", "gone")]
    assert sorted(scene.lookups) == ["gone", "new", "old"]


async def test_check_of_tokens_is_repeated_each_second_while_the_store_is_unavailable(scene: Scene, caplog):
    scene.failures = 2
    await scene.hear((7, "tokens", "bob"))
    assert (scene.revoked, scene.lookups) == ([], ["gone"])
    await asyncio.sleep(1)
    assert scene.lookups == ["gone"] * 2
    await asyncio.sleep(1)
    assert scene.revoked == [("bob", "gone")]
    assert "could not be checked" in caplog.text


async def test_tokens_that_change_after_a_finished_check_are_checked_too(scene: Scene):
    await scene.hear((7, "tokens", "bob"))
    scene.revoked.clear()
    await scene.hear((8, "tokens", "alice"))
    assert scene.revoked == [("alice", "old")]


async def test_failed_check_of_tokens_is_not_repeated_after_close(scene: Scene):
    scene.failures = 1
    await scene.hear((7, "tokens", "bob"))
    await scene.revocation.close()
    await asyncio.sleep(5)
    assert scene.revoked == []
    await scene.revocation.close()
