"""Upload limits: bytes of one user in 24 hours, and disk space that must stay free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tailwire.server.ports.refusal import Refused

RETRY_AFTER_SECONDS = 60.0
DAY_SECONDS = 86_400


class UploadQuota:
    """The limits, with uploads in progress counted, so that parallel uploads get no more than consecutive ones.

    Args:
        per_day: bytes that one user may upload in 24 hours; 0 for no limit.
        floor: bytes of the disk that must stay free; 0 to skip the check.
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
            size: bytes, in addition to those that uploads in progress have reserved.

        Raises:
            Refused: ERR_UPLOAD_QUOTA_EXCEEDED, the user may not upload so much in 24 hours; ERR_UNAVAILABLE, too little
                of the disk would stay free.
        """
        if self.per_day and uid and used + self._reserved[uid] + size > self.per_day:
            raise self.quota_exceeded()
        if self._floor and self._free() - self._unwritten - size < self._floor:
            advice = "The server's disk is nearly full."
            raise Refused("ERR_UNAVAILABLE", advice, retry_after=RETRY_AFTER_SECONDS, limit="min_free_disk")

    def quota_exceeded(self) -> Refused:
        """Return the error for a user whose quota is used up."""
        advice = f"You may upload {self.per_day} bytes in 24 hours."
        return Refused("ERR_UPLOAD_QUOTA_EXCEEDED", advice, limit="uploads_per_day")

    def begin_upload(self, uid: str, used: int) -> Reservation:
        """Begin an upload of a user. The reservation must be ended with `Reservation.end`.

        Args:
            uid, used: as for `check`.
        """
        return Reservation(self, uid, used)


class Reservation:
    """The bytes that one upload has reserved, until `end`."""

    def __init__(self, quota: UploadQuota, uid: str, used: int) -> None:
        self._quota = quota
        self._uid = uid
        self._used = used
        self._size = self._written = 0

    def reserve(self, size: int) -> None:
        """Reserve bytes, so that `size` are reserved in total.

        Raises:
            Refused: as for `UploadQuota.check`.
        """
        more = size - self._size
        if more > 0:
            self._quota.check(self._uid, self._used, more)
            self._add(more, more)

    def record_written(self, size: int) -> None:
        """Record that `size` bytes in total are written, or are about to be.

        Raises:
            Refused: as for `UploadQuota.check`.
        """
        self.reserve(size)
        self._quota._unwritten -= size - self._written
        self._written = size

    def end(self) -> None:
        """Release the reservation: the upload is recorded in the store, or was deleted."""
        self._add(-self._size, self._written - self._size)
        self._written = 0

    def _add(self, size: int, unwritten: int) -> None:
        self._size += size
        self._quota._reserved[self._uid] += size
        if not self._quota._reserved[self._uid]:
            del self._quota._reserved[self._uid]
        self._quota._unwritten += unwritten
