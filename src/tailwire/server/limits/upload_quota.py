"""Limits uploads: how many bytes one user may upload in 24 hours, and how much of the disk must stay free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tailwire.server.ports.refusal import Refused

RETRY_AFTER_SECONDS = 60.0
DAY_SECONDS = 86_400


class UploadQuota:
    """The limits of uploads. Uploads in progress count, so that parallel ones get no more than consecutive ones.

    Args:
        per_day: how many bytes one user may upload in 24 hours; 0 for no limit.
        floor: how many bytes of the disk must stay free; 0 to skip the check.
        free: returns the free bytes of the disk.
    """

    def __init__(self, per_day: int, floor: int, free: Callable[[], int]) -> None:
        self.per_day = per_day
        self._floor = floor
        self._free = free
        self._reserved: Counter[str] = Counter()  # by uid
        self._unwritten = 0  # reserved bytes that are not on the disk yet

    def check(self, uid: str, used: int, size: int) -> None:
        """Check that a user may upload `size` more bytes.

        Args:
            uid: the user; "" for a caller whose uploads are not limited.
            used: bytes that the user has uploaded within the last 24 hours.
            size: how many bytes they want to upload, in addition to those that uploads in progress have reserved.

        Raises:
            Refused: ERR_UPLOAD_QUOTA_EXCEEDED: the user may not upload that much in 24 hours; ERR_UNAVAILABLE: too
                little of the disk would stay free.
        """
        if self.per_day and uid and used + self._reserved[uid] + size > self.per_day:
            raise self.quota_exceeded()
        if self._floor and self._free() - self._unwritten - size < self._floor:
            advice = "The server's disk is nearly full."
            raise Refused("ERR_UNAVAILABLE", advice, retry_after=RETRY_AFTER_SECONDS, limit="min_free_disk")

    def quota_exceeded(self) -> Refused:
        """Return the refusal for a user who has uploaded as much as they may in 24 hours."""
        advice = f"You may upload {self.per_day} bytes in 24 hours."
        return Refused("ERR_UPLOAD_QUOTA_EXCEEDED", advice, limit="uploads_per_day")

    def begin_upload(self, uid: str, used: int) -> Reservation:
        """Return a reservation for an upload that a user begins, of 0 bytes at first. Call its `end` in any case.

        Args:
            uid, used: as in `check`.
        """
        return Reservation(self, uid, used)


class Reservation:
    """The bytes that one upload in progress has reserved. They count for `UploadQuota.check` until `end`."""

    def __init__(self, quota: UploadQuota, uid: str, used: int) -> None:
        self._quota = quota
        self._uid = uid
        self._used = used
        self._size = self._written = 0

    def reserve(self, size: int) -> None:
        """Reserve more bytes, so that this upload has reserved at least `size` in total.

        Raises:
            Refused: as in `UploadQuota.check`. Then nothing more is reserved.
        """
        more = size - self._size
        if more > 0:
            self._quota.check(self._uid, self._used, more)
            self._add(more, more)

    def record_written(self, size: int) -> None:
        """Record that this upload has written, or is about to write, `size` bytes in total. Reserve them if needed.

        What is written is no longer subtracted from the free bytes of the disk.

        Raises:
            Refused: as in `UploadQuota.check`.
        """
        self.reserve(size)
        self._quota._unwritten -= size - self._written
        self._written = size

    def end(self) -> None:
        """Release the reservation. Call it when the upload is recorded in the store, or was discarded."""
        self._add(-self._size, self._written - self._size)
        self._written = 0

    def _add(self, size: int, unwritten: int) -> None:
        self._size += size
        self._quota._reserved[self._uid] += size
        if not self._quota._reserved[self._uid]:
            del self._quota._reserved[self._uid]
        self._quota._unwritten += unwritten
