"""Deleting a user deletes their personal data: files, words in the index, names and addresses in what others keep."""

from __future__ import annotations

import asyncio
import json
import sqlite3

import pytest

from rest import Rest

SECRETS = ("zanzibar", "quokka", "alice@example.com", "Alice Liddell")


async def leave_traces(rest) -> dict:
    """Create a user with an e-mail address, messages, mentions, memberships and files; delete some of these again."""
    await rest("PUT", "/users/alice", json={"name": "Alice Liddell", "metadata": {"email": "alice@example.com"}})
    text = {"receiver": "bob", "receiverType": "user", "data": {"text": "about zanzibar"}}
    await rest("POST", "/messages", as_="alice", json=text)
    single = await rest("POST", "/messages", as_="alice", json={**text, "data": {"text": "about quokka"}})
    await rest("GET", "/messages", as_="alice")
    assert await rest("GET", "/messages?searchKey=quokka", as_="bob")
    await rest("DELETE", f"/messages/{single['id']}", as_="alice")
    await rest("POST", "/groups", as_="bob", json={"guid": "g", "name": "G", "type": "public"})
    await rest("PUT", "/groups/g/members", as_="bob", json={"participants": ["alice"]})
    to_group = {"receiver": "g", "receiverType": "group"}
    kept = await rest("POST", "/messages", as_="bob", json={**to_group, "data": {"text": "hi <@uid:alice>"}})
    hers = await rest("POST", "/messages", as_="alice", json={**to_group, "data": {"text": "hello group"}})
    form = {**to_group, "type": "file", "data": "{}"}
    file = await rest("POST", "/messages", as_="alice", data=form, files={"f": ("cv of alice.txt", b"x")})
    return {"kept": kept["id"], "hers": hers["id"], "url": file["data"]["url"]}


def secrets_in(folder) -> list[str]:
    """Return the secrets of alice that the files of the database contain."""
    with sqlite3.connect(folder / "tailwire.db") as c:
        c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    c.close()
    held = b"".join(path.read_bytes() for path in folder.glob("tailwire.db*"))
    return [secret for secret in SECRETS if secret.encode() in held]


@pytest.mark.sqlite
@pytest.mark.parametrize("how", ["permanent", "anonymous"])
async def test_deleting_a_user_leaves_only_the_uid_and_if_anonymous_their_messages(stage, tmp_path, how):
    async with Rest(stage) as rest:
        traces = await leave_traces(rest)
        assert secrets_in(tmp_path)
        await rest("DELETE", "/users/alice", json={how: True})
        await stage.pass_time(4000)
        stay = ["zanzibar"] if how == "anonymous" else []
        assert [s for s in secrets_in(tmp_path) if s not in stay] == []
        answer = await rest.answer("GET", traces["url"])
        assert answer.status_code == (404 if how == "permanent" else 200)
        assert "alice" not in answer.headers.get("content-disposition", "")
        kept = await rest("GET", f"/messages/{traces['kept']}", as_="bob")
        assert kept["data"]["mentions"]["alice"]["name"] == "Deleted user"
        assert kept["data"]["text"] == "hi <@uid:alice>"
        if how == "anonymous":
            hers = await rest("GET", f"/messages/{traces['hers']}", as_="bob")
            assert (hers["sender"], hers["data"]["text"]) == ("alice", "hello group")
            assert hers["data"]["entities"]["sender"]["entity"]["name"] == "Deleted user"
        else:
            await rest.refused("ERR_MESSAGE_ID_NOT_FOUND", "GET", f"/messages/{traces['hers']}", as_="bob")
        found = await rest("GET", "/messages?searchKey=hi", as_="bob")
        assert [m["id"] for m in found] == [traces["kept"]]


async def test_deleting_a_user_keeps_messages_by_default(stage, tmp_path):
    async with Rest(stage) as rest:
        traces = await leave_traces(rest)
        await rest("DELETE", "/users/alice", json={})
        await stage.pass_time(4000)
        hers = await rest("GET", f"/messages/{traces['hers']}", as_="bob")
        assert hers["data"]["entities"]["sender"]["entity"]["name"] == "Alice Liddell"
        assert (await rest.answer("GET", traces["url"])).status_code == 200


@pytest.mark.sqlite
async def test_deleted_messages_leave_the_search_index(stage, tmp_path):
    async with Rest(stage) as rest:
        await leave_traces(rest)
        await stage.pass_time(4000)
        found = secrets_in(tmp_path)
        assert "zanzibar" in found
        assert "quokka" not in found


@pytest.mark.sqlite
async def test_deletion_interrupted_by_a_crash_is_completed_at_startup(stage, tmp_path, monkeypatch):
    async with Rest(stage) as rest:
        await leave_traces(rest)

        async def never_do_next() -> bool:
            await asyncio.Event().wait()
            return False

        monkeypatch.setattr(stage.server.parts.store.chores, "do_next", never_do_next)
        await rest("DELETE", "/users/alice", json={"permanent": True})
        await stage.server.kill()
        assert secrets_in(tmp_path) != []  # the deletion had not ended
        await stage.server.start()
        await stage.pass_time(4000)
        assert secrets_in(tmp_path) == []


async def test_messages_do_not_contain_user_metadata(stage, tmp_path):
    async with Rest(stage) as rest:
        bob = await stage.enter("bob")
        traces = await leave_traces(rest)
        for id_ in (traces["kept"], traces["hers"]):
            message = await rest("GET", f"/messages/{id_}", as_="bob")
            assert "alice@example.com" not in str(message)
        await bob.ears.until(lambda: "about zanzibar" in bob.ears.texts)
        (conversation,) = [c for c in await rest("GET", "/conversations", as_="bob") if "user" in c["conversationId"]]
        assert conversation["conversationWith"]["metadata"] == {"email": "alice@example.com"}
        assert (await rest("GET", "/users/alice", as_="bob"))["metadata"] == {"email": "alice@example.com"}
        rows = await stage.server.parts.store.database.rows("SELECT body FROM messages")
        held = [bytes(row[0]) for row in rows]
        assert held
        assert not [body for body in held if b"alice@example.com" in body]


async def test_everything_kept_about_a_user_can_be_exported(stage, tmp_path):
    async with Rest(stage) as rest:
        traces = await leave_traces(rest)
        await rest("POST", "/messages", as_="bob", json={**BOB_TO_CAROL, "data": {"text": "not for alice"}})
        answer = await rest.answer("GET", "/users/alice/export")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
        lines = [json.loads(line) for line in answer.text.splitlines()]
        kinds = {
            kind: [line["data"] for line in lines if line["kind"] == kind]
            for kind in ("user", "token", "group", "file")
        }
        assert (kinds["user"][0]["uid"], kinds["user"][0]["metadata"]) == ("alice", {"email": "alice@example.com"})
        assert [g["guid"] for g in kinds["group"]] == ["g"]
        assert [f["file_name"] for f in kinds["file"]] == ["cv of alice.txt"]
        messages = [line["data"] for line in lines if line["kind"] == "message"]
        assert {m["data"].get("text") for m in messages} >= {"about zanzibar", "hello group"}
        assert traces["url"] in [m["data"].get("url") for m in messages]
        assert not {"hi <@uid:alice>", "not for alice"} & {m["data"].get("text") for m in messages}
        assert rest.tokens["alice"] not in answer.text


async def test_export_contains_what_a_user_wrote_in_a_group_before_they_joined_it_again(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", as_="bob", json={"guid": "g", "name": "G", "type": "public"})
        for text in ("before", "after"):
            await rest("POST", "/groups/g/members", as_="alice")
            for uid in ("alice", "bob"):
                body = {"receiver": "g", "receiverType": "group", "data": {"text": f"{uid} {text}"}}
                await rest("POST", "/messages", as_=uid, json=body)
            if text == "before":
                await rest("DELETE", "/groups/g/members", as_="alice")
        lines = (await rest.answer("GET", "/users/alice/export")).text.splitlines()
        messages = [line["data"] for line in map(json.loads, lines) if line["kind"] == "message"]
        assert [m["data"]["text"] for m in messages if m["category"] == "message"] == ["alice before", "alice after"]


async def test_export_of_a_user_needs_a_known_uid_and_a_rest_key(stage):
    async with Rest(stage) as rest:
        await rest.refused("ERR_UID_NOT_FOUND", "GET", "/users/nobody/export")
        await rest.refused("AUTH_ERR_EMPTY_APIKEY", "GET", "/users/alice/export", as_="alice")


BOB_TO_CAROL = {"receiver": "carol", "receiverType": "user"}
