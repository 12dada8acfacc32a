"""Where the sessions of bots are stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from tailwire import AppSettingsBuilder
from tailwire.bot import Bot
from tailwire.bot import bot as bot_module
from tailwire.bot.sessions import session_store_of


@pytest.fixture
def bots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the sessions of all bots."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return tmp_path / "tailwire" / "bots"


def folder_of(uid: str) -> Path:
    return session_store_of(uid)._path("app").parent


def test_sessions_of_each_uid_are_kept_in_a_folder_of_their_own(bots: Path):
    folders = {folder_of(uid) for uid in ("bob", "../bob", "carol")}
    assert len(folders) == 3
    assert all(folder.parent == bots for folder in folders)


def test_spellings_of_a_uid_share_a_session(bots: Path):
    assert folder_of("HelpBot") == folder_of("helpbot")


def test_session_that_was_saved_under_the_spelling_of_the_uid_continues(bots: Path):
    saved = bots / "HelpBot-1165b568"
    saved.mkdir(parents=True)
    assert folder_of("HelpBot") == saved
    folder_of("helpbot").mkdir()
    assert folder_of("HelpBot") == folder_of("helpbot") != saved


async def test_bot_uses_the_session_of_the_uid_as_it_was_given(bots: Path, monkeypatch: pytest.MonkeyPatch):
    used = []

    async def serve(bot: Bot, chat: object, auth_key: str) -> None:
        used.append(chat._sessions.store._path("app").parent)  # type: ignore[attr-defined]

    monkeypatch.setattr(bot_module.Bot, "_serve", serve)
    saved = bots / "HelpBot-1165b568"
    saved.mkdir(parents=True)
    await Bot("app", AppSettingsBuilder().build(), uid="HelpBot", auth_key="a key").serve()
    assert used == [saved]
