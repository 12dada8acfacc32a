"""Files that browsers upload to the bucket directly: they are counted, examined and accepted once."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tailwire.server.actions.direct_uploads import DirectUploads
from tailwire.server.limits.issued_forms import IssuedForms
from tailwire.server.ports.records import FileResult
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import DirectFile
from tailwire.server.rules.names import SYSTEM_USER

pytestmark = pytest.mark.virtual
KEY = "0123456789" * 4


class Bucket:
    """A bucket with one file, and a store that says what becomes of its record."""

    def __init__(self, size: int = 10, uid: str = "alice") -> None:
        self.arrived: Any = SimpleNamespace(file=DirectFile(uid, "a.txt", 10), first_bytes=b"text", size=size)
        self.result = FileResult.STORED
        self.removed: list[str] = []
        self.ended: list[str] = []
        self.added: list[tuple[Any, int, int]] = []
        self.forms = IssuedForms(lambda: 0.0, 60.0, 60.0)
        self.direct = True
        self.record: str | None = None
        room = SimpleNamespace(per_day=100, quota_exceeded=lambda: Refused("ERR_UPLOAD_QUOTA_EXCEEDED"))
        self.uploads = DirectUploads(
            cast(Any, SimpleNamespace(files=SimpleNamespace(add=self._add, get=self._get))),
            cast(Any, self),
            cast(Any, room),
            self.forms,
            lambda: 1_000_000,
            lambda head: "text/plain",
            max_size=50,
            form_lifetime=60,
        )

    async def _add(self, row: Any, quota: int, since: int) -> FileResult:
        self.added.append((row, quota, since))
        return self.result

    async def _get(self, key: str) -> str | None:
        return self.record

    def direct_form(self, key: str, file: DirectFile, lifetime: int) -> tuple[str, dict[str, str]] | None:
        return ("https://bucket", {"key": key, "size": str(file.size)}) if self.direct else None

    async def accept_upload(self, key: str) -> Any:
        return self.arrived

    async def remove(self, names: list[str]) -> None:
        self.removed += names

    async def end_direct(self, key: str, lifetime: int) -> None:
        assert lifetime == 60
        self.ended.append(key)


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    return caught.value.code


def test_forms_of_a_user_count_until_their_files_are_accepted():
    bucket = Bucket()
    assert bucket.uploads.outstanding_bytes("alice", 1) == 0
    assert bucket.uploads.form("a", "alice", "a.txt", 30) == ("https://bucket", {"key": "a", "size": "30"})
    bucket.uploads.form("b", "alice", "b.txt", 12)
    assert (bucket.uploads.outstanding_bytes("alice", 1), bucket.uploads.outstanding_bytes("bob", 1)) == (42, 0)


def test_form_for_this_server_itself_does_not_count():
    bucket = Bucket()
    bucket.direct = False
    assert bucket.uploads.form("a", "alice", "a.txt", 30) is None
    assert bucket.uploads.outstanding_bytes("alice", 1) == 0


def test_forms_of_a_backend_are_not_limited():
    bucket = Bucket()
    bucket.uploads.form("a", SYSTEM_USER, "a.txt", 30)
    assert bucket.uploads.outstanding_bytes(SYSTEM_USER, 5000) == 0
    assert bucket.forms.outstanding_bytes(SYSTEM_USER) == 0
    assert bucket.uploads.issued_bytes(SYSTEM_USER) == 0


def test_user_has_at_most_a_thousand_forms():
    bucket = Bucket()
    assert bucket.uploads.outstanding_bytes("alice", 1000) == 0
    assert refusal(lambda: bucket.uploads.outstanding_bytes("alice", 1001)) == "ERR_UPLOAD_QUOTA_EXCEEDED"


async def test_uploaded_file_is_recorded_and_its_form_no_longer_counts():
    bucket = Bucket()
    bucket.uploads.form(KEY, "alice", "a.txt", 10)
    row = await bucket.uploads.accept_upload(KEY)
    assert row is not None
    ((added, quota, since),) = bucket.added
    assert (row, quota, since) == (added, 100, 1_000_000 - 86_400)
    assert (row.uid, row.file_name, row.mime_type, row.size) == ("alice", "a.txt", "text/plain", 10)
    assert (bucket.ended, bucket.removed, bucket.uploads.outstanding_bytes("alice", 1)) == ([KEY], [], 0)


async def test_files_of_a_backend_have_no_quota():
    bucket = Bucket(uid=SYSTEM_USER)
    await bucket.uploads.accept_upload(KEY)
    assert bucket.added[0][1] == 0


@pytest.mark.parametrize(
    ("size", "result", "code"),
    [
        (11, FileResult.STORED, "ERR_FILE_SIZE_EXCEEDED"),
        (10, FileResult.OVER_QUOTA, "ERR_UPLOAD_QUOTA_EXCEEDED"),
    ],
)
async def test_file_that_is_too_large_is_removed(size: int, result: FileResult, code: str):
    bucket = Bucket(size)
    bucket.result = result
    bucket.uploads.form(KEY, "alice", "a.txt", 10)
    with pytest.raises(Refused) as caught:
        await bucket.uploads.accept_upload(KEY)
    assert caught.value.code == code
    assert (bucket.removed, bucket.ended, bucket.uploads.outstanding_bytes("alice", 1)) == ([KEY], [KEY], 0)
    assert bucket.uploads.issued_bytes("alice") == 10


async def test_file_larger_than_any_may_be_is_removed_whatever_its_form_says():
    bucket = Bucket(51)
    bucket.arrived.file = DirectFile("alice", "a.txt", 60)
    with pytest.raises(Refused) as caught:
        await bucket.uploads.accept_upload(KEY)
    assert caught.value.code == "ERR_FILE_SIZE_EXCEEDED"


async def test_file_that_another_request_has_accepted_is_kept():
    bucket = Bucket()
    bucket.result = FileResult.EXISTS
    bucket.record = "the record"
    assert await bucket.uploads.accept_upload(KEY) == "the record"
    assert (bucket.removed, bucket.ended) == ([], [])


async def test_file_that_was_removed_does_not_come_back_by_its_form():
    bucket = Bucket()
    bucket.result = FileResult.EXISTS
    assert await bucket.uploads.accept_upload(KEY) is None
    assert (bucket.removed, bucket.ended) == ([KEY], [KEY])


async def test_name_that_cannot_be_a_file_name_is_not_looked_up():
    bucket = Bucket()
    assert await bucket.uploads.accept_upload("../secret") is None
    bucket.arrived = None
    assert await bucket.uploads.accept_upload(KEY) is None
    assert bucket.added == []
