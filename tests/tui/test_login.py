"""The login: refusals say what to do next, and what was entered once is remembered."""

from __future__ import annotations

import asyncio
import json
import stat

import pytest

from tailwire import ChatClient, User
from tui.conftest import Screen, Table
from tui.marks import needs_textual

pytestmark = [pytest.mark.gui, needs_textual]


async def test_wrong_token_is_refused_with_advice(table: Table):
    app = table.app(token="0" * 40)
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        await Screen(app, pilot).until("Not logged in.", "Paste a", "tailwire token create UID")


async def test_token_of_another_user_is_refused(table: Table):
    app = table.app(token=table.tokens["bob"])
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        await Screen(app, pilot).until("The token belongs to bob")
    assert list((table.folder / "profiles").rglob("session-*.json")) == []


async def test_token_of_another_user_is_not_revoked_and_the_saved_session_of_the_profile_stays(table: Table):
    async with table.chat():
        pass
    app = table.app(token=table.tokens["bob"])
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        await Screen(app, pilot).until("The token belongs to bob")
    await table.enter("bob")  # the token is still valid
    await table.others[-1].aclose()
    async with table.chat(token="") as screen:
        assert screen.app.chat.get_logged_in_user().uid == "alice"


async def test_user_id_may_be_entered_in_upper_case(table: Table):
    token = table.tokens["alice"]
    async with table.chat("ALICE", token=token) as screen:
        assert screen.app.chat.get_logged_in_user().uid == "alice"
    async with table.chat("Alice", token=""):  # the same profile, with its session
        pass
    assert [p["uid"] for p in json.loads((table.folder / "profiles" / "profiles.json").read_text())] == ["alice"]


async def test_server_that_does_not_run_is_named_with_advice(table: Table):
    app = table.app(url="http://127.0.0.1:9")
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        await Screen(app, pilot).until("Not logged in.", "`tailwire", "doctor")


async def test_missing_fields_are_named(table: Table):
    app = table.app(uid="alice", token="")
    app._profile = type(app._profile)("", "", "")
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        screen = Screen(app, pilot)
        await screen.until("tailwire chat", "Server")
        await screen.press("enter")
        await screen.until("Fill in the server's address.")


async def test_saved_profile_logs_in_without_a_token(table: Table):
    async with table.chat():
        pass
    app = table.app(token="")
    app._profile = type(app._profile)("", "", "")
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        screen = Screen(app, pilot)
        await screen.until("Saved profiles", "alice on 127.0.0.1")
        await screen.press("enter")
        await screen.until("● Alice")


async def test_token_can_be_pasted_for_a_named_user_while_other_profiles_are_saved(table: Table):
    async with table.chat():
        pass
    app = table.app(uid="bob", token="")
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        screen = Screen(app, pilot)
        await screen.until("Saved profiles", "There is no saved session of bob")
        await screen.type(table.tokens["bob"])
        await screen.press("enter")
        await screen.until("● Bob")


async def test_saved_profile_without_a_session_asks_for_its_token(table: Table):
    async with table.chat():
        pass
    for session in (table.folder / "profiles").rglob("session-*"):
        session.unlink()
    app = table.app(token="")
    app._profile = type(app._profile)("", "", "")
    async with app.run_test(size=(80, 30), notifications=True) as pilot:
        screen = Screen(app, pilot)
        await screen.until("Saved profiles", "alice on 127.0.0.1")
        await screen.press("enter")
        await screen.until("There is no saved session of alice")
        await screen.type(table.tokens["alice"])
        await screen.press("enter")
        await screen.until("● Alice")


async def test_profiles_contain_no_token_and_sessions_are_readable_only_by_the_user(table: Table):
    async with table.chat():
        pass
    folder = table.folder / "profiles"
    assert json.loads((folder / "profiles.json").read_text())[0]["uid"] == "alice"
    holders = [f for f in folder.rglob("*") if f.is_file() and table.tokens["alice"] in f.read_text()]
    assert [f.name.startswith("session-") for f in holders] == [True]
    for file in (folder / "profiles.json", *holders):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_chat_starts_from_a_saved_session_while_the_server_is_unreachable(table: Table):
    async with table.chat():
        pass
    table.server.stop()
    app = table.app(token="")
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = Screen(app, pilot)
        await screen.until("○ Alice", "ctrl+k jump")
        table.server.start()
        await screen.until("● Alice")


class HeldLogins:
    """Holds logins with a token back, and counts them.

    Attributes:
        begun: how many have begun.
        go_on: set to let them go on.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go_on = 0, asyncio.Event()
        log_in = ChatClient.login_with_auth_token

        async def held(chat: ChatClient, token: str) -> User:
            self.begun += 1
            await self.go_on.wait()
            return await log_in(chat, token)

        monkeypatch.setattr(ChatClient, "login_with_auth_token", held)


@pytest.fixture
def held_logins(monkeypatch) -> HeldLogins:
    return HeldLogins(monkeypatch)


async def test_second_request_while_a_login_runs_is_ignored(table: Table, held_logins: HeldLogins):
    app = table.app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = Screen(app, pilot)
        await screen.until("Logging in", holds=lambda: held_logins.begun == 1)
        await screen.type(table.tokens["alice"])
        await screen.press("enter")
        await screen.until("Logging in")
        held_logins.go_on.set()
        await screen.until("● Alice")
    assert held_logins.begun == 1


async def test_login_that_is_cancelled_leaves_the_session_free(table: Table, held_logins: HeldLogins):
    app = table.app()
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        screen = Screen(app, pilot)
        await screen.until("Logging in", holds=lambda: held_logins.begun == 1)
        cancelled = app.workers.cancel_group(app, "begin")
        await screen.until(holds=lambda: all(worker.is_finished for worker in cancelled))
        held_logins.go_on.set()
        await screen.type(table.tokens["alice"])
        await screen.press("enter")
        await screen.until("● Alice")
