"""Uploads and downloads: forms, detected types, ranges, limits, and the removal of files."""

from __future__ import annotations

import asyncio
import io
import json

import pytest
from PIL import Image

from harness import Stage
from receiver import Receiver
from rest import Rest
from servers.s3 import virtual_time_waits_for
from tailwire.server.config import Settings
from tailwire.server.uploads.part_files import PartFile
from tailwire.testing.server import UNLIMITED
from tailwire.testing.virtual.world import virtual_loop


@pytest.fixture(params=["folder", "s3"])
def stage(request, tmp_path, monkeypatch):
    """A stage whose server stores files in its folder, or in a bucket.

    `storage`: its settings for that; `kept()`: the names of stored files; `arriving()`: those of incomplete ones.
    """
    stage = Stage(tmp_path)
    stage.storage, place, arriving = {}, tmp_path / "uploads", tmp_path / "uploads"
    stage.kept = lambda: {name for name in names_in(place) if not name.startswith(".")}
    if request.param == "s3":
        bucket, arriving = request.getfixturevalue("s3").create_bucket(), tmp_path / "arriving"
        stage.storage = bucket.settings()
        stage.kept = lambda: {name.removeprefix("chat/files/") for name in bucket.names()}
        stage.server._settings = Settings(data=str(tmp_path), **UNLIMITED, **stage.storage)
        virtual_time_waits_for(monkeypatch)
    stage.arriving = lambda: {name for name in names_in(arriving) if name.startswith(".")}
    return stage


def names_in(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def picture(size=(400, 300), kind="PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "teal").save(out, kind)
    return out.getvalue()


async def form_for(rest, name, size, mime="text/plain", **more):
    wanted = {"f": {"fileId": "f", "name": name, "size": size, "mimeType": mime}}
    return (await rest("POST", "/files/upload-url", as_="alice", json={"files": wanted, **more}))["f"]


async def fill_form(rest, form, content=b"hello", **changes):
    """Upload a file with a form whose fields may be changed. Return the response."""
    request = form["request"]
    fields = {**request["body"], **changes}
    files = {"file": ("a.txt", content)}
    return await rest.answer("POST", request["url"], headers={"apikey": ""}, data=fields, files=files)


async def test_upload_form_accepts_its_file_once(stage):
    async with Rest(stage) as rest:
        form = await form_for(rest, "a.txt", 5, receiver="bob", receiverType="user")
        assert (await fill_form(rest, form)).status_code == 204
        assert (await fill_form(rest, form)).json()["error"]["code"] == "ERR_BAD_REQUEST"
        answer = await rest.answer("GET", form["attachment"]["url"], headers={"apikey": ""})
        assert answer.content == b"hello"


async def test_upload_form_refuses_changed_fields_and_a_larger_file(stage):
    async with Rest(stage) as rest:
        form = await form_for(rest, "a.txt", 5)
        forged = await fill_form(rest, form, uid="bob")
        assert forged.json()["error"]["code"] == "ERR_PERMISSION_DENIED"
        larger = await fill_form(rest, form, b"hello!")
        assert (larger.status_code, larger.json()["error"]["code"]) == (413, "ERR_FILE_SIZE_EXCEEDED")
        await rest.refused("ERR_FILE_NOT_FOUND", "GET", form["attachment"]["url"])


async def test_upload_form_expires(stage):
    async with Rest(stage) as rest:
        form = await form_for(rest, "a.txt", 5)
        await stage.pass_time(1000)
        answer = await fill_form(rest, form)
        assert answer.json()["error"]["code"] == "ERR_PRESIGNED_URL_EXPIRED"
        await rest.refused("ERR_FILE_NOT_FOUND", "GET", form["attachment"]["url"])


async def test_upload_form_for_an_incomplete_file_is_refused(stage):
    async with Rest(stage) as rest:
        body = {"files": {"f": {"name": "x"}}}
        await rest.refused("ERR_INVALID_FILE_OBJECT", "POST", "/files/upload-url", as_="alice", json=body)


async def test_upload_form_for_a_private_group_of_others_is_refused(stage):
    async with Rest(stage) as rest:
        await rest("POST", "/groups", behalf="bob", json={"guid": "g", "name": "G", "type": "private"})
        body = {"files": {"f": {"name": "x", "size": 1}}, "receiver": "g", "receiverType": "group"}
        await rest.refused("ERR_GUID_NOT_FOUND", "POST", "/files/upload-url", as_="alice", json=body)


@pytest.mark.parametrize("body", [{}, {"anonymous": True}, {"permanent": True}], ids=str)
async def test_form_of_a_deleted_user_stores_nothing(stage, body):
    async with Rest(stage) as rest:
        form = await form_for(rest, "a.txt", 5)
        await rest("DELETE", "/users/alice", json=body)
        fields = form["request"]["body"]
        answer = await rest.answer("POST", form["request"]["url"], data=fields, files={"file": ("a", b"hello")})
        assert answer.json()["error"]["code"] == "ERR_UID_NOT_FOUND"
        await rest.refused("ERR_FILE_NOT_FOUND", "GET", form["attachment"]["url"])


IMAGES = {"receiver": "bob", "receiverType": "user", "category": "message", "type": "image", "data": '{"text":"c"}'}


async def test_multipart_message_with_pictures_is_stored_with_their_types_sizes_and_thumbnails(stage):
    async with Rest(stage) as rest:
        files = [("files[]", ("a.png", picture())), ("files[]", ("b.jpg", picture(kind="JPEG")))]
        made = await rest("POST", "/messages", as_="alice", data=IMAGES, files=files)
        first, second = made["data"]["attachments"]
        assert (first["mimeType"], first["width"], first["height"]) == ("image/png", 400, 300)
        assert (second["mimeType"], second["name"], made["data"]["text"]) == ("image/jpeg", "b.jpg", "c")
        small = await rest.answer("GET", first["thumbnail"])
        assert Image.open(io.BytesIO(small.content)).size == (320, 240)


async def test_multipart_message_to_nobody_or_with_too_many_or_no_files_is_refused(stage):
    one = [("files[]", ("a.png", picture()))]
    many = [("files[]", (f"{n}.txt", b"x")) for n in range(11)]
    no_file = [("x", ("", b""))]
    async with Rest(stage) as rest:
        for fields, files, code in (
            ({**IMAGES, "receiver": "none"}, one, "ERR_UID_NOT_FOUND"),
            (IMAGES, many, "ERR_FILE_COUNT_EXCEEDED"),
            (IMAGES, no_file, "ERR_EMPTY_MESSAGE_FILE"),
        ):
            await rest.refused(code, "POST", "/messages", as_="alice", data=fields, files=files)
        assert stage.kept() == stage.arriving() == set()


@pytest.mark.parametrize(
    "body",
    [
        b"--x\r\nContent-Disposition: form-data; name=" + b"a" * 100_000,
        b"--x\r\nContent-Disposition: form-data; name=a\r\n" + b"h: v\r\n" * 50,
        b"",
        b"--x\r\n",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nhalf',
    ],
    ids=["long name", "many headers", "empty", "no part", "half a part"],
)
async def test_malformed_multipart_message_is_refused(stage, body):
    async with Rest(stage) as rest:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        await rest.refused("ERR_BAD_REQUEST", "POST", "/messages", as_="alice", content=body, headers=headers)
        assert stage.arriving() == set()


@pytest.mark.parametrize(
    ("name", "content", "mime", "disposition"),
    [
        ("page.html", b"<script>alert(1)</script>", "application/octet-stream", "attachment"),
        ("picture.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "application/octet-stream", "attachment"),
        ("not a picture.png", picture()[:40], "image/png", "inline"),
        ("doc.pdf", b"%PDF-1.7 ...", "application/pdf", "inline"),
        ("../../etc/passwd", b"\x00\x01", "application/octet-stream", "attachment"),
    ],
)
async def test_file_type_is_detected_from_content_and_headers_prevent_execution(
    stage, name, content, mime, disposition
):
    async with Rest(stage) as rest:
        form = await form_for(rest, name, len(content))
        await rest.answer("POST", form["request"]["url"], data=form["request"]["body"], files={"file": (name, content)})
        answer = await rest.answer("GET", form["attachment"]["url"])
        assert answer.headers["content-type"] == mime
        assert answer.headers["content-disposition"].startswith(disposition)
        assert ".." not in answer.headers["content-disposition"].replace("etc", "")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in answer.headers["content-security-policy"]
        assert len(form["attachment"]["url"].rpartition("/")[2]) >= 40


async def test_file_ranges_are_served(stage):
    async with Rest(stage) as rest:
        content = bytes(range(256)) * 10
        form = await form_for(rest, "a.bin", len(content))
        await fill_form(rest, form, content)
        url = form["attachment"]["url"]
        for wanted, status, part in (
            ("bytes=0-9", 206, content[:10]),
            ("bytes=2550-", 206, content[2550:]),
            ("bytes=-10", 206, content[-10:]),
            ("bytes=2550-9999", 206, content[2550:]),
            ("bytes=2560-", 416, b""),
            ("bytes=5-2", 416, b""),
            ("bytes=0-1,4-5", 200, content),
            ("lines=1-2", 200, content),
            ("bytes=x-y", 200, content),
        ):
            answer = await rest.answer("GET", url, headers={"range": wanted})
            assert (answer.status_code, answer.content) == (status, part), wanted
        answer = await rest.answer("GET", url, headers={"range": "bytes=0-9", "if-range": '"other"'})
        assert answer.status_code == 200


async def test_unchanged_file_is_not_sent_again(stage):
    async with Rest(stage) as rest:
        form = await form_for(rest, "a.txt", 5)
        await fill_form(rest, form)
        url = form["attachment"]["url"]
        tag = (await rest.answer("HEAD", url)).headers["etag"]
        assert (await rest.answer("GET", url, headers={"if-none-match": tag})).status_code == 304


async def test_unknown_and_invalid_names_of_files_are_refused(stage):
    async with Rest(stage) as rest:
        for name in ("..%2f..%2ftailwire.db", "x"):
            await rest.refused("ERR_FILE_NOT_FOUND", "GET", f"/files/{name}")
        await rest.refused("ERR_BAD_REQUEST", "GET", "/files/%00")


async def test_oversized_file_is_refused_while_it_is_read(stage, tmp_path, monkeypatch):
    await restart_with(stage, tmp_path, max_file=500_000)
    written = record_writes(monkeypatch)
    async with Rest(stage) as rest:
        fields = {"receiver": "bob", "receiverType": "user", "type": "file", "data": "{}"}
        await rest.refused(
            "ERR_FILE_SIZE_EXCEEDED",
            "POST",
            "/messages",
            as_="alice",
            data=fields,
            files={"files[]": ("a", b"x" * 5_000_000)},
        )
        assert 0 < sum(written) <= 500_000
        assert stage.kept() == stage.arriving() == set()
        await rest.refused(
            "ERR_FILE_SIZE_EXCEEDED", "POST", "/files/upload-url", as_="alice",
            json={"files": {"f": {"name": "a", "size": 500_001}}},
        )  # fmt: skip
        await rest("POST", "/messages", as_="alice", data=fields, files={"files[]": ("a", b"x" * 500_000)})


async def test_pictures_of_one_user_do_not_hold_up_those_of_another(stage, monkeypatch):
    """However many slow pictures a user uploads, only one at a time is in the queue of the decoder."""
    decoding, go_on, measure = [], asyncio.Event(), PartFile.measure_picture

    async def slow(file):
        decoding.append(file.size)
        if file.size == len(slow_one):
            await go_on.wait()
        return await measure(file)

    monkeypatch.setattr(PartFile, "measure_picture", slow)
    slow_one = picture((500, 300))
    async with Rest(stage) as rest:

        async def send(by, to, content):
            fields = {"receiver": to, "receiverType": "user", "type": "image", "data": "{}"}
            return await rest("POST", "/messages", as_=by, data=fields, files={"files[]": ("a.png", content)})

        for uid in ("alice", "bob"):
            await rest("GET", "/me", as_=uid)
        slow_ones = [asyncio.create_task(send("alice", "bob", slow_one)) for _ in range(4)]
        await stage.pass_time(1)
        other = await send("bob", "alice", picture())
        assert other["data"]["attachments"][0]["url"]
        assert decoding == [len(slow_one), len(picture())]
        go_on.set()
        await asyncio.gather(*slow_ones)
        assert len(decoding) == 5


async def test_file_is_removed_when_its_message_cannot_be_stored(stage, tmp_path):
    fields = {"receiver": "bob", "receiverType": "user", "type": "image", "data": "{}"}
    async with Rest(stage) as rest:
        await rest("GET", "/me", as_="alice")
        await stage.set_read_only(on=True)
        answer = await rest.answer(
            "POST", "/messages", as_="alice", data=fields, files={"files[]": ("a.png", picture())}
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ERR_UNAVAILABLE")
        assert stage.kept() == stage.arriving() == set()
        assert (await rest.answer("GET", "/health")).status_code == 503
        await stage.set_read_only(on=False)
        await rest("POST", "/messages", as_="alice", data=fields, files={"files[]": ("a.png", picture())})
        assert (await rest.answer("GET", "/health")).status_code == 200


async def restart_with(stage, tmp_path, **settings):
    stage.server._settings = Settings(data=str(tmp_path), **stage.storage, **settings)
    await stage.server.stop()
    await stage.server.start()


FILE = {"receiver": "bob", "receiverType": "user", "type": "file", "data": "{}"}


async def test_first_of_several_uploads_with_one_form_is_kept(stage, tmp_path):
    async with Rest(stage) as rest:
        form = (await form_for(rest, "a.txt", 5))["request"]

        async def send(content):
            return await rest.answer("POST", form["url"], data=form["body"], files={"file": ("a", content)})

        sent = [f"{n:05}".encode() for n in range(6)]
        virtual_loop().executor_seconds = lambda: 0.05  # the disk is slow: all are checked before one is stored
        answers = await asyncio.gather(*map(send, sent))
        assert sorted(a.status_code for a in answers) == [204, 400, 400, 400, 400, 400]
        first = next(content for content, a in zip(sent, answers, strict=True) if a.status_code == 204)
        assert (await rest.answer("GET", f"/files/{form['body']['key']}")).content == first
        assert stage.kept() == {form["body"]["key"]}


async def test_fields_after_the_file_are_ignored(stage, tmp_path):
    async with Rest(stage) as rest:
        form = (await form_for(rest, "a.txt", 5))["request"]
        parts = [(k, (None, v)) for k, v in form["body"].items()]
        later = [("key", (None, "../evil.txt")), ("uid", (None, "bob")), ("name", (None, "evil.html"))]
        files = [*parts, ("file", ("a", b"hello")), *later]
        assert (await rest.answer("POST", form["url"], files=files)).status_code == 204
        assert stage.kept() == {form["body"]["key"]}
        assert not (tmp_path / "evil.txt").exists()


async def test_daily_upload_volume_is_limited_per_user(stage, tmp_path):
    await restart_with(stage, tmp_path, uploads_per_day=1000)
    async with Rest(stage) as rest:

        async def send(size, **more):
            return await rest.answer(
                "POST", "/messages", as_="alice", data={**FILE, **more}, files={"f": ("a", b"x" * size)}
            )

        assert (await send(600)).status_code == 200
        error = (await send(401)).json()["error"]
        assert error["code"] == "ERR_UPLOAD_QUOTA_EXCEEDED"
        assert "1000" in error["details"]
        wanted = {"files": {"f": {"name": "x", "size": 401}}}
        await rest.refused("ERR_UPLOAD_QUOTA_EXCEEDED", "POST", "/files/upload-url", as_="alice", json=wanted)
        forms = [await form_for(rest, "x", 400) for _ in range(2)]
        codes = []
        for form in forms:
            request = form["request"]
            answer = await rest.answer("POST", request["url"], data=request["body"], files={"f": ("x", b"x" * 400)})
            codes.append(answer.status_code)
        assert codes == [204, 403]
        assert len(stage.kept()) == 2
        await rest("POST", "/messages", as_="bob", data={**FILE, "receiver": "alice"}, files={"f": ("a", b"x" * 1000)})
        await stage.pass_time(86_401)
        assert (await send(1000)).status_code == 200


async def test_retried_message_does_not_count_twice(stage, tmp_path):
    await restart_with(stage, tmp_path, uploads_per_day=1000)
    async with Rest(stage) as rest:

        async def send(muid):
            return await rest(
                "POST", "/messages", as_="alice", data={**FILE, "muid": muid}, files={"f": ("a", b"x" * 600)}
            )

        first = await send("m")
        assert await send("m") == first
        assert len(stage.kept()) == 1
        await restart_with(stage, tmp_path, uploads_per_day=2000)
        both = await asyncio.gather(send("n"), send("n"))
        assert both[0] == both[1]
        await stage.pass_time(1)
        assert len(stage.kept()) == 2


def record_writes(monkeypatch) -> list[int]:
    """Return a list to which the size of each further piece of a file that is written is added."""
    sizes, write = [], PartFile.write

    def recorded(self, data):
        sizes.append(len(data))
        write(self, data)

    monkeypatch.setattr(PartFile, "write", recorded)
    return sizes


async def test_resending_a_stored_message_uploads_almost_nothing(stage, monkeypatch):
    written = record_writes(monkeypatch)
    async with Rest(stage) as rest:

        async def send():
            return await rest(
                "POST", "/messages", as_="alice", data={**FILE, "muid": "m"}, files={"f": ("a", bytes(2_000_000))}
            )

        first = await send()
        assert sum(written) == 2_000_000
        written.clear()
        assert (await send())["id"] == first["id"]
        assert sum(written) < 300_000  # bytes that arrived together with the fields


async def test_upload_to_an_unknown_receiver_is_refused_before_its_file_is_read(stage, monkeypatch):
    written = record_writes(monkeypatch)
    async with Rest(stage) as rest:
        await rest("GET", "/me", as_="alice")
        files = {"f": ("a", bytes(2_000_000))}
        for receiver, kind, code in (
            ("nobody", "user", "ERR_UID_NOT_FOUND"),
            ("nothing", "group", "ERR_GUID_NOT_FOUND"),
        ):
            fields = {**FILE, "receiver": receiver, "receiverType": kind}
            await rest.refused(code, "POST", "/messages", as_="alice", data=fields, files=files)
        assert sum(written) < 2 * 300_000  # bytes that arrived together with the fields
        assert stage.kept() == stage.arriving() == set()


async def test_uploads_leave_disk_space_for_messages(stage, tmp_path):
    await restart_with(stage, tmp_path, min_free_disk=1 << 60)
    async with Rest(stage) as rest:
        answer = await rest.answer("POST", "/messages", as_="alice", data=FILE, files={"f": ("a", b"x" * 1000)})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "ERR_UNAVAILABLE")
        assert answer.headers["retry-after"]
        assert stage.kept() == set()
        await rest("POST", "/messages", as_="alice", json={**FILE, "type": "text", "data": {"text": "goes on"}})


async def test_files_are_removed_with_the_last_message_that_names_them(stage, tmp_path):
    await restart_with(stage, tmp_path, deleted_files_after=100.0)
    async with Rest(stage) as rest:
        data = {**FILE, "type": "image"}
        made = await rest("POST", "/messages", as_="alice", data=data, files={"f": ("a.png", picture())})
        (attachment,) = made["data"]["attachments"]
        forwarded = {**FILE, "type": "image", "data": {"attachments": [{"url": attachment["url"]}]}}
        again = await rest("POST", "/messages", as_="alice", json=forwarded)
        assert len(stage.kept()) == 2  # and its thumbnail
        await rest("DELETE", f"/messages/{made['id']}", as_="alice")
        await stage.pass_time(200)
        assert (await rest.answer("GET", attachment["url"])).status_code == 200
        await rest("DELETE", f"/messages/{again['id']}", as_="alice")
        await stage.pass_time(90)
        assert len(stage.kept()) == 2
        await stage.pass_time(20)
        assert stage.kept() == set()
        for url in (attachment["url"], attachment["thumbnail"]):
            await rest.refused("ERR_FILE_NOT_FOUND", "GET", url)


async def test_form_does_not_bring_a_removed_file_back(stage, tmp_path):
    await restart_with(stage, tmp_path, deleted_files_after=0.0)
    async with Rest(stage) as rest:
        form = await form_for(rest, "a.txt", 5)
        request, url = form["request"], form["attachment"]["url"]

        async def send():
            return await rest.answer("POST", request["url"], data=request["body"], files={"f": ("a.txt", b"hello")})

        assert (await send()).status_code == 204
        message = {**FILE, "data": {"attachments": [{"url": url}]}}
        made = await rest("POST", "/messages", as_="alice", json=message)
        await rest("DELETE", f"/messages/{made['id']}", as_="alice")
        await stage.pass_time(10)
        assert stage.kept() == set()
        repeated = await send()  # by a proxy, for example
        assert (repeated.status_code, repeated.json()["error"]["code"]) == (400, "ERR_BAD_REQUEST")
        await stage.pass_time(10)
        assert stage.kept() == set()
        await rest.refused("ERR_FILE_NOT_FOUND", "GET", url)


async def test_files_to_which_nothing_refers_are_removed(stage, tmp_path):
    await restart_with(stage, tmp_path, unused_files_after=1000.0)
    async with Rest(stage) as rest:
        urls = []
        for name in ("unused.txt", "avatar.txt", "icon.txt", "custom.txt"):
            form = await form_for(rest, name, 5)
            request = form["request"]
            await rest.answer("POST", request["url"], data=request["body"], files={"f": (name, b"hello")})
            urls.append(form["attachment"]["url"])
        await rest("PUT", "/me", as_="alice", json={"avatar": urls[1]})
        await rest("POST", "/groups", as_="alice", json={"guid": "g", "name": "G", "type": "public", "icon": urls[2]})
        custom = {"receiver": "bob", "receiverType": "user", "category": "custom", "type": "x"}
        data = '{"customData": {"see": "' + urls[3].replace("/", "\\/") + '"}}'
        body = json.dumps({**custom, "data": "D"}).replace('"D"', data)
        await rest("POST", "/messages", as_="alice", content=body)
        await stage.pass_time(1100)
        found = [(await rest.answer("GET", url)).status_code for url in urls]
        assert found == [404, 200, 200, 200]
        await rest("PUT", "/me", as_="alice", json={"unset": ["avatar"]})
        await rest("DELETE", "/groups/g", as_="alice")
        await stage.pass_time(10)
        found = [(await rest.answer("GET", url)).status_code for url in urls]
        assert found == [404, 404, 404, 200]


async def test_removals_interrupted_by_a_crash_are_completed_at_startup(stage, tmp_path):
    await restart_with(stage, tmp_path, deleted_files_after=100.0)
    async with Rest(stage) as rest:
        made = await rest("POST", "/messages", as_="alice", data=FILE, files={"f": ("a", b"x")})
        await rest("DELETE", f"/messages/{made['id']}", as_="alice")
        await stage.server.kill()
        await stage.pass_time(200)
        assert len(stage.kept()) == 1
        await stage.server.start()
        await stage.pass_time(1)
        assert stage.kept() == set()


async def test_picture_over_the_budget_is_stored_without_a_thumbnail(stage, tmp_path):
    async with Rest(stage) as rest:
        out = io.BytesIO()
        Image.new("1", (4001, 3000)).save(out, "PNG")
        made = await rest(
            "POST", "/messages", as_="alice", data={**FILE, "type": "image"}, files={"f": ("a.png", out.getvalue())}
        )
        (attachment,) = made["data"]["attachments"]
        assert (attachment["width"], attachment["height"]) == (4001, 3000)
        assert "thumbnail" not in attachment
        assert (await rest.answer("GET", attachment["url"])).content == out.getvalue()
        assert (await rest.answer("GET", attachment["url"] + "?thumbnail=1")).content == out.getvalue()


async def test_attachment_urls_use_the_server_address_that_the_reader_uses(stage, tmp_path):
    async with Rest(stage) as rest:
        bob = await stage.enter("bob")
        receiver = Receiver()
        receiver.listen()
        await rest("POST", "/webhooks", json={**receiver.hook, "triggers": ["message_sent"]})
        data = {**FILE, "type": "image"}
        made = await rest("POST", "/messages", as_="alice", data=data, files={"f": ("a.png", picture())})
        path = made["data"]["url"].removeprefix(stage.server.url)
        assert path.startswith("/files/")

        def urls(message):
            (one,) = message["data"]["attachments"]
            return message["data"]["url"], one["url"], one["thumbnail"]

        assert urls(made) == tuple(stage.server.url + end for end in (path, path, f"{path}?thumbnail=1"))
        await bob.ears.until(lambda: bob.ears.all("media"))
        assert bob.ears.all("media")[0].attachments[0].url == stage.server.url + path
        await rest("PUT", f"/messages/{made['id']}", as_="alice", json={"data": {"text": "a caption"}})
        await restart_with(stage, tmp_path, public_url="https://chat.example.com", webhook_targets="any")
        moved = tuple("https://chat.example.com:443" + end for end in (path, path, f"{path}?thumbnail=1"))
        seen = await rest("GET", "/users/alice/messages", as_="bob")
        assert urls(seen[0]) == moved
        assert urls(seen[1]["data"]["entities"]["on"]["entity"]) == moved
        (conversation,) = await rest("GET", "/conversations", as_="bob")
        assert urls(conversation["lastMessage"]) == moved
        forwarded = {**data, "data": {"attachments": [{"url": made["data"]["url"]}]}}
        assert urls(await rest("POST", "/messages", as_="alice", json=forwarded)) == moved
        await rest("POST", "/messages", as_="alice", json=forwarded)
        await stage.pass_time(100)
        bodies = [body.decode() for body in receiver.bodies]
        assert "https://chat.example.com:443" + path in bodies[-1]
        assert not [text for text in bodies if "tailwire:/" in text]
