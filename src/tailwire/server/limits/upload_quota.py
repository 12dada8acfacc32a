"""Room for uploads: how much one user may bring in a day, and how much the disk must keep free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from tailwire.server.ports.refusal import Refused

RETRY_AFTER_SECONDS = 60.0
DAY_SECONDS = 86_400


class UploadQuota:
    """Counts what is under way, so that many uploads at once get no more than one after the other.

    Args:
        per_day: bytes that one user may upload in 24 hours; 0 for any.
        floor: bytes of the disk that stay free; 0: it is not looked at.
        free: the bytes of the disk that are free now.
    """

    def __init__(self, per_day: int, floor: int, free: Callable[[], int]) -> None:
        self.per_day = per_day
        self._floor = floor
        self._free = free
        self._of: Counter[str] = Counter()
        self._coming = 0  # taken, and not yet written

    def check(self, uid: str, used: int, size: int) -> None:
        """Return when so many more bytes may come.

        Args:
            uid: who uploads; "" for somebody whose uploads are not counted.
            used: the bytes that this user has uploaded within the day.

        Raises:
            Refused: ERR_UPLOAD_QUOTA_EXCEEDED, ERR_UNAVAILABLE.
        """
        if self.per_day and uid and used + self._of[uid] + size > self.per_day:
            raise self.too_much()
        if self._floor and self._free() - self._coming - size < self._floor:
            raise Refused("ERR_UNAVAILABLE", "The server's disk is nearly full.", retry_after=RETRY_AFTER_SECONDS)

    def too_much(self) -> Refused:
        """What a user is told who has no room left."""
        return Refused("ERR_UPLOAD_QUOTA_EXCEEDED", f"You may upload {self.per_day} bytes in 24 hours.")

    def take(self, uid: str, used: int) -> Reservation:
        """Begin an upload of some user."""
        return Reservation(self, uid, used)


class Reservation:
    """The room that one upload has taken. It has to be given back (`end`)."""

    def __init__(self, room: UploadQuota, uid: str, used: int) -> None:
        self._room = room
        self._uid = uid
        self._used = used
        self._size = self._written = 0

    def expect(self, size: int) -> None:
        """Take room for so many bytes in all.

        Raises:
            Refused: as `UploadQuota.check`.
        """
        more = size - self._size
        if more > 0:
            self._room.check(self._uid, self._used, more)
            self._add(more, more)

    def written(self, size: int) -> None:
        """Note that so many bytes in all are written, or will be at once.

        Raises:
            Refused: as `UploadQuota.check`.
        """
        self.expect(size)
        self._room._coming -= size - self._written
        self._written = size

    def end(self) -> None:
        """Give it back: the bytes are noted elsewhere, or gone."""
        self._add(-self._size, self._written - self._size)
        self._written = 0

    def _add(self, size: int, coming: int) -> None:
        self._size += size
        self._room._of[self._uid] += size
        if not self._room._of[self._uid]:
            del self._room._of[self._uid]
        self._room._coming += coming
