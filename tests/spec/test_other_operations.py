"""Operations of the REST API that the tests of the SDK do not reach: sessions, files, the service itself."""

from __future__ import annotations

from rest import Rest


async def form_for(rest: Rest, name: str, size: int):
    """Return the form for an upload by alice."""
    files = {"files": {"f": {"name": name, "size": size}}}
    return (await rest("POST", "/files/upload-url", as_="alice", json=files))["f"]


async def test_user_blocks_and_unblocks_others(stage):
    async with Rest(stage) as rest:
        blocked = await rest("POST", "/blockedusers", as_="alice", json={"blockedUids": ["bob", "carol"]})
        assert {uid: outcome["success"] for uid, outcome in blocked.items()} == {"bob": True, "carol": True}
        assert {user["uid"] for user in await rest("GET", "/blockedusers", as_="alice")} == {"bob", "carol"}
        await rest("DELETE", "/blockedusers", as_="alice", json={"blockedUids": ["bob"]})
        assert [user["uid"] for user in await rest("GET", "/blockedusers", as_="alice")] == ["carol"]


async def test_logout_ends_only_the_session_of_its_token(stage):
    async with Rest(stage) as rest:
        first, second = [
            (await rest("POST", "/users/alice/auth_tokens", json={"force": True}))["authToken"] for _ in "12"
        ]
        done = await rest("DELETE", "/me", headers={"apikey": "", "authtoken": first})
        assert done["message"] == "Logged out successfully."
        ended = {"apikey": "", "authtoken": first}
        await rest.refused("AUTH_ERR_AUTH_TOKEN_NOT_FOUND", "GET", "/me", headers=ended)
        assert (await rest("GET", "/me", headers={"apikey": "", "authtoken": second}))["uid"] == "alice"


async def test_online_users_and_members_are_counted_with_a_pass(stage):
    await stage.enter("alice")
    await stage.enter("bob")
    async with Rest(stage) as rest:
        await rest("POST", "/groups", behalf="alice", json={"guid": "g", "name": "G", "type": "public"})
        signed = {"apikey": "", "authorization": (await rest("PUT", "/me", as_="alice", json={}))["jwt"]}
        url = f"{stage.server.url}/api/v3.0/online-members"
        answer = await rest.answer("POST", url, headers=signed, json={})
        assert (answer.status_code, answer.json()["data"]["onlineUsersCount"]) == (200, 2)
        answer = await rest.answer("POST", url, headers=signed, json={"groups": ["g"]})
        assert answer.json()["data"]["groups"] == {"g": 1}


async def test_online_users_are_not_counted_with_a_forged_pass(stage):
    async with Rest(stage) as rest:
        url = f"{stage.server.url}/api/v3.0/online-members"
        answer = await rest.answer("POST", url, headers={"apikey": "", "authorization": "forged"}, json={})
        assert answer.status_code == 401


async def test_session_reports_are_answered_with_success(stage):
    async with Rest(stage) as rest:
        for path in ("/ping", "/user_sessions"):
            assert await rest("POST", path, headers={"apikey": ""}, json={"device": "d"}) == {"success": True}


async def test_form_uploads_a_file_whose_headers_can_be_read(stage):
    async with Rest(stage) as rest:
        form = await form_for(rest, "a.txt", 5)
        sent = {"data": form["request"]["body"], "files": {"file": ("a.txt", b"hello")}, "headers": {"apikey": ""}}
        assert form["request"]["url"] == f"{stage.server.url}/files"
        assert (await rest.answer("POST", f"{stage.server.url}/files", **sent)).status_code == 204
        name = form["attachment"]["url"].rpartition("/")[2]
        answer = await rest.answer("HEAD", f"/files/{name}", headers={"apikey": ""})
        assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "5", b"")


async def test_settings_are_public(stage):
    async with Rest(stage) as rest:
        settings = await rest("GET", "/settings", headers={"apikey": ""})
        assert stage.server.url.partition("://")[2] in str(settings)


async def test_openapi_document_is_public(stage):
    async with Rest(stage) as rest:
        document = (await rest.answer("GET", "/openapi.json", headers={"apikey": ""})).json()
        assert document["openapi"].startswith("3.")
        assert "/settings" in document["paths"]


async def test_role_is_read_by_its_name(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/roles", json={"role": "teacher", "name": "Teacher"})
        assert (await rest("GET", "/roles/teacher"))["name"] == "Teacher"
        await rest.refused("ERR_ROLE_NOT_FOUND", "GET", "/roles/nobody")


async def test_conversation_with_a_user_is_tagged(stage):
    async with Rest(stage) as rest:
        await rest(
            "POST", "/messages", behalf="bob", json={"receiver": "alice", "receiverType": "user", "data": {"text": "a"}}
        )
        tagged = await rest("PUT", "/users/bob/conversation", as_="alice", json={"tags": ["work"]})
        assert tagged["tags"] == ["work"]
        assert "tags" not in await rest("GET", "/users/alice/conversation", as_="bob")
