"""The blocking `Admin`: the same parts and calls as the async one, from any thread, with a real server."""

from __future__ import annotations

import concurrent.futures
import inspect
import os
import pickle
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import make_sync_face
import tailwire.admin
from sync_harness import SyncHarness, threads, until
from tailwire import AppSettingsBuilder, CometChatException, Group, GroupMember, TextMessage
from tailwire.sync import Admin, Iterating, Listing
from type_checking import assert_errors


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def parameters(function: object) -> list[tuple[str, object, object]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]  # type: ignore[arg-type]


@pytest.fixture
def admin(harness: SyncHarness) -> Iterator[Admin]:
    with Admin(harness.server.app_id, harness.settings().build(), harness.server.api_key) as admin:
        yield admin
    assert threads("tailwire admin") == 0


# Comparison with the async client.


def test_parts_match_the_async_client(harness: SyncHarness, admin: Admin):
    theirs = tailwire.admin.Admin(harness.server.app_id, harness.settings().build(), harness.server.api_key)
    parts = {name: part for name, part in vars(theirs).items() if not name.startswith("_")}
    assert {name: type(part) for name, part in parts.items()} == make_sync_face.parts()
    assert {name for name in vars(admin) if not name.startswith("_")} == set(parts)
    assert public(Admin) == {"close", "with_timeout"}
    for name, part in parts.items():
        assert public(type(getattr(admin, name))) - {"start"} == public(type(part)), name
    assert public(Listing) - {"start"} == public(tailwire.admin.Listing)


@pytest.mark.parametrize(
    ("part", "name"), [(p, n) for p, kind in make_sync_face.parts().items() for n in sorted(public(kind))]
)
def test_calls_match_the_async_client(admin: Admin, part: str, name: str):
    theirs = getattr(make_sync_face.parts()[part], name)
    ours = getattr(type(getattr(admin, part)), name)
    assert parameters(ours) == parameters(theirs)
    assert inspect.getdoc(ours) == inspect.getdoc(theirs)
    assert not inspect.iscoroutinefunction(ours)
    waits = inspect.iscoroutinefunction(theirs)
    assert waits or inspect.unwrap(theirs).__annotations__["return"].startswith("Listing["), "it is no list"


def test_constructor_matches_the_async_client():
    theirs, ours = parameters(tailwire.admin.Admin), parameters(Admin)
    assert [p for p in ours if p in theirs] == theirs
    assert [p[0] for p in ours if p not in theirs] == ["timeout"]


def test_stub_is_current():
    assert make_sync_face.ADMIN.read_text(encoding="utf-8") == make_sync_face.admin_face(), "run `make reference`"


RIGHT = """
from tailwire import AppSettingsBuilder, BaseMessage, TextMessage, User
from tailwire.sync import Admin

def right() -> str:
    with Admin("app", AppSettingsBuilder().set_region("us").build(), "key", timeout=5) as admin:
        user: User = admin.users.create("dora", name="Dora")
        sent: TextMessage = admin.messages.send(TextMessage(receiver="dora", text="x"))
        names = [group.name for group in admin.groups.list()]
        newest: list[BaseMessage] = admin.with_timeout(60).messages.all(newest_first=True).first(3)
        return user.uid + sent.text + admin.tokens.create("dora").token + names[0] + str(len(newest))
"""
WRONG = """
from tailwire.sync import Admin

async def wrong(admin: Admin) -> None:
    await admin.users.get("dora")
    admin.users.create("dora")
    admin.users.delete("dora", messages="burn")
    admin.aclose()
    async for user in admin.users.list():
        pass
"""


def test_type_checker_accepts_correct_calls_and_finds_wrong_ones(tmp_path: Path):
    assert_errors(tmp_path, {"right": RIGHT, "wrong": WRONG}, range(5, 10))


# With a server.


def test_users_groups_and_messages_are_managed(harness: SyncHarness, admin: Admin):
    dora, uid = harness.add_user(), harness.add_user()
    admin.users.update(dora, name="Dora")
    guid = f"hall-{dora}"
    admin.groups.create(Group(guid, "The hall"), owner=dora, members=[GroupMember(uid)])
    sent = [
        admin.messages.send(TextMessage(receiver=guid, receiver_type="group", text=str(n)), on_behalf_of=dora)
        for n in range(3)
    ]
    assert sent[0].sender.name == "Dora"
    listing = admin.messages.in_group(guid, newest_first=True)
    assert isinstance(listing, Listing)
    for _ in range(2):  # each iteration fetches the list again
        walk = iter(listing)
        assert isinstance(walk, Iterating)
        assert [m.text for m in walk if isinstance(m, TextMessage)] == ["2", "1", "0"]
    assert [m.id for m in listing.first(2)] == [sent[2].id, sent[1].id]
    assert listing.first(0) == []
    assert {m.uid for m in admin.groups.members(guid)} == {dora, uid}
    chat = harness.client()
    assert chat.login_with_auth_token(admin.tokens.create(dora).token).name == "Dora"


def test_list_longer_than_a_page_is_returned_in_full(admin: Admin):
    for n in range(101):
        admin.users.create(f"many-{n}", name="Many", tags=["many"])
    listing = admin.users.list(tags=["many"])
    assert len(list(listing)) == 101
    for user in listing:  # an iteration that ends early
        assert user.name == "Many"
        break


def test_concurrent_calls_of_eight_threads_each_get_their_own_result(harness: SyncHarness, admin: Admin):
    uids = [harness.add_user() for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda uid: admin.users.get(uid).uid, uids)) == uids


def test_errors_have_their_codes(harness: SyncHarness, admin: Admin):
    with pytest.raises(CometChatException, match="ERR_UID_NOT_FOUND") as caught:
        admin.users.get("nobody")
    assert caught.value.code == "ERR_UID_NOT_FOUND"
    with pytest.raises(CometChatException, match="ERR_GUID_NOT_FOUND"):
        list(admin.groups.members("nowhere"))
    with pytest.raises(ValueError, match="keep"):
        admin.users.delete(harness.add_user(), messages="burn")  # type: ignore[arg-type]
    settings = AppSettingsBuilder().override_client_host("http://127.0.0.1:1").build()
    with Admin("app", settings, "key", timeout=0.2) as nowhere:
        with pytest.raises(TimeoutError, match=r"get\(\) has not ended within 0.2 s"):
            nowhere.users.get("alice")
        with pytest.raises(CometChatException, match="NO_INTERNET_CONNECTION"):
            nowhere.with_timeout(None).users.get("alice")


def test_wrong_use_of_the_blocking_admin_is_refused_with_advice(harness: SyncHarness):
    settings = harness.settings().build()
    with pytest.raises(ValueError, match="REST API key"):
        Admin("app", settings, "")
    with pytest.raises(ValueError, match="timeout"):
        Admin("app", settings, "key", timeout=0)
    with Admin(harness.server.app_id, settings, harness.server.api_key) as admin:
        listing = admin.users.list()
        assert repr(listing).startswith("<tailwire.sync.Listing of ")
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(admin)
    admin.close()
    for call in (lambda: admin.users.get("x"), lambda: next(iter(listing)), lambda: admin.users.list().first()):
        with pytest.raises(CometChatException, match="ERR_CLIENT_CLOSED"):
            call()
    left = Admin(harness.server.app_id, settings, harness.server.api_key)
    with pytest.warns(ResourceWarning, match=r"tailwire\.sync\.Admin was dropped"):
        del left
    until(lambda: threads("tailwire admin") == 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork() here")
def test_client_is_refused_after_a_fork(admin: Admin):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # about fork() in a process with threads
        child = os.fork()
    if child == 0:
        try:
            admin.users.get("x")
        except RuntimeError as e:
            os._exit(0 if "before fork()" in str(e) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
