"""A bucket whose service is unreachable, slow, cut off, or configured wrongly. Each request goes to a real service."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from urllib.parse import urlsplit

import pytest

from servers.s3 import S3Server, free_port
from tailwire.server.config import Settings
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import ArrivedFile, DirectFile
from tailwire.server.uploads import s3_bucket
from tailwire.server.uploads.s3 import EXPIRY_MARGIN_SECONDS, S3Uploads
from tailwire.server.uploads.s3_bucket import PART_BYTES, Bucket, BucketError
from tailwire.server.uploads.s3_leftovers import remove_leftovers
from tailwire.server.uploads.s3_settings import BucketAddress, Credentials, bucket_address
from tailwire.server.uploads.s3_signing import encode_facts

pytestmark = pytest.mark.slow  # starts a service

DAY = 86_400


def bucket_of(place, **more) -> Bucket:
    return Bucket(bucket_address(Settings(**place.settings(**more)), {}))


@pytest.fixture
def place(s3):
    """An empty bucket of the service that runs for the whole session."""
    return s3.create_bucket()


@pytest.fixture
def own():
    """A service that the test may stop."""
    server = S3Server()
    server.start()
    yield server
    server.kill()


class Uploading:
    """The storage of a server, and a file that was written to it."""

    def __init__(self, folder, bucket, content):
        self.uploads = S3Uploads(folder / "arriving", bucket, lambda: int(time.time()))
        self.folder = folder / "arriving"
        self.sink = self.uploads.begin()
        self.sink.write(content)

    async def keep(self, name="file.bin"):
        await self.sink.finish()
        try:
            await self.sink.keep(name)
        finally:
            self.sink.drop()

    async def refused(self):
        with pytest.raises(Refused, match="ERR_UNAVAILABLE") as refused:
            await self.keep()
        assert refused.value.retry_after
        assert list(self.folder.iterdir()) == []
        await self.uploads.close()


async def read(bucket, name, start, length) -> bytes:
    return b"".join([piece async for piece in bucket.read(name, start, length)])


async def test_large_file_is_sent_in_parts_and_read_in_ranges(place, tmp_path):
    content = os.urandom(2 * PART_BYTES + 1234)
    uploading = Uploading(tmp_path, bucket_of(place), content)
    await uploading.keep()
    bucket = bucket_of(place)
    assert await bucket.size("file.bin") == len(content)
    assert await read(bucket, "file.bin", 0, len(content)) == content
    assert await read(bucket, "file.bin", PART_BYTES - 5, 10) == content[PART_BYTES - 5 : PART_BYTES + 5]
    assert await read(bucket, "file.bin", 5, 0) == b""
    assert (place.names(), place.unfinished()) == ({"chat/files/file.bin"}, [])
    assert list(uploading.folder.iterdir()) == []
    await uploading.uploads.close()


async def stored(bucket, folder, name) -> None:
    path = folder / name
    path.write_bytes(b"one")
    await bucket.put(name, path, 3, "text/plain")


async def test_removed_file_is_not_found(place, tmp_path):
    bucket = bucket_of(place)
    await stored(bucket, tmp_path, "x")
    await bucket.remove(["x", "never.stored"])
    assert place.names() == set()
    with pytest.raises(FileNotFoundError):
        await bucket.size("x")
    with pytest.raises(FileNotFoundError):
        await read(bucket, "x", 0, 5)


async def test_prefix_separates_servers_in_one_bucket(place, tmp_path):
    first, second = bucket_of(place, prefix="first"), bucket_of(place, prefix="second")
    await stored(first, tmp_path, "x")
    with pytest.raises(FileNotFoundError):
        await second.size("x")
    assert place.names() == {"first/x"}


async def test_copy_replaces_no_file(place, tmp_path):
    bucket = bucket_of(place, prefix="here")
    await stored(bucket, tmp_path, "x")
    assert await bucket.copy_new("x", "y")
    assert not await bucket.copy_new("x", "y")
    with pytest.raises(FileNotFoundError):
        await bucket.copy_new("none", "z")
    assert place.names() == {"here/x", "here/y"}


async def test_files_are_refused_while_the_service_is_unreachable(own, tmp_path):
    place = own.create_bucket()
    bucket = bucket_of(place)
    own.kill()
    with pytest.raises(BucketError, match=f"127.0.0.1:{own.port} cannot be reached: check s3_endpoint") as e:
        await bucket.check()
    assert e.value.temporary
    for content in (b"small", os.urandom(2 * PART_BYTES)):
        await Uploading(tmp_path, bucket, content).refused()
    own.start()
    own.client().create_bucket(Bucket=place.name)
    await bucket.check()
    uploading = Uploading(tmp_path, bucket, b"small")
    await uploading.keep()
    await uploading.uploads.close()
    assert place.names() == {"chat/files/file.bin"}


async def test_unresponsive_service_is_given_up(own, tmp_path, monkeypatch):
    for name in ("REQUEST_SECONDS", "PUT_SECONDS"):
        monkeypatch.setattr(s3_bucket, name, 0.5)
    monkeypatch.setattr(s3_bucket.Bucket._answer, "__defaults__", (0.5,))
    bucket = bucket_of(own.create_bucket())
    own.pause()
    try:
        with pytest.raises(BucketError, match="did not answer within") as e:
            await bucket.size("file.bin")
        assert e.value.temporary
        await Uploading(tmp_path, bucket, b"small").refused()
    finally:
        own.go_on()


async def test_error_about_a_missing_bucket_names_it(s3, tmp_path):
    place = s3.create_bucket()
    s3.client().delete_bucket(Bucket=place.name)
    bucket = bucket_of(place)
    with pytest.raises(BucketError, match=f"the bucket {place.name} does not exist: create it") as e:
        await bucket.check()
    assert not e.value.temporary
    for content in (b"small", os.urandom(2 * PART_BYTES)):
        await Uploading(tmp_path, bucket, content).refused()


async def test_error_about_a_wrong_access_key_names_the_settings_and_shows_no_secret(tmp_path, caplog):
    server = S3Server(auth=True)
    try:
        server.start()
        place = server.create_bucket()  # the one request that needs no known key
        bucket = bucket_of(place)
        with pytest.raises(BucketError, match="check s3_access_key and s3_secret_key") as e:
            await bucket.check()
        assert not e.value.temporary
        await Uploading(tmp_path, bucket, b"small").refused()
        assert "a file cannot be stored" in caplog.text
        assert "file.bin" not in caplog.text  # the name grants access
        for secret in ("an-access-key", "a-secret-key"):
            assert secret not in caplog.text
    finally:
        server.kill()


@contextlib.asynccontextmanager
async def cutting_proxy(port: int, most: int):
    """A proxy that cuts each connection after `most` bytes from the client. Yields its port."""
    tasks = set()

    async def copy(reader, writer, left):
        while data := await reader.read(65536):
            left -= len(data)
            if left < 0:
                break
            writer.write(data)
            await writer.drain()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        there, out = await asyncio.open_connection("127.0.0.1", port)
        ways = [asyncio.create_task(copy(reader, out, most)), asyncio.create_task(copy(there, writer, 1 << 60))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for one in (writer, out):
            one.transport.abort()
        await asyncio.gather(*ways, return_exceptions=True)

    proxy = await asyncio.start_server(serve, "127.0.0.1", free_port())
    try:
        yield proxy.sockets[0].getsockname()[1]
    finally:
        proxy.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_connection_cut_during_a_part_leaves_nothing_in_the_bucket(place, tmp_path):
    port = urlsplit(place.settings()["s3_endpoint"]).port
    async with cutting_proxy(port, PART_BYTES - 100_000) as cut:
        bucket = bucket_of(place, s3_endpoint=f"http://127.0.0.1:{cut}")
        await bucket.check()
        await Uploading(tmp_path, bucket, os.urandom(3 * PART_BYTES)).refused()
    assert (place.names(), place.unfinished()) == (set(), [])


async def test_file_of_a_client_that_left_during_the_transfer_is_removed_from_the_bucket(place, tmp_path):
    uploading = Uploading(tmp_path, bucket_of(place), os.urandom(3 * PART_BYTES))
    await uploading.sink.finish()
    keeping = asyncio.create_task(uploading.sink.keep("file.bin"))
    while not place.unfinished():
        await asyncio.sleep(0)
    keeping.cancel()
    uploading.sink.drop()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    await uploading.uploads.close()
    assert (place.names(), place.unfinished()) == (set(), [])
    assert list(uploading.folder.iterdir()) == []


async def test_parts_of_killed_servers_are_removed_after_a_day(s3, place):
    client = s3.client()
    for key in ("chat/files/left.bin", "other/left.bin"):
        made = client.create_multipart_upload(Bucket=place.name, Key=key)
        client.upload_part(Bucket=place.name, Key=key, UploadId=made["UploadId"], PartNumber=1, Body=b"x" * 1000)
    address, now = bucket_of(place).address, int(time.time())
    ages = 100 * 365 * DAY, DAY  # the service reports the beginning of each upload as some time in 2010
    assert remove_leftovers(address, address.credentials, now, ages[0]) == 0
    assert len(place.unfinished()) == 2
    assert remove_leftovers(address, address.credentials, now, ages[1]) == 1
    assert place.unfinished() == ["other/left.bin"]


async def test_directly_uploaded_files_that_no_message_uses_are_removed_after_a_day(place, tmp_path, s3):
    now = [int(time.time())]
    uploads = S3Uploads(tmp_path / "arriving", bucket_of(place), lambda: now[0], direct=True)
    for key in ("chat/files/direct/unsent", "chat/files/sent", "chat/files/directly", "direct/other"):
        s3.client().put_object(Bucket=place.name, Key=key, Body=b"x")
    now[0] += DAY - 60
    await uploads._remove_unsent()
    assert len(place.names()) == 4
    now[0] += 120
    await uploads._remove_unsent()
    assert place.names() == {"chat/files/sent", "chat/files/directly", "direct/other"}
    await uploads.close()


async def test_object_without_readable_file_metadata_is_not_accepted(place, tmp_path, s3):
    uploads = S3Uploads(tmp_path / "arriving", bucket_of(place), lambda: int(time.time()), direct=True)
    s3.client().put_object(Bucket=place.name, Key="chat/files/direct/a", Body=b"x", Metadata={"file": "bm90IGpzb24="})
    s3.client().put_object(Bucket=place.name, Key="chat/files/direct/b", Body=b"x")
    assert [await uploads.accept_upload(name) for name in ("a", "b", "c")] == [None, None, None]
    file = DirectFile("alice", "ä.txt", 5)
    s3.client().put_object(
        Bucket=place.name, Key="chat/files/direct/d", Body=b"xyz", Metadata={"file": encode_facts(file)}
    )
    assert await uploads.accept_upload("d") == ArrivedFile(file, 3, b"xyz")
    await uploads.close()


async def test_expired_direct_upload_is_not_accepted_and_is_removed_if_it_is_uploaded_again(place, tmp_path, s3):
    now = [int(time.time())]
    uploads = S3Uploads(tmp_path / "arriving", bucket_of(place), lambda: now[0], direct=True)
    form = {
        "Bucket": place.name,
        "Key": "chat/files/direct/a",
        "Metadata": {"file": encode_facts(DirectFile("u", "a", 1))},
    }
    s3.client().put_object(**form, Body=b"x")
    now[0] += DAY + 60
    assert await uploads.accept_upload("a") is None
    assert place.names() == {"chat/files/direct/a"}
    await uploads.end_direct("a", -EXPIRY_MARGIN_SECONDS)
    s3.client().put_object(**form, Body=b"y")
    async with asyncio.timeout(30):
        while place.names():
            await asyncio.sleep(0.01)
    await uploads.close()


async def test_files_are_neither_read_nor_removed_while_the_service_is_unreachable(own, tmp_path, caplog):
    uploads = S3Uploads(tmp_path / "arriving", bucket_of(own.create_bucket()), lambda: int(time.time()))
    own.kill()
    with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
        await anext(uploads.read("file.bin", 0, 5))
    with pytest.raises(Refused, match="ERR_UNAVAILABLE"):
        await uploads.remove(["file.bin"])
    await uploads.close()
    assert "a file cannot be read" in caplog.text
    assert "a file cannot be removed" in caplog.text


async def test_answer_that_is_not_http_is_an_error_of_the_service():
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"nothing of the kind\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        address = BucketAddress("bucket", "", endpoint, endpoint, "us-east-1", None)
        with pytest.raises(OSError, match="is cut or invalid"):
            await asyncio.to_thread(remove_leftovers, address, Credentials("key", "secret"), int(time.time()), DAY)
