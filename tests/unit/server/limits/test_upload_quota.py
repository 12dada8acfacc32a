"""Room for uploads."""

from __future__ import annotations

import pytest

from tailwire.server.limits.upload_quota import UploadQuota
from tailwire.server.ports.refusal import Refused


def refused(code, call, *args):
    with pytest.raises(Refused) as refusal:
        call(*args)
    assert refusal.value.code == code
    return refusal.value


def test_what_is_under_way_counts_as_what_is_there():
    room = UploadQuota(1000, 0, lambda: 0)
    first, second = room.take("alice", 300), room.take("alice", 300)
    first.expect(500)
    refused("ERR_UPLOAD_QUOTA_EXCEEDED", second.expect, 201)
    second.expect(200)
    refused("ERR_UPLOAD_QUOTA_EXCEEDED", first.written, 501)
    room.take("bob", 0).expect(1000)
    first.end()
    second.written(700)
    refused("ERR_UPLOAD_QUOTA_EXCEEDED", room.check, "alice", 300, 1)
    second.end()
    room.check("alice", 300, 700)


def test_the_disk_keeps_its_floor_whoever_uploads():
    free = 1000
    room = UploadQuota(0, 400, lambda: free)
    first, second = room.take("alice", 0), room.take("", 0)
    first.expect(400)
    assert refused("ERR_UNAVAILABLE", second.expect, 201).retry_after
    first.written(300)
    free = 700  # the disk has them; 100 more are to come
    second.expect(200)
    refused("ERR_UNAVAILABLE", room.check, "bob", 0, 1)
    second.end()
    room.check("bob", 0, 200)


def test_without_limits_everything_may_come():
    room = UploadQuota(0, 0, lambda: 0)
    room.take("alice", 1 << 40).written(1 << 40)
    room.check("alice", 1 << 40, 1 << 40)
