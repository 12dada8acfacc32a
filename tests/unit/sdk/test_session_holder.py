"""Keeping and saving the session of a client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from tailwire import CometChatException, MemorySessionStore
from tailwire.sdk.continuity.state import Position
from tailwire.sdk.gate import Gate
from tailwire.sdk.session import Session
from tailwire.sdk.session_holder import SAVE_DELAY_SECONDS, SessionHolder

ALICE = Session({"uid": "alice"}, "token")


class CountingStore(MemorySessionStore):
    """Counts the saves, and fails while `fails` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.saves, self.fails = 0, False

    def save(self, app_id: str, session: Mapping[str, Any]) -> None:
        self.saves += 1
        if self.fails:
            raise OSError(28, "No space left on device")
        super().save(app_id, session)


def holder() -> tuple[SessionHolder, CountingStore, Gate]:
    store, gate = CountingStore(), Gate()
    return SessionHolder("app", store, gate), store, gate


def saved_id(sessions: SessionHolder) -> int:
    """Return the last id of the saved position; 0 when none is saved."""
    position = Session.from_saved(sessions.load() or {}).position
    return position.last_id if position is not None else 0


def test_token_is_only_given_to_its_own_user():
    sessions, _, _ = holder()
    for ask in (sessions.require, lambda: sessions.token_of("alice")):
        with pytest.raises(CometChatException, match="USER_NOT_LOGGED_IN"):
            ask()
    sessions.replace(ALICE)
    assert sessions.token_of("alice") == "token"
    with pytest.raises(CometChatException, match="USER_NOT_LOGGED_IN"):
        sessions.token_of("bob")


@pytest.mark.virtual
async def test_moves_of_the_position_are_saved_together():
    sessions, store, _ = holder()
    sessions.replace(ALICE)
    for last_id in range(1, 6):
        sessions.served.record_all_handed_over(Position(last_id))
        sessions.save_soon()
    assert store.saves == 1
    await asyncio.sleep(SAVE_DELAY_SECONDS * 2)
    assert (store.saves, saved_id(sessions)) == (2, 5)
    sessions.save_soon()
    await asyncio.sleep(SAVE_DELAY_SECONDS * 2)
    assert store.saves == 2, "nothing has changed"


@pytest.mark.virtual
async def test_closed_client_saves_the_position_at_once_and_never_later():
    sessions, store, gate = holder()
    sessions.replace(ALICE)
    sessions.served.record_all_handed_over(Position(7))
    sessions.save_soon()
    gate.closed = True
    sessions.save_position()
    assert (store.saves, saved_id(sessions)) == (2, 7)
    sessions.served.record_all_handed_over(Position(8))
    sessions.save_soon()
    await asyncio.sleep(SAVE_DELAY_SECONDS * 2)
    assert store.saves == 2


def test_failing_store_is_logged_and_does_not_raise(caplog: pytest.LogCaptureFixture):
    sessions, store, _ = holder()
    store.fails = True
    with caplog.at_level(logging.ERROR, "tailwire"):
        sessions.replace(ALICE)
    assert "could not be saved" in caplog.text
    assert sessions.uid == "alice"
    store.fails = False
    sessions.save()
    assert sessions.load() is not None


def test_logout_deletes_the_saved_session():
    sessions, _, _ = holder()
    sessions.replace(ALICE)
    sessions.served.begin(Position(5))
    sessions.clear()
    assert (sessions.uid, sessions.load(), sessions.served.position) == ("", None, None)
