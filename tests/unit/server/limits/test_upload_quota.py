"""Upload limits."""

from __future__ import annotations

import pytest

from tailwire.server.limits.upload_quota import UploadQuota
from tailwire.server.ports.refusal import Refused


def refused(code, call, *args):
    with pytest.raises(Refused) as refusal:
        call(*args)
    assert refusal.value.code == code
    return refusal.value


def test_uploads_in_progress_count_towards_the_quota():
    quota = UploadQuota(1000, 0, lambda: 0)
    first, second = quota.take("alice", 300), quota.take("alice", 300)
    first.expect(500)
    refused("ERR_UPLOAD_QUOTA_EXCEEDED", second.expect, 201)
    second.expect(200)
    refused("ERR_UPLOAD_QUOTA_EXCEEDED", first.written, 501)
    quota.take("bob", 0).expect(1000)
    first.end()
    second.written(700)
    refused("ERR_UPLOAD_QUOTA_EXCEEDED", quota.check, "alice", 300, 1)
    second.end()
    quota.check("alice", 300, 700)


def test_uploads_leave_the_minimum_free_space():
    free = 1000
    quota = UploadQuota(0, 400, lambda: free)
    first, second = quota.take("alice", 0), quota.take("", 0)
    first.expect(400)
    assert refused("ERR_UNAVAILABLE", second.expect, 201).retry_after
    first.written(300)
    free = 700  # 100 reserved bytes are not written yet
    second.expect(200)
    refused("ERR_UNAVAILABLE", quota.check, "bob", 0, 1)
    second.end()
    quota.check("bob", 0, 200)


def test_without_limits_every_upload_is_allowed():
    quota = UploadQuota(0, 0, lambda: 0)
    quota.take("alice", 1 << 40).written(1 << 40)
    quota.check("alice", 1 << 40, 1 << 40)
