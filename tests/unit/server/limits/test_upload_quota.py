"""Upload limits."""

from __future__ import annotations

import pytest

from tailwire.server.limits.upload_quota import UploadQuota
from tailwire.server.ports.refusal import Refused


def assert_refused(code, call, *args):
    with pytest.raises(Refused) as refusal:
        call(*args)
    assert refusal.value.code == code
    return refusal.value


def test_uploads_in_progress_count_towards_the_quota():
    quota = UploadQuota(1000, 0, lambda: 0)
    first, second = quota.begin_upload("alice", 300), quota.begin_upload("alice", 300)
    first.reserve(500)
    assert_refused("ERR_UPLOAD_QUOTA_EXCEEDED", second.reserve, 201)
    second.reserve(200)
    assert_refused("ERR_UPLOAD_QUOTA_EXCEEDED", first.record_written, 501)
    quota.begin_upload("bob", 0).reserve(1000)
    first.end()
    second.record_written(700)
    assert_refused("ERR_UPLOAD_QUOTA_EXCEEDED", quota.check, "alice", 300, 1)
    second.end()
    quota.check("alice", 300, 700)


def test_uploads_leave_the_minimum_free_space():
    free = 1000
    quota = UploadQuota(0, 400, lambda: free)
    first, second = quota.begin_upload("alice", 0), quota.begin_upload("", 0)
    first.reserve(400)
    assert assert_refused("ERR_UNAVAILABLE", second.reserve, 201).retry_after
    first.record_written(300)
    free = 700  # 100 reserved bytes are not written yet
    second.reserve(200)
    assert_refused("ERR_UNAVAILABLE", quota.check, "bob", 0, 1)
    second.end()
    quota.check("bob", 0, 200)


def test_without_limits_every_upload_is_allowed():
    quota = UploadQuota(0, 0, lambda: 0)
    quota.begin_upload("alice", 1 << 40).record_written(1 << 40)
    quota.check("alice", 1 << 40, 1 << 40)
