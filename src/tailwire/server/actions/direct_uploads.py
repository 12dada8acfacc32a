"""Files that clients upload to the bucket (S3) themselves, with a signed form that the server gives them.

The server examines and records such a file when a message first names it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tailwire.server.limits.upload_quota import DAY_SECONDS, UploadQuota
from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.file_records import FileResult, FileRow
from tailwire.server.ports.form_records import FormLimits, FormResult, FormRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.uploads import DirectFile, Uploads
from tailwire.server.rules.names import SYSTEM_USER

MAX_FORMS = 1000
"""How many forms a user may have that have not expired and with which no file has been sent in a message."""


class DirectUploads:
    """Issues upload forms for the bucket, and accepts the files that were uploaded with them.

    Args:
        room: how much a user may upload per day.
        seconds: returns the time, in seconds since 1970.
        type_of: determines the type of a file by its first bytes.
        max_size: the largest size of a file, in bytes.
        form_lifetime: seconds until a form expires.
    """

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        room: UploadQuota,
        seconds: Callable[[], int],
        type_of: Callable[[bytes], str],
        *,
        max_size: int,
        form_lifetime: int,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._room = room
        self._seconds = seconds
        self._type_of = type_of
        self._max_size = max_size
        self._form_lifetime = form_lifetime

    def form(self, key: str, uid: str, name: str, size: int) -> tuple[str, dict[str, str]] | None:
        """Return a form with which a client may upload one file to the bucket: its URL and its fields.

        Args:
            key: the name under which the file will be kept.
            uid: the user who uploads it.
            name: the name of the file that they gave.
            size: the largest size that the form permits, in bytes.

        Returns:
            None if files are not kept in a bucket, so that the client has to send the file to this server.
        """
        return self._uploads.direct_form(key, DirectFile(uid, name, size), self._form_lifetime)

    async def issue(self, uid: str, sizes: Mapping[str, int]) -> None:
        """Record the forms that a user is about to get, if their limits permit these. Call it before giving them out.

        Args:
            uid: the user. The app itself has no limits.
            sizes: how many bytes each form permits, by the name under which its file will be kept.

        Raises:
            Refused: ERR_UPLOAD_QUOTA_EXCEEDED: too many forms are open, or they permit too many bytes; ERR_UNAVAILABLE:
                the store cannot write.
        """
        if not sizes:
            return
        now = self._seconds()
        quota, most = (0, 0) if uid == SYSTEM_USER else (self._room.per_day, MAX_FORMS)
        forms = [FormRow(key, uid, size, now) for key, size in sizes.items()]
        limits = FormLimits(quota, most, now - DAY_SECONDS, now - self._form_lifetime)
        result = await self._store.files.issue_forms(forms, limits)
        if result is FormResult.TOO_MANY:
            advice = f"You may have {MAX_FORMS} forms. Send the files that you have uploaded, or wait a day."
            raise Refused("ERR_UPLOAD_QUOTA_EXCEEDED", advice)
        if result is FormResult.OVER_QUOTA:
            raise self._room.quota_exceeded()

    async def accept_upload(self, key: str) -> FileRow | None:
        """Examine and record a file that a client may have uploaded to the bucket, and return its record.

        The file is first copied to a name that the form cannot write to, and only then examined. If the file has been
        recorded already, that record is returned. None means that no form for this name was issued within a day, that
        there is no such file, or that its user was deleted.

        Args:
            key: the name under which the file is kept.

        Raises:
            Refused: ERR_FILE_SIZE_EXCEEDED: it is larger than its form permits; ERR_UPLOAD_QUOTA_EXCEEDED: its user has
                uploaded too much (in both cases the file is removed); ERR_UNAVAILABLE: the bucket or the store fails.
        """
        if named_files(f"/files/{key}") != (key,):
            return None
        # Without a form nobody can have uploaded it. Strangers may ask for any name, and the bucket costs a request.
        if not await self._store.files.has_form(key, self._seconds() - DAY_SECONDS):
            return None
        arrived = await self._uploads.accept_upload(key)
        if arrived is None:
            return None
        file, now = arrived.file, self._seconds()
        row = FileRow(key, file.uid, file.name, self._type_of(arrived.first_bytes), arrived.size, now)
        if arrived.size > min(file.size, self._max_size):
            await self._refuse(key)
            raise Refused("ERR_FILE_SIZE_EXCEEDED", f"The form is for a file of {file.size} bytes.")
        by_user = file.uid != SYSTEM_USER
        quota = self._room.per_day if by_user else 0
        kept = await self._store.files.add(row, quota, now - DAY_SECONDS, by_user=by_user)
        if kept is FileResult.EXISTS:
            known = await self._store.files.get(key)
            if known is None:  # it was removed, and its form was used again
                await self._remove(key)
            return known  # a concurrent request has taken it in
        if kept is FileResult.NO_USER:
            await self._remove(key)
            return None
        if kept is FileResult.OVER_QUOTA:
            await self._refuse(key)
            raise self._room.quota_exceeded()
        await self._uploads.end_direct(key, self._form_lifetime)
        return row

    async def _refuse(self, key: str) -> None:
        await self._store.files.close_form(key)
        await self._remove(key)

    async def _remove(self, key: str) -> None:
        await self._uploads.remove([key])
        await self._uploads.end_direct(key, self._form_lifetime)
