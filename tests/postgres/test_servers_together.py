"""Servers on one database share what has to be done once: webhooks, cleanup, limits, presence."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import uvicorn

from harness import Actor
from push_receivers import Browser
from servers.nats import NatsServer
from servers.plain_sockets import PlainSocket
from servers.s3 import S3Server
from servers.together import ServerHere, Together, until
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore
from tailwire.server.app.pushing import NOTIFIER_LEASE, PUSH_LEASE
from tailwire.server.app.several import CLEANUP_LEASE, WEBHOOK_LEASE
from tailwire.server.push import lane as push_lane
from tailwire.server.push import web_push
from tailwire.server.store.postgres import upkeep
from tailwire.server.webhooks import post

EXPIRE = "UPDATE processes SET until = clock_timestamp() - interval '1 second' WHERE id = ?"


@pytest.fixture(autouse=True)
def quick_renewals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "RENEW_SECONDS", 0.1)


@pytest.fixture(autouse=True)
def patient_senders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no request of a webhook or notification that a test holds up be repeated, however slow the machine is."""
    for module, name in (
        (web_push, "TIMEOUT_SECONDS"),
        (push_lane, "ATTEMPT_TIMEOUT_SECONDS"),
        (post, "TIMEOUT_SECONDS"),
    ):
        monkeypatch.setattr(module, name, 120.0)


@pytest.fixture(params=["", "nats"])
def broker(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the setting `broker`: empty for the database, or the URL of a NATS server."""
    if not request.param:
        yield ""
        return
    server = NatsServer()
    server.start()
    yield server.url
    server.kill()


class Hook:
    """A webhook's receiver over a real socket: the texts of the messages that it was sent, in order."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.hold: asyncio.Event | None = None

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line.partition(b":")[2])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-l")
                )
                body = json.loads(await reader.readexactly(length))
                self.texts.append(body["data"]["message"]["data"]["text"])
                if self.hold is not None:
                    await self.hold.wait()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/in"
        finally:
            server.close()


class PushService(Browser):
    """A browser's push service over a real socket. `hold`: an event that the answers to new requests wait for."""

    hold: asyncio.Event | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        hold = self.hold

        async def send_later(message: Any) -> None:
            if hold is not None:
                await hold.wait()
            await send(message)

        await super().__call__(scope, receive, send_later)

    @property
    def bodies(self) -> list[str]:
        return [one["body"] for one in self.received]

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[dict[str, str]]:
        """Run the service, and yield the settings with which a server sends to it."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.host, self.port = listening.getsockname()
            config = uvicorn.Config(self, lifespan="off", log_config=None, access_log=False)
            server = uvicorn.Server(config)
            server.capture_signals = contextlib.nullcontext  # the test process handles signals itself
            serving = asyncio.create_task(server.serve([listening]))
            try:
                yield {"push_contact": "mailto:a@example.com", "push_targets": self.host, "push_delay": 0.1}
            finally:
                server.should_exit = True
                await serving


async def register(server: ServerHere, service: PushService, uid: str) -> None:
    made = await server.http.post(f"/users/{uid}/auth_tokens", json={})
    headers = {"appid": server.store.app_id, "authtoken": made.json()["data"]["authToken"]}
    body = {"platform": "web_push", "pushToken": service.subscription(uid)}
    async with httpx2.AsyncClient(base_url=f"{server.url}/v3", headers=headers) as http:
        done = await http.post("/notifications/push/v1/tokens", json=body)
    assert done.status_code == 200, done.text


async def make_users(server: ServerHere, *uids: str) -> None:
    for uid in uids:
        assert (await server.http.post("/users", json={"uid": uid, "name": uid})).status_code == 200


async def say(server: ServerHere, text: str) -> None:
    body = {"receiver": "bob", "receiverType": "user", "category": "message", "type": "text", "data": {"text": text}}
    sent = await server.http.post("/messages", json=body, headers={"onBehalfOf": "alice"})
    assert sent.status_code == 200, sent.text


async def make_hook(server: ServerHere, url: str) -> str:
    fields = {"id": "w", "name": "W", "webhookUrl": url, "enabled": True, "triggers": ["message_sent"]}
    made = await server.http.post("/webhooks", json=fields)
    assert made.status_code == 200, made.text
    return "w"


async def act(server: ServerHere, uid: str, method: str, path: str, **body: Any) -> None:
    answer = await server.http.request(method, path, headers={"onBehalfOf": uid}, **({"json": body} if body else {}))
    assert answer.status_code == 200, answer.text


async def test_member_removed_before_the_other_server_has_read_their_joining_receives_the_messages_between(
    postgres_url, tmp_path, broker, monkeypatch
):
    async with Together(tmp_path, postgres_url, broker=broker) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        place: Any = SimpleNamespace(url=other.url, app_id=other.store.app_id, auth_key=together.auth_key)
        async with PlainSocket(place, "bob") as socket:
            honest, may_read = other.store.log.read, asyncio.Event()

            async def read(after: int, up_to: int) -> Any:
                await may_read.wait()  # a slow database, or a busy server
                return await honest(after, up_to)

            monkeypatch.setattr(other.store.log, "read", read)
            await act(one, "alice", "POST", "/groups", guid="g", name="G", type="public")
            text = {"receiver": "g", "receiverType": "group", "category": "message", "type": "text"}
            for uid, method, path, sent_text in (
                ("bob", "POST", "/groups/g/members", "during"),
                ("alice", "DELETE", "/groups/g/members/bob", "after"),
            ):
                await act(one, uid, method, path)
                await act(one, "alice", "POST", "/messages", data={"text": sent_text}, **text)
            may_read.set()
            await say(one, "end")
            await until(lambda: "end" in socket.texts)
            assert socket.texts == ["during", "end"]
            actions = [f["body"]["data"].get("action") for f in socket.of_type("message")]
            assert actions == ["joined", None, "kicked", None]


async def test_edit_made_after_a_member_was_removed_is_not_shown_to_them_by_a_server_that_reads_late(
    postgres_url, tmp_path, broker, monkeypatch
):
    """Earlier messages are read with their present content, which a user removed before the edit may not see."""
    async with Together(tmp_path, postgres_url, broker=broker) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob", "carol")
        await act(one, "alice", "POST", "/groups", guid="g", name="G", type="public")
        place: Any = SimpleNamespace(url=other.url, app_id=other.store.app_id, auth_key=together.auth_key)
        async with PlainSocket(place, "bob") as socket, PlainSocket(place, "carol") as member:
            for uid in ("bob", "carol"):
                await act(one, uid, "POST", "/groups/g/members")
            text = {"receiver": "g", "receiverType": "group", "category": "message", "type": "text"}
            headers = {"onBehalfOf": "alice"}
            await act(one, "alice", "POST", "/messages", data={"text": "begin"}, **text)
            await until(lambda: "begin" in socket.texts and "begin" in member.texts)
            honest, may_read = other.store.log.read, asyncio.Event()

            async def read(after: int, up_to: int) -> Any:
                await may_read.wait()
                return await honest(after, up_to)

            monkeypatch.setattr(other.store.log, "read", read)
            ids = {}
            for kind in ("plain", "quoted", "edited"):
                body = {**text, "data": {"text": kind}}
                sent = await one.http.post("/messages", headers=headers, json=body)
                ids[kind] = sent.json()["data"]["id"]
            await act(
                one, "alice", "POST", "/messages", data={"text": "quoting"}, quotedMessageId=ids["quoted"], **text
            )
            await act(one, "alice", "DELETE", "/groups/g/members/bob")
            for kind in ("quoted", "edited"):
                await act(one, "alice", "PUT", f"/messages/{ids[kind]}", data={"text": "secret"})
            await act(one, "alice", "POST", "/messages", data={"text": "later"}, parentMessageId=ids["plain"], **text)
            may_read.set()
            await say(one, "end")
            await until(lambda: "end" in socket.texts)
            assert not [word for word in ("secret", "later", "replyCount") if word in json.dumps(socket.frames)]
            came = ["plain", "quoted", "edited", "quoting"] if broker else ["plain"]  # as sent, or read from the store
            assert socket.texts == ["begin", *came, "end"]
            await until(lambda: "secret" in json.dumps(member.frames))


def holders(together: Together, name: str) -> list[ServerHere]:
    return [server for server in together.servers if server.store.leases.holds(name)]


async def test_one_server_sends_for_a_webhook_in_order_whichever_queued_it(
    postgres_url: str, tmp_path: Path, broker: str
):
    hook = Hook()
    async with hook.listen() as url, Together(tmp_path, postgres_url, broker=broker) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        name = WEBHOOK_LEASE + await make_hook(one, url)
        await until(lambda: len(holders(together, name)) == 1 and other.store.webhooks.any_enabled)
        texts = [f"{n}" for n in range(40)]
        for n, text in enumerate(texts):
            await say((one, other)[n % 2], text)
        await until(lambda: len(hook.texts) >= 40)
        assert hook.texts == texts

        holder = holders(together, name)[0]
        left = other if holder is one else one
        await holder.stop()
        await until(lambda: left.store.leases.holds(name))
        await say(left, "after")
        await until(lambda: hook.texts[-1] == "after")
        assert hook.texts == [*texts, "after"]


async def test_server_that_was_declared_dead_stops_sending_for_a_webhook(postgres_url: str, tmp_path: Path):
    """The server has lost the lease, and cannot settle what it was sending: the other server sends that again."""
    hook = Hook()
    async with hook.listen() as url, Together(tmp_path, postgres_url) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        name = WEBHOOK_LEASE + await make_hook(one, url)
        await until(lambda: all(server.store.webhooks._by_trigger for server in (one, other)))
        await until(lambda: len(holders(together, name)) == 1)
        paused = holders(together, name)[0]
        running = other if paused is one else one
        hook.hold = asyncio.Event()
        for n in range(3):
            await say(running, f"{n}")
        await until(lambda: hook.texts == ["0"])
        process = paused.store.lane.process
        paused.store.upkeep.stop()  # as when it does not run
        await running.store.database.run("DELETE FROM processes WHERE id = ?", (process,))
        await until(lambda: running.store.leases.holds(name))
        hook.hold.set()
        await until(lambda: hook.texts.count("2") >= 1)
        assert sorted(set(hook.texts)) == ["0", "1", "2"]
        after = hook.texts[1:]  # what the paused one was sending may come twice, nothing else
        assert [text for text in after if text != "0"] == ["1", "2"]
        assert not paused.store.leases.holds(name)


async def test_one_server_notifies_of_each_message_once_whichever_stored_it(postgres_url: str, tmp_path: Path):
    service = PushService()
    async with service.serve() as settings, Together(tmp_path, postgres_url, **settings) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        names = [PUSH_LEASE + NOTIFIER_LEASE, f"{PUSH_LEASE}web"]
        await until(lambda: all(len(holders(together, name)) == 1 for name in names))
        await register(other, service, "bob")
        texts = [f"{n}" for n in range(20)]
        for n, text in enumerate(texts):
            await say((one, other)[n % 2], text)
        await until(lambda: len(service.received) >= len(texts))

        holder = holders(together, names[0])[0]
        left = other if holder is one else one
        await holder.stop()
        await until(lambda: all(left.store.leases.holds(name) for name in names))
        await say(left, "after")
        await until(lambda: "after" in service.bodies)
        assert sorted(service.bodies) == sorted([*texts, "after"]), "each message once"


WEB_PUSH = f"{PUSH_LEASE}web"


@asynccontextmanager
async def two_of_which_one_pushes(
    service: PushService, postgres_url: str, tmp_path: Path
) -> AsyncIterator[tuple[ServerHere, ServerHere]]:
    """Start two servers, with a device of bob. Yield the server that sends its notifications, and the other one."""
    async with service.serve() as settings, Together(tmp_path, postgres_url, **settings) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        await until(lambda: len(holders(together, WEB_PUSH)) == 1)
        (sender,) = holders(together, WEB_PUSH)
        running = other if sender is one else one
        await register(running, service, "bob")
        yield sender, running


async def test_server_that_was_declared_dead_stops_sending_notifications(postgres_url: str, tmp_path: Path):
    """The server has lost the lease: what it was sending may come twice, nothing else does, and nothing is lost."""
    service = PushService()
    async with two_of_which_one_pushes(service, postgres_url, tmp_path) as (paused, running):
        service.hold = asyncio.Event()
        try:
            for text in ("0", "1"):
                await say(running, text)
            await until(lambda: bool(service.received))
            process = paused.store.lane.process
            paused.store.upkeep.stop()  # as when it does not run
            paused.store.leases._held_until = 0.0  # as when it was paused for longer than it counts on the lease
            await running.store.database.run("DELETE FROM processes WHERE id = ?", (process,))
            await until(lambda: running.store.leases.holds(WEB_PUSH) and not paused.store.leases.holds(WEB_PUSH))
        finally:
            service.hold.set()
        for text in ("2", "3"):
            await say(running, text)

        async def nothing_waits() -> bool:
            return await running.store.notifications.count_waiting() == 0

        await until(lambda: {"0", "1", "2", "3"} <= set(service.bodies))
        await until(nothing_waits)
        counts = Counter(service.bodies)
        assert counts.keys() == {"0", "1", "2", "3"}
        assert {text for text, count in counts.items() if count > 1} <= {"0", "1"}
        assert max(counts.values()) <= 2


async def test_only_notifications_that_a_paused_server_had_begun_to_send_may_be_sent_twice(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The server has lost the lease in the middle of many: the other one sends those that it has not begun."""
    at_once = 4
    monkeypatch.setattr(push_lane, "SENDS_AT_ONCE", at_once)
    service = PushService()
    async with two_of_which_one_pushes(service, postgres_url, tmp_path) as (paused, running):
        service.hold = first = asyncio.Event()
        texts = [str(n) for n in range(3 * at_once)]

        async def all_wait() -> bool:
            return await running.store.notifications.count_waiting() == 1 + len(texts)

        try:
            await say(running, "first")
            await until(lambda: service.bodies == ["first"])
            await asyncio.gather(*(say(running, text) for text in texts))
            await until(all_wait)
            service.hold = asyncio.Event()
            first.set()
            await until(lambda: len(service.received) == 1 + at_once)
            begun = set(service.bodies)
            paused.store.upkeep.stop()
            paused.store.leases._held_until = 0.0  # as when it was paused for longer than it counts on the lease
            await running.store.database.run("DELETE FROM processes WHERE id = ?", (paused.store.lane.process,))
            await until(lambda: running.store.leases.holds(WEB_PUSH))
        finally:
            service.hold.set()

        async def nothing_waits() -> bool:
            return await running.store.notifications.count_waiting() == 0

        await until(nothing_waits)
        counts = Counter(service.bodies)
        assert counts.keys() == {"first", *texts}
        assert {text for text, count in counts.items() if count > 1} <= begun


async def test_one_server_cleans_up_and_another_takes_over_when_it_stops(postgres_url: str, tmp_path: Path):
    async with Together(tmp_path, postgres_url) as together:
        one, other = await together.add(), await together.add()
        await until(lambda: len(holders(together, CLEANUP_LEASE)) == 1)
        assert one.store.upkeep.cleans() is not other.store.upkeep.cleans()
        holder = holders(together, CLEANUP_LEASE)[0]
        left = other if holder is one else one
        await holder.stop()
        await until(lambda: left.store.leases.holds(CLEANUP_LEASE))


async def test_deleted_user_is_erased_through_a_server_that_does_not_clean_up(postgres_url: str, tmp_path: Path):
    async with Together(tmp_path, postgres_url) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        await until(lambda: len(holders(together, CLEANUP_LEASE)) == 1)
        another = other if one in holders(together, CLEANUP_LEASE) else one
        await say(another, "hello")
        deleted = await another.http.request("DELETE", "/users/alice", json={"permanent": True})
        assert deleted.status_code == 200

        async def erased() -> bool:
            return not await another.store.database.rows("SELECT 1 FROM messages WHERE sender = 'alice'")

        await until(erased)
        assert await another.store.users.get("alice") is None


async def test_server_that_cleans_up_does_the_chores_that_another_server_has_stored(postgres_url: str, tmp_path: Path):
    async with Together(tmp_path, postgres_url) as together:
        one, other = await together.add(), await together.add()
        await until(lambda: len(holders(together, CLEANUP_LEASE)) == 1)
        (holder,) = holders(together, CLEANUP_LEASE)
        cleanup = holder.parts.actions.cleanup
        await until(lambda: cleanup._task is None)  # it has looked for work once, and found none
        another = other if one is holder else one
        columns, values = "kind, key, done_id, up_to, due_at", "'late erasure', 'gone', 0, 0, 1"
        await another.store.database.run(f"INSERT INTO chores ({columns}) VALUES ({values})")

        async def done() -> bool:
            return not await another.store.database.rows("SELECT 1 FROM chores")

        await until(done)


@pytest.mark.parametrize("kept_for", [0.0, 1.0])
async def test_file_is_removed_with_its_message_whichever_server_deletes_it(
    postgres_url: str, tmp_path: Path, kept_for: float
):
    async with Together(tmp_path, postgres_url, deleted_files_after=kept_for) as together:
        servers = [await together.add(), await together.add()]
        await make_users(servers[0], "alice", "bob")
        await until(lambda: len(holders(together, CLEANUP_LEASE)) == 1)
        for uploading, deleting in zip(servers, reversed(servers), strict=True):
            fields = {"receiver": "bob", "receiverType": "user", "type": "file", "data": "{}"}
            alice = {"onBehalfOf": "alice"}
            sent = await uploading.http.post("/messages", data=fields, files={"f": ("a.txt", b"text")}, headers=alice)
            message = sent.json()["data"]
            name = message["data"]["attachments"][0]["url"].rpartition("/")[2]
            assert (await deleting.http.get(f"/files/{name}")).content == b"text"
            assert (await deleting.http.delete(f"/messages/{message['id']}", headers=alice)).status_code == 200

            async def gone(name: str = name) -> bool:
                return {(await server.http.get(f"/files/{name}")).status_code for server in servers} == {404}

            await until(gone)
            await until(lambda name=name: not (tmp_path / "data" / "uploads" / name).exists())


async def test_file_in_the_bucket_counts_once_towards_the_quota_if_another_server_sends_it(
    postgres_url: str, tmp_path: Path, s3: S3Server
):
    """The form counts until the quota counts its file."""
    settings = s3.create_bucket().settings(uploads_direct=True, uploads_per_day=1000)
    async with Together(tmp_path, postgres_url, **settings) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        alice = {"onBehalfOf": "alice"}
        wanted = {"receiver": "bob", "receiverType": "user", "files": {"f": {"name": "a.txt", "size": 200}}}
        form: dict[str, Any] = {}

        async def is_form_granted() -> bool:
            answer = await one.http.post("/files/upload-url", json=wanted, headers=alice)
            form.update(answer.json().get("data", {}).get("f", {}))
            return answer.status_code == 200

        for _ in range(5):
            assert await is_form_granted()
            request = form["request"]
            async with httpx2.AsyncClient() as http:
                done = await http.post(request["url"], data=request["body"], files={"file": ("a.txt", b"x" * 200)})
            assert done.status_code == 201, done.text
            data = {"attachments": [{"url": form["attachment"]["url"]}]}
            body = {"receiver": "bob", "receiverType": "user", "category": "message", "type": "file", "data": data}
            assert (await other.http.post("/messages", json=body, headers=alice)).status_code == 200
        assert not await is_form_granted()


@pytest.mark.parametrize("on_s3", [False, True])
async def test_a_file_that_is_removed_while_a_download_begins_is_not_found(
    postgres_url: str, tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch, caplog, *, on_s3: bool
):
    settings = s3.create_bucket().settings() if on_s3 else {}
    async with Together(tmp_path, postgres_url, **settings) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        fields = {"receiver": "bob", "receiverType": "user", "type": "file", "data": "{}"}
        alice = {"onBehalfOf": "alice"}
        sent = await one.http.post("/messages", data=fields, files={"f": ("a.txt", b"text")}, headers=alice)
        name = sent.json()["data"]["data"]["attachments"][0]["url"].rpartition("/")[2]
        uploads = one.parts.actions.uploads
        read_size = uploads.size

        async def size_of_a_file_that_goes(name: str) -> int:
            size = await read_size(name)
            await other.parts.actions.uploads.remove([name])
            return size

        monkeypatch.setattr(uploads, "size", size_of_a_file_that_goes)
        answer = await one.http.get(f"/files/{name}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ERR_FILE_NOT_FOUND")
        assert not [record for record in caplog.records if record.exc_info]


async def test_settings_that_differ_are_named_in_the_logs_of_both_servers(
    postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    def named() -> list[str]:
        return [r.getMessage().partition("settings: ")[2] for r in caplog.records if "has other set" in r.getMessage()]

    async with Together(tmp_path, postgres_url) as together:
        await together.add()
        await together.add()
        await together.servers[1].stop()
        assert named() == []
        together._settings |= {"retain_messages": 30.0, "max_friends": 5, "log_level": "debug"}
        another = await together.add()
        await until(lambda: len(named()) == 2)
        assert {text.partition(";")[0] for text in named()} == {"max_friends, retain_messages"}
        await another.stop()
        assert len(named()) == 2


async def test_servers_that_store_uploads_in_different_folders_log_it(
    postgres_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    def named() -> list[str]:
        return [r.getMessage() for r in caplog.records if "stores uploads in another folder" in r.getMessage()]

    async with Together(tmp_path, postgres_url) as together:
        await together.add()
        await together.add()
        await together.servers[1].stop()
        assert named() == []
        other = tmp_path / "other"
        other.mkdir(0o700)
        for key in ("signing.key", "webhooks.key"):
            shutil.copy(tmp_path / "data" / key, other)
        together._settings["data"] = str(other)
        await together.add()
        await until(lambda: len(named()) == 2)
        assert "has other settings" not in caplog.text


async def test_limits_of_the_app_are_divided_by_the_servers(postgres_url: str, tmp_path: Path):
    limits = {"logins_per_minute": 120, "core_per_minute": 600}
    async with Together(tmp_path, postgres_url, **limits) as together:
        one = await together.add()
        logins = one.parts.actions.shared_limits[0]
        assert logins.per_minute == 120
        other = await together.add()
        await until(lambda: logins.per_minute == 60)
        assert other.parts.actions.shared_limits[0].per_minute == 60
        answer = await other.http.post("/users", json={"uid": "alice", "name": "Alice"})
        assert answer.headers["x-rate-limit"] == "300"
        await other.stop()
        await until(lambda: logins.per_minute == 120)


async def test_start_of_a_server_removes_incomplete_files_only_of_servers_that_have_ended(
    postgres_url: str, tmp_path: Path
):
    async with Together(tmp_path, postgres_url) as together:
        one = await together.add()
        upload = one.parts.actions.uploads.begin()
        upload.write(b"half")
        folder = tmp_path / "data" / "uploads"
        (kept,) = folder.glob(".*.part")
        (folder / ".999999-1.part").write_bytes(b"of a server that is gone")
        await together.add()
        assert list(folder.glob(".*.part")) == [kept]
        upload.drop()


@asynccontextmanager
async def client(server: ServerHere, uid: str, auth_key: str, **settings: Any) -> AsyncIterator[Actor]:
    builder = AppSettingsBuilder().override_client_host(server.url)
    if settings.get("presence"):
        builder.subscribe_presence_for_all_users()
    actor = Actor(ChatClient(server.store.app_id, builder.build(), session_store=MemorySessionStore()))
    await actor.chat.init()
    actor.listen()
    try:
        await actor.chat.login(uid, auth_key=auth_key)
        await actor.wait_connected()
        yield actor
    finally:
        await actor.chat.aclose()


async def test_table_of_presence_is_filled_again_after_it_was_emptied(postgres_url: str, tmp_path: Path):
    """A crash of the database empties the table. No user is notified that others came online or went offline."""
    async with Together(tmp_path, postgres_url) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        async with (
            client(one, "alice", together.auth_key, presence=True) as alice,
            client(other, "bob", together.auth_key),
        ):
            await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
            heard = len(alice.ears.heard)
            for table in ("presence", "presence_versions"):
                await one.store.database.run(f"DELETE FROM {table}")

            async def stored() -> bool:
                rows = await one.store.database.rows("SELECT uid FROM presence ORDER BY uid")
                return [row[0] for row in rows] == ["alice", "bob"]

            await until(stored)
            await until(lambda: one.parts.several._presence.is_online_elsewhere("bob"))
            await until(lambda: other.parts.several._presence.is_online_elsewhere("alice"))
            assert [what for _, what, _ in alice.ears.heard[heard:]] == []


async def test_server_learns_who_is_online_at_another_although_its_notification_was_lost(
    postgres_url: str, tmp_path: Path
):
    async with Together(tmp_path, postgres_url) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        presence = one.parts.several._presence
        one.parts.several._hub.on_presence_delta = lambda delta: None  # as if it had never arrived
        async with client(other, "bob", together.auth_key):
            await until(lambda: presence.is_online_elsewhere("bob"))
            assert set(presence.online_elsewhere()) == {"bob"}
        await until(lambda: not presence.is_online_elsewhere("bob"))


async def test_users_of_a_server_that_was_declared_dead_are_online_again_when_it_wakes(
    postgres_url: str, tmp_path: Path
):
    async with Together(tmp_path, postgres_url) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        async with (
            client(one, "alice", together.auth_key, presence=True) as alice,
            client(other, "bob", together.auth_key),
        ):
            await alice.ears.until(lambda: "bob" in alice.ears.all("online"))
            old = other.store.lane.process
            other.store.upkeep.stop()  # as when it does not run
            await one.store.database.run(EXPIRE, (old,))
            await alice.ears.until(lambda: alice.ears.all("offline") == ["bob"])
            assert not one.parts.several._presence.is_online_elsewhere("bob")
            other.store.upkeep.start()
            await alice.ears.until(lambda: alice.ears.all("online").count("bob") == 2)
            assert other.store.lane.process != old
            assert one.parts.several._presence.is_online_elsewhere("bob")
            assert alice.ears.all("offline") == ["bob"]


async def test_users_of_a_stopped_server_go_offline_once_unless_they_reconnect_elsewhere(
    postgres_url: str, tmp_path: Path
):
    async with Together(tmp_path, postgres_url, presence_grace=1.0) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob", "carol")
        async with (
            client(one, "alice", together.auth_key, presence=True) as alice,
            client(other, "bob", together.auth_key),
            client(other, "carol", together.auth_key),
        ):
            await alice.ears.until(lambda: {"bob", "carol"} <= set(alice.ears.all("online")))
            await other.stop()
            async with client(one, "carol", together.auth_key):
                await alice.ears.until(lambda: bool(alice.ears.all("offline")))
                assert alice.ears.all("offline") == ["bob"]
                assert alice.ears.all("online").count("carol") == 1
                row = await one.store.users.get("bob")
                assert abs(row.last_active_at - time.time()) < 10
                assert not one.parts.several._presence.online_elsewhere()


async def test_search_at_each_server_finds_the_messages_of_both_servers(postgres_url: str, tmp_path: Path):
    """Messages are found even after the server that indexes them has stopped: its lock ends with its connection."""
    async with Together(tmp_path, postgres_url) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")

        async def found(server: ServerHere, word: str) -> bool:
            query = {"searchKey": word, "limit": "10"}
            answer = await server.http.get("/users/bob/messages", params=query, headers={"onBehalfOf": "alice"})
            assert answer.status_code == 200, answer.text
            return [message["data"]["text"] for message in answer.json()["data"]] == [word]

        await say(one, "apple")
        await say(other, "pear")
        for server in (one, other):
            assert await found(server, "apple")
            assert await found(server, "pear")
        await until(lambda: one.store.index._lock is not None or other.store.index._lock is not None)
        indexing = one if one.store.index._lock is not None else other
        left = other if indexing is one else one
        await indexing.stop()
        await say(left, "plum")
        assert await found(left, "plum")
        await until(left.store.index._is_mine)


async def test_lists_and_single_users_show_who_is_online_at_the_other_server(
    postgres_url: str, tmp_path: Path, broker: str
):
    async with Together(tmp_path, postgres_url, broker=broker) as together:
        one, other = await together.add(), await together.add()
        await make_users(one, "alice", "bob")
        await say(one, "hello")

        async def states(server: ServerHere) -> list[str]:
            user = (await server.http.get("/users/bob")).json()["data"]["status"]
            listed = await server.http.get("/conversations", headers={"onBehalfOf": "alice"})
            return [user, *[entry["conversationWith"]["status"] for entry in listed.json()["data"]]]

        for server in (one, other):
            assert await states(server) == ["offline", "offline"]
        async with client(other, "bob", together.auth_key):

            async def online() -> bool:
                return await states(one) == await states(other) == ["available", "available"]

            await until(online)
