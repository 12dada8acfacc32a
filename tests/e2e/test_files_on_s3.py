"""Server processes and commands with files on S3."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import socket
import sqlite3
import time
from urllib.parse import urlsplit

import httpx2
import pytest
from PIL import Image

from harness import LiveStage
from servers.prepared import PreparedServer, run
from servers.s3 import S3Server
from servers.several import SeveralServers
from tailwire import MediaMessage, UploadFile
from tailwire.cli import doctor_bucket
from tailwire.cli.main import main
from tailwire.server.ports.world import World
from tailwire.testing.server import ServerProcess

SECRETS = ("an-access-key", "a-secret-key")


def variables(bucket, **more) -> dict[str, str]:
    return {f"TAILWIRE_{name.upper()}": str(value) for name, value in bucket.settings(**more).items()}


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 300), "teal").save(out, "JPEG")
    return out.getvalue()


class Sender:
    """Alice, who sends files over HTTP."""

    def __init__(self, server: ServerProcess) -> None:
        self._headers = {"appid": server.app_id, "apikey": server.api_key, "onBehalfOf": "alice"}
        self.http = httpx2.AsyncClient(base_url=f"{server.url}/v3", timeout=60, trust_env=False)

    async def send(self, name: str, content: bytes) -> httpx2.Response:
        fields = {"receiver": "bob", "receiverType": "user", "type": "file", "data": "{}"}
        return await self.http.post("/messages", headers=self._headers, data=fields, files={"f": (name, content)})

    async def say(self) -> httpx2.Response:
        body = {"receiver": "bob", "receiverType": "user", "data": {"text": "goes on"}}
        return await self.http.post("/messages", headers=self._headers, json=body)

    async def __aenter__(self) -> Sender:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.http.aclose()


async def test_clients_are_redirected_to_the_bucket_for_files(s3: S3Server, tmp_path):
    bucket = s3.create_bucket()
    more = {"redirect_downloads": True, "s3_public_endpoint": f"http://localhost:{s3.port}"}
    async with PreparedServer(tmp_path, variables(bucket, **more), "--demo-users") as server, Sender(server) as alice:
        page, picture = b"<script>alert(1)</script>", jpeg()
        sent = [(await alice.send(*file)).json() for file in (("ä page.html", page), ("a.jpg", picture))]
        urls = [one["data"]["data"]["url"] for one in sent]
        redirect = await alice.http.get(urls[0])
        assert redirect.status_code == 302
        location = urlsplit(redirect.headers["location"])
        assert location.netloc == f"localhost:{s3.port}"
        assert "X-Amz-Expires=900" in location.query
        assert int(re.findall(r"max-age=(\d+)", redirect.headers["cache-control"])[0]) < 900
        answer = await alice.http.get(urls[0], follow_redirects=True, headers={"range": "bytes=0-7"})
        assert (answer.status_code, answer.content) == (206, page[:8])
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%A4%20page.html"
        answer = await alice.http.get(urls[1], follow_redirects=True)
        assert (answer.content, answer.headers["content-type"]) == (picture, "image/jpeg")
        assert answer.headers["content-disposition"].startswith("inline")
        small = await alice.http.get(sent[1]["data"]["data"]["attachments"][0]["thumbnail"], follow_redirects=True)
        assert Image.open(io.BytesIO(small.content)).size == (320, 240)
        assert (await alice.http.get(f"{server.url}/v3/files/none")).status_code == 404
    for secret in SECRETS[1:]:
        assert secret not in "\n".join(server.log)


async def test_messages_can_be_sent_while_s3_cannot_be_reached(tmp_path):
    service = S3Server()
    service.start()
    bucket = service.create_bucket()
    try:
        service.kill()
        async with PreparedServer(tmp_path, variables(bucket), "--demo-users") as server, Sender(server) as alice:
            assert f"127.0.0.1:{service.port} cannot be reached" in "\n".join(server.log)
            refused = await alice.send("a.txt", b"hello")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ERR_UNAVAILABLE")
            assert int(refused.headers["retry-after"]) > 0
            assert (await alice.say()).status_code == 200
            service.start()
            service.client().create_bucket(Bucket=bucket.name)
            sent = await alice.send("a.txt", b"hello")
            assert sent.status_code == 200
            url = sent.json()["data"]["data"]["url"]
            assert (await alice.http.get(url)).content == b"hello"
            service.kill()
            away = await alice.http.get(url)
            assert (away.status_code, away.json()["error"]["code"]) == (503, "ERR_UNAVAILABLE")
            assert int(away.headers["retry-after"]) > 0
            assert list((server.data / "arriving").iterdir()) == []
    finally:
        service.kill()


async def test_doctor_exits_with_code_1_in_each_of_eight_runs_if_s3_cannot_be_reached():
    # obstore's threads work on after an answer: without care, every second process was aborted at its end.
    with socket.create_server(("127.0.0.1", 0)) as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    environment = {"TAILWIRE_S3_ENDPOINT": endpoint, "TAILWIRE_S3_ACCESS_KEY": "a", "TAILWIRE_S3_SECRET_KEY": "b"}
    outcomes = [await run("doctor", "s3://bucket", **environment) for _ in range(8)]
    assert {code for code, _ in outcomes} == {1}
    assert all("check s3_endpoint and the network" in output for _, output in outcomes)


@pytest.mark.parametrize("wrong", ["bucket", "key", "setting"])
async def test_server_does_not_start_with_a_bucket_that_it_cannot_use(wrong, s3: S3Server, tmp_path):
    service_with_keys = S3Server(auth=wrong == "key")
    try:
        if wrong == "key":
            service_with_keys.start()
        bucket = (service_with_keys if wrong == "key" else s3).create_bucket()
        environment = variables(bucket, **({"s3_endpoint": "ftp://x"} if wrong == "setting" else {}))
        if wrong == "bucket":
            s3.client().delete_bucket(Bucket=bucket.name)
        code, output = await run("serve", "--data", str(tmp_path), "--port", "0", **environment)
        assert code == 1
        advice = {
            "bucket": "does not exist: create it",
            "key": "check s3_access_key",
            "setting": "s3_endpoint: use a URL",
        }
        assert advice[wrong] in output
        assert not any(secret in output for secret in SECRETS)
        code, output = await run("doctor", environment["TAILWIRE_UPLOADS"], **environment)
        assert code == (2 if wrong == "setting" else 1)
        assert advice[wrong] in output
    finally:
        service_with_keys.kill()


async def test_doctor_tests_a_bucket_and_leaves_nothing_behind(s3: S3Server, tmp_path):
    bucket = s3.create_bucket()
    file = tmp_path / "tailwire.toml"
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in bucket.settings().items()))
    code, output = await run("doctor", f"s3://{bucket.name}/checked", "--config", str(file))
    assert code == 0, output
    assert "all steps succeeded" in output
    assert output.count("  ok  ") == 5
    assert (bucket.names(), bucket.unfinished()) == (set(), [])


async def test_doctor_refuses_a_service_that_does_not_enforce_the_policies_of_forms(s3: S3Server, capsys, monkeypatch):
    bucket = s3.create_bucket()  # `moto` does not
    for name, value in variables(bucket, uploads_direct=True).items():
        monkeypatch.setenv(name, value)
    assert await asyncio.to_thread(main, ["doctor", f"s3://{bucket.name}/x"]) == 1
    assert "refuse a form that was changed: the service does not enforce" in capsys.readouterr().out
    assert bucket.names() == set()
    send = doctor_bucket._send_form

    def refuse(url: str, fields: dict[str, str]) -> int:
        assert send(url, fields) == 201
        s3.client().delete_object(Bucket=bucket.name, Key=fields["key"])
        return 403

    monkeypatch.setattr(doctor_bucket, "_send_form", refuse)
    assert await asyncio.to_thread(main, ["doctor", f"s3://{bucket.name}/x"]) == 0
    assert capsys.readouterr().out.count("  ok  ") == 6


async def test_backup_says_that_it_does_not_include_the_bucket_and_fails_without_its_name(s3: S3Server, tmp_path):
    environment = variables(s3.create_bucket())
    async with PreparedServer(tmp_path, environment, "--demo-users") as server, Sender(server) as alice:
        assert (await alice.send("a.txt", b"hello")).status_code == 200
    code, output = await run("backup", str(tmp_path / "backup"), "--data", str(server.data), **environment)
    assert code == 0, output
    assert f"The files in {environment['TAILWIRE_UPLOADS']} are not included" in output
    code, output = await run("backup", str(tmp_path / "again"), "--data", str(server.data))
    assert (code, "--config" in output) == (1, True), output  # as if a file of settings named the bucket
    assert not (tmp_path / "again").exists()


async def test_two_servers_share_a_bucket_and_a_killed_one_leaves_no_file_after_its_restart(s3: S3Server, tmp_path):
    bucket = s3.create_bucket()
    first, second = (PreparedServer(tmp_path / name, variables(bucket), "--demo-users") for name in ("one", "two"))
    async with first, second, Sender(first) as alice, Sender(second) as other:
        assert (await other.send("a.txt", b"hello")).status_code == 200
        sending = asyncio.create_task(alice.send("b.bin", os.urandom(30_000_000)))
        while not bucket.unfinished() and not sending.done():
            await asyncio.sleep(0.01)
        await first.kill()
        with pytest.raises(httpx2.HTTPError):
            await sending
        assert list((first.data / "arriving").glob("*.part"))
        await first.start()
        assert list((first.data / "arriving").iterdir()) == []
        assert len(bucket.names()) == 1  # what the other server has stored


async def test_sdk_sends_files_that_are_stored_on_s3(s3: S3Server, tmp_path):
    bucket, live = s3.create_bucket(), LiveStage(tmp_path)
    live.server = PreparedServer(live.folder, variables(bucket), "--demo-users")
    async with live:
        alice, bob = await live.enter("alice"), await live.enter("bob")
        content = os.urandom(12_000_000)
        files = [UploadFile(content=content, name="large.bin"), UploadFile(content=jpeg(), name="a.jpg")]
        await alice.chat.send_media_message(MediaMessage(receiver="bob", type="file", files=files))
        await bob.ears.until(lambda: bob.ears.all("media"))
        large, picture = bob.ears.all("media")[0].attachments
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.get(large.url)).content == content
            part = await http.get(large.url, headers={"range": "bytes=11999990-"})
            assert (part.status_code, part.content) == (206, content[-10:])
        assert (picture.mime_type, picture.size) == ("image/jpeg", len(jpeg()))
    assert len(bucket.names()) == 3


class Uploader(Sender):
    """Alice, whose client uploads files to the bucket itself."""

    async def form(self, size: int, *, code: str = "", receiver: str = "bob", name: str = "ä b.png"):
        wanted = {"f": {"fileId": "f", "name": name, "size": size, "mimeType": "image/png"}}
        body = {"files": wanted, "receiver": receiver, "receiverType": "user"}
        answer = await self.http.post("/files/upload-url", headers=self._headers, json=body)
        if code:
            assert answer.json()["error"]["code"] == code, answer.text
            return None
        return answer.json()["data"]["f"]

    async def upload(self, form, content: bytes) -> None:
        request = form["request"]
        answer = await self.http.post(request["url"], data=request["body"], files={"file": ("x", content)})
        assert answer.status_code == 201, answer.text

    async def send_url(self, url: str, type: str = "file", **more) -> httpx2.Response:
        data = {"attachments": [{"url": url, "name": "other", "mimeType": "image/png", "extension": "png", "size": 1}]}
        body = {"receiver": "bob", "receiverType": "user", "category": "message", "type": type, "data": data, **more}
        return await self.http.post("/messages", headers=self._headers, json=body)


def final_name(form) -> str:
    return f"chat/files/{form['attachment']['url'].rpartition('/')[2]}"


PAGE = b"<script>alert(1)</script>"


async def test_files_that_clients_upload_to_the_bucket_are_examined_when_they_are_sent(s3: S3Server, tmp_path):
    bucket = s3.create_bucket()
    environment = variables(bucket, uploads_direct=True)
    async with PreparedServer(tmp_path, environment, "--demo-users") as server, Uploader(server) as alice:
        form = await alice.form(len(PAGE))
        assert form["request"]["url"] == f"{s3.url}/{bucket.name}"
        assert (await alice.send_url(form["attachment"]["url"])).status_code == 200  # as any URL: there is no file yet
        await alice.upload(form, PAGE)
        url, key = form["attachment"]["url"], final_name(form)
        assert bucket.names() == {key.replace("files/", "files/direct/")}
        sent = await alice.send_url(url)
        (attachment,) = sent.json()["data"]["data"]["attachments"]
        found = attachment["name"], attachment["mimeType"], attachment["size"]
        assert found == ("ä b.png", "text/plain", len(PAGE))
        assert bucket.names() == {key}
        answer = await alice.http.get(url)
        assert (answer.content, answer.headers["content-type"]) == (PAGE, "application/octet-stream")
    assert SECRETS[1] not in "\n".join(server.log)


async def test_second_upload_with_a_form_neither_changes_a_sent_file_nor_restores_a_removed_one(s3: S3Server, tmp_path):
    bucket = s3.create_bucket()
    environment = variables(bucket, uploads_direct=True)
    async with PreparedServer(tmp_path, environment, "--demo-users") as server, Uploader(server) as alice:
        form = await alice.form(len(PAGE))
        await alice.upload(form, PAGE)
        url = form["attachment"]["url"]
        assert (await alice.send_url(url)).status_code == 200
        await alice.upload(form, b"another content")
        assert (await alice.http.get(url)).content == PAGE
        assert (await alice.send_url(url)).json()["data"]["data"]["attachments"][0]["size"] == len(PAGE)
        for message in (await alice.http.get("/users/bob/messages", headers=alice._headers)).json()["data"]:
            await alice.http.delete(f"/messages/{message['id']}", headers=alice._headers)
        async with asyncio.timeout(30):
            while bucket.names():
                await asyncio.sleep(0.05)
        assert (await alice.http.get(url)).status_code == 404
        await alice.upload(form, PAGE)
        assert (await alice.http.get(url)).status_code == 404
        assert bucket.names() == set()


async def test_files_that_the_app_itself_uploads_to_the_bucket_are_accepted_without_a_quota(s3: S3Server, tmp_path):
    bucket = s3.create_bucket()
    environment = variables(bucket, uploads_direct=True, uploads_per_day=5)
    async with PreparedServer(tmp_path, environment, "--demo-users") as server, Uploader(server) as app:
        del app._headers["onBehalfOf"]
        form = await app.form(len(PAGE))
        await app.upload(form, PAGE)
        answer = await app.http.get(form["attachment"]["url"])
        assert (answer.status_code, answer.content) == (200, PAGE)
        assert bucket.names() == {final_name(form)}


async def test_upload_form_without_a_receiver_points_to_the_server(s3: S3Server, tmp_path):
    environment = variables(s3.create_bucket(), uploads_direct=True)
    async with PreparedServer(tmp_path, environment, "--demo-users") as server, Uploader(server) as alice:
        form = await alice.form(5, receiver="")
        assert form["request"]["url"] == f"{server.url}/files"


async def test_files_in_the_bucket_are_refused_beyond_the_size_of_their_form_or_the_quota(s3: S3Server, tmp_path):
    bucket = s3.create_bucket()
    environment = variables(bucket, uploads_direct=True, uploads_per_day=2000)
    async with PreparedServer(tmp_path, environment, "--demo-users") as server, Uploader(server) as alice:
        files = {name: {"name": name, "size": size} for name, size in (("a.txt", 900), ("b.txt", 0))}
        body = {"files": files, "receiver": "bob", "receiverType": "user"}
        refused = await alice.http.post("/files/upload-url", headers=alice._headers, json=body)
        assert refused.json()["error"]["code"] == "ERR_INVALID_FILE_OBJECT"  # and no form for a.txt counts
        first = await alice.form(600)
        await alice.form(1401, code="ERR_UPLOAD_QUOTA_EXCEEDED")  # the first form may still be used
        await alice.upload(first, b"x" * 601)  # this service does not enforce the policy
        refused = await alice.send_url(first["attachment"]["url"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "ERR_FILE_SIZE_EXCEEDED")
        assert bucket.names() == set()
        second = await alice.form(600)
        await alice.upload(second, b"x" * 600)
        assert (await alice.send("a.txt", b"x" * 1500)).status_code == 200
        refused = await alice.send_url(second["attachment"]["url"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "ERR_UPLOAD_QUOTA_EXCEEDED")
        assert len(bucket.names()) == 1
        third = await alice.form(500)
        await alice.upload(third, b"x" * 500)
        urls = [third["attachment"]["url"]] * 5
        sent = await asyncio.gather(*map(alice.send_url, urls))
        assert {one.status_code for one in sent} == {200}
        assert len(bucket.names()) == 2
        for message in (await alice.http.get("/users/bob/messages", headers=alice._headers)).json()["data"]:
            await alice.http.delete(f"/messages/{message['id']}", headers=alice._headers)
        async with asyncio.timeout(30):
            while bucket.names():
                await asyncio.sleep(0.05)
        # The three forms can upload 1,700 bytes again until they expire.
        await alice.form(301, code="ERR_UPLOAD_QUOTA_EXCEEDED")
        await alice.form(300)


async def test_forms_of_two_servers_and_of_one_that_was_killed_share_the_quota(s3: S3Server, postgres_url, tmp_path):
    environment = variables(s3.create_bucket(), uploads_direct=True, uploads_per_day=1000)
    async with SeveralServers(tmp_path, postgres_url, settings=environment) as several:
        first, second = several.servers
        async with Uploader(first) as alice, Uploader(second) as other:
            form = await alice.form(600)
            await other.form(401, code="ERR_UPLOAD_QUOTA_EXCEEDED")
            await other.form(100)
            await first.kill()
            await other.form(301, code="ERR_UPLOAD_QUOTA_EXCEEDED")
            await other.upload(form, b"x" * 600)
            assert (await other.send_url(form["attachment"]["url"])).status_code == 200
            await other.form(301, code="ERR_UPLOAD_QUOTA_EXCEEDED")
            await other.form(300)


async def test_custom_message_that_names_a_file_in_the_bucket_keeps_it(s3: S3Server, tmp_path):
    bucket = s3.create_bucket()
    environment = variables(bucket, uploads_direct=True)
    async with PreparedServer(tmp_path, environment, "--demo-users") as server, Uploader(server) as alice:
        form = await alice.form(5)
        await alice.upload(form, b"hello")
        body = {"receiver": "bob", "receiverType": "user", "category": "custom", "type": "x"}
        body["data"] = {"customData": {"see": form["attachment"]["url"]}}
        assert (await alice.http.post("/messages", headers=alice._headers, json=body)).status_code == 200
        assert bucket.names() == {final_name(form)}


@contextlib.asynccontextmanager
async def answering_in_xml(port: int):
    """Run a proxy that corrects one header (`moto` declares the answer to a form as HTML, S3 as XML); yield its URL."""

    async def copy(reader, writer):
        while data := await reader.read(65536):
            writer.write(data.replace(b"Content-Type: text/html; charset=utf-8", b"Content-Type: application/xml"))
            await writer.drain()

    async def serve(reader, writer):
        there, out = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.create_task(copy(reader, out)), asyncio.create_task(copy(there, writer))]
        await ways[1]
        ways[0].cancel()
        for one in (writer, out):
            one.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
    finally:
        proxy.close()


async def test_sdk_uploads_to_the_bucket(s3: S3Server, tmp_path):
    bucket, live = s3.create_bucket(), LiveStage(tmp_path)
    async with answering_in_xml(s3.port) as url:
        environment = variables(bucket, uploads_direct=True, s3_public_endpoint=url)
        live.server = PreparedServer(tmp_path, environment, "--demo-users")
        await sdk_uploads_to(bucket, live)


async def sdk_uploads_to(bucket, live):
    """Let alice upload a file and send it, and bob receive it."""
    async with live:
        alice, bob = await live.enter("alice"), await live.enter("bob")
        content = os.urandom(1_000_000)
        attachments = await alice.chat.upload_attachments("bob", "user", [UploadFile(content=content, name="l.bin")])
        assert len(bucket.names()) == 1
        await alice.chat.send_media_message(MediaMessage(receiver="bob", type="file", attachments=attachments))
        await bob.ears.until(lambda: bob.ears.all("media"))
        (received,) = bob.ears.all("media")[0].attachments
        assert (received.name, received.size) == ("l.bin", 1_000_000)
        async with httpx2.AsyncClient(trust_env=False) as http:
            assert (await http.get(received.url)).content == content
    assert not [name for name in bucket.names() if "direct" in name]


async def test_old_files_and_orphans_are_removed_from_the_bucket(s3: S3Server, tmp_path, monkeypatch, capsys):
    bucket = s3.create_bucket()
    async with PreparedServer(tmp_path, variables(bucket), "--demo-users") as server, Sender(server) as alice:
        urls = [(await alice.send(f"{n}.jpg", jpeg())).json()["data"]["data"]["url"] for n in range(3)]
        assert (await alice.say()).status_code == 200
        assert await server.stop() == 0
    stems = [url.rpartition("/")[2].partition(".")[0] for url in urls]
    names_by_stem = {stem: {name for name in bucket.names() if stem in name} for stem in stems}
    assert [len(names) for names in names_by_stem.values()] == [2, 2, 2], "each has a thumbnail"
    stray, foreign = f"chat/files/{'f' * 40}.png", "chat/files/README"
    for name in (stray, foreign, "elsewhere/a.png"):
        s3.client().put_object(Bucket=bucket.name, Key=name, Body=b"12345")
    with contextlib.closing(sqlite3.connect(server.data / "tailwire.db")) as c:
        c.execute("DELETE FROM file_uses WHERE name LIKE ?", (f"{stems[1]}%",))  # as if never sent
        c.execute("UPDATE files SET used = 0, unused_since = created_at WHERE name LIKE ?", (f"{stems[1]}%",))
        c.commit()
    for name in names_by_stem[stems[2]]:
        s3.client().delete_object(Bucket=bucket.name, Key=name)
    before = bucket.names()
    for name, value in variables(bucket).items():
        monkeypatch.setenv(name, value)

    async def prune(days: float, *arguments: str) -> str:
        monkeypatch.setattr(World, "seconds", lambda self: int(time.time() + days * 86_400))
        assert await asyncio.to_thread(main, ["prune", "--data", str(server.data), *arguments]) == 0
        return capsys.readouterr().out

    assert await prune(0.5, "--orphans") == (
        "removed 0 uploads that nothing refers to, 0 files without a record (0 bytes in total), 0 records without a file\n"
    )
    found = r" 1 uploads that nothing refers to, 1 files without a record \(.* in total\), 1 records without a file\n"
    assert re.fullmatch("found" + found, await prune(2, "--orphans", "--dry-run"))
    assert bucket.names() == before
    assert re.fullmatch("removed" + found, await prune(2, "--orphans"))
    assert bucket.names() == {*names_by_stem[stems[0]], foreign, "elsewhere/a.png"}
    assert await prune(100, "--older-than", "90d", "--files") == "removed 4 messages and 1 files\n"
    assert bucket.names() == {foreign, "elsewhere/a.png"}
