"""Server processes and commands with files on S3."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sys
from urllib.parse import urlsplit

import httpx2
import pytest
from PIL import Image

from harness import LiveStage
from servers.s3 import S3Server
from tailwire import MediaMessage, UploadFile
from tailwire.testing.server import ServerProcess

SECRETS = ("an-access-key", "a-secret-key")


def variables(place, **more) -> dict[str, str]:
    return {f"TAILWIRE_{name.upper()}": str(value) for name, value in place.settings(**more).items()}


async def run(*arguments: str, **variables: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tailwire.cli.main", *arguments, stdout=-1, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **variables},
    )  # fmt: skip
    out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


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


async def test_clients_are_sent_to_the_bucket_for_files(s3: S3Server, tmp_path):
    place = s3.bucket()
    more = {"redirect_downloads": True, "s3_public_endpoint": f"http://localhost:{s3.port}"}
    async with ServerProcess(tmp_path, variables(place, **more), "--demo-users") as server, Sender(server) as alice:
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


async def test_messages_go_on_while_the_service_is_away(tmp_path):
    own = S3Server()
    own.start()
    place = own.bucket()
    try:
        own.kill()
        async with ServerProcess(tmp_path, variables(place), "--demo-users") as server, Sender(server) as alice:
            assert f"127.0.0.1:{own.port} cannot be reached" in "\n".join(server.log)
            refused = await alice.send("a.txt", b"hello")
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "ERR_UNAVAILABLE")
            assert int(refused.headers["retry-after"]) > 0
            assert (await alice.say()).status_code == 200
            own.start()
            own.client().create_bucket(Bucket=place.name)
            sent = await alice.send("a.txt", b"hello")
            assert sent.status_code == 200
            url = sent.json()["data"]["data"]["url"]
            assert (await alice.http.get(url)).content == b"hello"
            own.kill()
            away = await alice.http.get(url)
            assert (away.status_code, away.json()["error"]["code"]) == (503, "ERR_UNAVAILABLE")
            assert int(away.headers["retry-after"]) > 0
            assert list((server.data / "arriving").iterdir()) == []
    finally:
        own.kill()


@pytest.mark.parametrize("wrong", ["bucket", "key", "setting"])
async def test_server_does_not_start_with_a_bucket_that_it_cannot_use(wrong, s3: S3Server, tmp_path):
    own = S3Server(auth=wrong == "key")
    try:
        if wrong == "key":
            own.start()
        place = (own if wrong == "key" else s3).bucket()
        given = variables(place, **({"s3_endpoint": "ftp://x"} if wrong == "setting" else {}))
        if wrong == "bucket":
            s3.client().delete_bucket(Bucket=place.name)
        code, said = await run("serve", "--data", str(tmp_path), "--port", "0", **given)
        assert code == 1
        advice = {
            "bucket": "does not exist: create it",
            "key": "check s3_access_key",
            "setting": "s3_endpoint: use a URL",
        }
        assert advice[wrong] in said
        assert not any(secret in said for secret in SECRETS)
        code, said = await run("doctor", given["TAILWIRE_UPLOADS"], **given)
        assert code == (2 if wrong == "setting" else 1)
        assert advice[wrong] in said
    finally:
        own.kill()


async def test_doctor_tests_a_bucket_and_leaves_nothing(s3: S3Server, tmp_path):
    place = s3.bucket()
    file = tmp_path / "tailwire.toml"
    file.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in place.settings().items()))
    code, said = await run("doctor", f"s3://{place.name}/checked", "--config", str(file))
    assert code == 0, said
    assert "all steps succeeded" in said
    assert said.count("  ok  ") == 5
    assert (place.names(), place.unfinished()) == (set(), [])


async def test_backup_says_that_it_does_not_include_the_bucket(s3: S3Server, tmp_path):
    given = variables(s3.bucket())
    async with ServerProcess(tmp_path, given, "--demo-users") as server, Sender(server) as alice:
        assert (await alice.send("a.txt", b"hello")).status_code == 200
    code, said = await run("backup", str(tmp_path / "backup"), "--data", str(server.data), **given)
    assert code == 0, said
    assert f"The files in {given['TAILWIRE_UPLOADS']} are not included" in said
    code, said = await run("backup", str(tmp_path / "again"), "--data", str(server.data))
    assert "not included" not in said


async def test_two_servers_share_a_bucket_and_a_killed_one_leaves_no_file(s3: S3Server, tmp_path):
    place = s3.bucket()
    first, second = (ServerProcess(tmp_path / name, variables(place), "--demo-users") for name in ("one", "two"))
    async with first, second, Sender(first) as alice, Sender(second) as other:
        assert (await other.send("a.txt", b"hello")).status_code == 200
        sending = asyncio.create_task(alice.send("b.bin", os.urandom(30_000_000)))
        while not place.unfinished() and not sending.done():
            await asyncio.sleep(0.01)
        await first.kill()
        with pytest.raises(httpx2.HTTPError):
            await sending
        assert list((first.data / "arriving").glob("*.part"))
        await first.start()
        assert list((first.data / "arriving").iterdir()) == []
        assert len(place.names()) == 1  # what the other server has stored


async def test_sdk_sends_files_that_are_stored_on_s3(s3: S3Server, tmp_path):
    place, live = s3.bucket(), LiveStage(tmp_path)
    live.server = ServerProcess(live.folder, variables(place), "--demo-users")
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
    assert len(place.names()) == 3
