"""Files that clients upload to the bucket themselves. The server accepts them when a message first names them."""

from __future__ import annotations

from collections.abc import Callable

from tailwire.server.limits.issued_forms import IssuedForms
from tailwire.server.limits.upload_quota import DAY_SECONDS, UploadQuota
from tailwire.server.ports.file_names import named_files
from tailwire.server.ports.records import FileResult, FileRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.uploads import DirectFile, Uploads
from tailwire.server.rules.names import SYSTEM_USER


class DirectUploads:
    """Issues forms for the bucket, and accepts the files that were uploaded with them.

    Args:
        type_of: determines the type of a file by its first bytes.
        max_size: the largest size of a file, in bytes.
        form_lifetime: seconds until a form expires.
    """

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        room: UploadQuota,
        forms: IssuedForms,
        seconds: Callable[[], int],
        type_of: Callable[[bytes], str],
        *,
        max_size: int,
        form_lifetime: int,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._room = room
        self._forms = forms
        self._seconds = seconds
        self._type_of = type_of
        self._max_size = max_size
        self._form_lifetime = form_lifetime

    def outstanding_bytes(self, uid: str, more: int) -> int:
        """Return the bytes that a user may still upload with forms.

        Args:
            more: how many further forms the user wants.

        Raises:
            Refused: ERR_UPLOAD_QUOTA_EXCEEDED, the user has too many forms.
        """
        if uid == SYSTEM_USER:
            return 0
        if self._forms.is_full(uid, more):
            raise Refused("ERR_UPLOAD_QUOTA_EXCEEDED", "Send the files that you have uploaded, or wait a day.")
        return self._forms.outstanding_bytes(uid)

    def issued_bytes(self, uid: str) -> int:
        """Return the bytes of a user's forms that have not expired, used or not: each can upload its bytes again."""
        return 0 if uid == SYSTEM_USER else self._forms.issued_bytes(uid)

    def form(self, key: str, uid: str, name: str, size: int) -> tuple[str, dict[str, str]] | None:
        """Return the URL and the fields of a form for the bucket; None if this server receives the file itself."""
        form = self._uploads.direct_form(key, DirectFile(uid, name, size), self._form_lifetime)
        if form is not None and uid != SYSTEM_USER:
            self._forms.add(key, uid, size)
        return form

    async def accept_upload(self, key: str) -> FileRow | None:
        """Return the record of a file that may have been uploaded to the bucket; None if there is none.

        The file is first copied to a name that the form cannot write to, and only then examined.

        Raises:
            Refused: ERR_FILE_SIZE_EXCEEDED, ERR_UPLOAD_QUOTA_EXCEEDED (the file is then removed), ERR_UNAVAILABLE.
        """
        if named_files(f"/files/{key}") != (key,):
            return None
        arrived = await self._uploads.accept_upload(key)
        if arrived is None:
            return None
        file, now = arrived.file, self._seconds()
        row = FileRow(key, file.uid, file.name, self._type_of(arrived.first_bytes), arrived.size, now)
        refusal: Refused | None = None
        if arrived.size > min(file.size, self._max_size):
            refusal = Refused("ERR_FILE_SIZE_EXCEEDED", f"The form is for a file of {file.size} bytes.")
        else:
            quota = 0 if file.uid == SYSTEM_USER else self._room.per_day
            kept = await self._store.files.add(row, quota, now - DAY_SECONDS)
            if kept is FileResult.EXISTS:
                known = await self._store.files.get(key)
                if known is None:  # it was removed, and its form was used again
                    await self._remove(key)
                return known  # a concurrent request has taken it in
            if kept is FileResult.OVER_QUOTA:
                refusal = self._room.quota_exceeded()
        self._forms.remove(key)
        if refusal is not None:
            await self._remove(key)
            raise refusal
        await self._uploads.end_direct(key, self._form_lifetime)
        return row

    async def _remove(self, key: str) -> None:
        await self._uploads.remove([key])
        await self._uploads.end_direct(key, self._form_lifetime)
