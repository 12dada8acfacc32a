"""Files that browsers upload to the bucket directly: they are counted, examined and accepted once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tailwire.server.actions.direct_uploads import DirectUploads
from tailwire.server.ports.file_records import FileResult
from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow
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
        self.issued: list[tuple[list[FormRow], FormLimits]] = []
        self.form_result = FormResult.STORED
        self.closed: list[str] = []
        self.looked_up: list[str] = []
        self.forms = {KEY: 1_000_000}  # when each was issued
        self.direct = True
        self.record: str | None = None
        room = SimpleNamespace(per_day=100, quota_exceeded=lambda: Refused("ERR_UPLOAD_QUOTA_EXCEEDED"))
        self.uploads = DirectUploads(
            cast(Any, SimpleNamespace(files=self._files())),
            cast(Any, self),
            cast(Any, room),
            lambda: 1_000_000,
            lambda head: "text/plain",
            max_size=50,
            form_lifetime=60,
        )

    def _files(self) -> Any:
        return SimpleNamespace(
            add=self._add, get=self._get, issue_forms=self._issue, close_form=self._close, has_form=self._has_form
        )

    async def _add(self, row: Any, quota: int, since: int, *, by_user: bool) -> FileResult:
        assert by_user == (row.uid != SYSTEM_USER)
        self.added.append((row, quota, since))
        return self.result

    async def _issue(self, forms: list[FormRow], limits: FormLimits) -> FormResult:
        self.issued.append((forms, limits))
        return self.form_result

    async def _has_form(self, name: str, since: int) -> bool:
        return self.forms.get(name, 0) > since

    async def _close(self, name: str) -> None:
        self.closed.append(name)

    async def _get(self, key: str) -> str | None:
        return self.record

    def direct_form(self, key: str, file: DirectFile, lifetime: int) -> tuple[str, dict[str, str]] | None:
        return ("https://bucket", {"key": key, "size": str(file.size)}) if self.direct else None

    async def accept_upload(self, key: str) -> Any:
        self.looked_up.append(key)
        return self.arrived

    async def remove(self, names: list[str]) -> None:
        self.removed += names

    async def end_direct(self, key: str, lifetime: int) -> None:
        assert lifetime == 60
        self.ended.append(key)


async def test_issued_upload_forms_are_stored_together_with_the_limits_of_their_user():
    bucket = Bucket()
    assert bucket.uploads.form("a", "alice", "a.txt", 30) == ("https://bucket", {"key": "a", "size": "30"})
    await bucket.uploads.issue("alice", {"a": 30, "b": 12})
    now = 1_000_000
    forms = [FormRow("a", "alice", 30, now), FormRow("b", "alice", 12, now)]
    assert bucket.issued == [(forms, FormLimits(100, 1000, now - 86_400, now - 60))]


async def test_no_upload_form_is_made_or_stored_when_files_are_uploaded_through_the_server():
    bucket = Bucket()
    bucket.direct = False
    assert bucket.uploads.form("a", "alice", "a.txt", 30) is None
    await bucket.uploads.issue("alice", {})
    assert bucket.issued == []


async def test_upload_forms_of_the_system_user_are_stored_and_not_limited():
    bucket = Bucket()
    await bucket.uploads.issue(SYSTEM_USER, {"a": 30})
    now = 1_000_000
    assert bucket.issued == [([FormRow("a", SYSTEM_USER, 30, now)], FormLimits(0, 0, now - 86_400, now - 60))]


@pytest.mark.parametrize("result", [FormResult.TOO_MANY, FormResult.OVER_QUOTA])
async def test_upload_forms_beyond_the_limits_of_a_user_are_refused(result: FormResult):
    bucket = Bucket()
    bucket.form_result = result
    with pytest.raises(Refused) as caught:
        await bucket.uploads.issue("alice", {"a": 30})
    assert caught.value.code == "ERR_UPLOAD_QUOTA_EXCEEDED"
    assert ("1000 forms" in str(caught.value.details)) == (result is FormResult.TOO_MANY)


async def test_accepted_upload_is_recorded_and_its_form_ends():
    bucket = Bucket()
    row = await bucket.uploads.accept_upload(KEY)
    assert row is not None
    ((added, quota, since),) = bucket.added
    assert (row, quota, since) == (added, 100, 1_000_000 - 86_400)
    assert (row.uid, row.file_name, row.mime_type, row.size) == ("alice", "a.txt", "text/plain", 10)
    assert (bucket.ended, bucket.removed, bucket.closed) == ([KEY], [], [])


async def test_file_of_the_system_user_is_recorded_without_a_quota():
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
    with pytest.raises(Refused) as caught:
        await bucket.uploads.accept_upload(KEY)
    assert caught.value.code == code
    assert (bucket.removed, bucket.ended, bucket.closed) == ([KEY], [KEY], [KEY])


async def test_file_above_the_general_size_limit_is_removed_although_its_form_allows_the_size():
    bucket = Bucket(51)
    bucket.arrived.file = DirectFile("alice", "a.txt", 60)
    with pytest.raises(Refused) as caught:
        await bucket.uploads.accept_upload(KEY)
    assert caught.value.code == "ERR_FILE_SIZE_EXCEEDED"
    assert (bucket.removed, bucket.ended, bucket.closed) == ([KEY], [KEY], [KEY])


async def test_file_that_another_request_has_already_recorded_is_kept():
    bucket = Bucket()
    bucket.result = FileResult.EXISTS
    bucket.record = "the record"
    assert await bucket.uploads.accept_upload(KEY) == "the record"
    assert (bucket.removed, bucket.ended) == ([], [])


async def test_upload_whose_file_was_recorded_and_removed_before_is_removed():
    bucket = Bucket()
    bucket.result = FileResult.EXISTS
    assert await bucket.uploads.accept_upload(KEY) is None
    assert (bucket.removed, bucket.ended) == ([KEY], [KEY])


async def test_file_of_a_deleted_user_is_removed():
    bucket = Bucket()
    bucket.result = FileResult.NO_USER
    assert await bucket.uploads.accept_upload(KEY) is None
    assert (bucket.removed, bucket.ended) == ([KEY], [KEY])


async def test_name_that_cannot_be_a_file_name_is_not_looked_up():
    bucket = Bucket()
    assert await bucket.uploads.accept_upload("../secret") is None
    assert (bucket.looked_up, bucket.added) == ([], [])
    await bucket.uploads.accept_upload(KEY)
    assert bucket.looked_up == [KEY]


@pytest.mark.parametrize("issued", [None, 1_000_000 - 86_400])
async def test_bucket_is_not_asked_for_a_name_without_a_form_of_the_last_day(issued: int | None):
    bucket = Bucket()
    bucket.forms = {} if issued is None else {KEY: issued}
    assert await bucket.uploads.accept_upload(KEY) is None
    assert (bucket.looked_up, bucket.added) == ([], [])
    bucket.forms = {KEY: 1_000_000 - 86_399}
    assert await bucket.uploads.accept_upload(KEY) is not None
    assert bucket.looked_up == [KEY]


async def test_file_that_is_not_in_the_bucket_is_not_accepted():
    bucket = Bucket()
    bucket.arrived = None
    assert await bucket.uploads.accept_upload(KEY) is None
    assert bucket.added == []
