"""Uploaded files: received in chunks, stored under names that cannot be guessed, with a type found by their content."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import filetype  # type: ignore[import-untyped]

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.content import Attachment
from tailwire.server.actions.direct_uploads import DirectUploads
from tailwire.server.actions.services import Services
from tailwire.server.auth.secrets import form_key
from tailwire.server.limits.one_each import UserTurns
from tailwire.server.limits.turns import Turns
from tailwire.server.limits.upload_quota import DAY_SECONDS, Reservation, UploadQuota
from tailwire.server.ports.file_records import FileResult, FileRow
from tailwire.server.ports.file_urls import stored_url
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import Sink, Uploads
from tailwire.server.rules.names import SYSTEM_USER

_UNCLEAN = re.compile(r"[^\w.()+ -]+")
MAX_NAME_CHARACTERS = 200
FORM_LIFETIME_SECONDS = 900
UPLOAD_REST = 2.0
"""After each step, uploads pause for this many times as long as the step kept the event loop busy."""
NAME_KEPT_SECONDS = FORM_LIFETIME_SECONDS + DAY_SECONDS
"""How long the name of a removed file is kept, so that no file is uploaded under it again.

A form for the bucket can upload until it expires, and what it has uploaded is removed within another day.
"""
# Types that a browser may display. All others are sent as downloads: HTML and SVG can run scripts.
INLINE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "application/pdf")
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class WantedFile:
    """A file that a client wants to upload, as the client describes it: with its size in bytes."""

    name: str
    size: int
    mime_type: str


@dataclass(frozen=True, slots=True)
class UploadForm:
    """A signed form with which a client may upload one file, and the attachment that describes this file in a message.

    Attributes:
        url: the URL to which the client has to post the form.
        fields: the fields of the form, which are signed and must be sent unchanged.
        file_url: the URL that the file has after it was uploaded.
        size: the size of the file, in bytes.
        expires_at: when the form expires, in seconds since 1970.
    """

    url: str
    fields: dict[str, str]
    file_url: str
    name: str
    extension: str
    mime_type: str
    size: int
    expires_at: int


class Files:
    """Actions on files.

    Args:
        max_size: the largest size of a file, in bytes.
        max_count: how many files a message may have.
        secret: the key from which the key of the forms for uploads is derived (see `form_key`).
        room: checks how much a user may upload per day, and the free space on the disk.
        direct: whether clients upload the files of messages to the bucket (S3) themselves.

    Attributes:
        max_size, max_count: these arguments.
        turns: decides which upload does its next step: one at a time, so that uploads do not delay other work.
    """

    def __init__(
        self,
        services: Services,
        uploads: Uploads,
        *,
        max_size: int,
        max_count: int,
        secret: str,
        room: UploadQuota,
        direct: bool,
    ) -> None:
        self._store = services.store
        self._uploads = uploads
        self._authorizer = services.authorizer
        self._world = services.world
        self.max_size = max_size
        self.max_count = max_count
        self._form_key = form_key(secret)
        self._room = room
        self.turns = Turns(UPLOAD_REST)
        self._pictures = UserTurns()
        self._direct: DirectUploads | None = None
        if direct:
            self._direct = DirectUploads(
                services.store, uploads, room, services.world.seconds, type_of,
                max_size=max_size, form_lifetime=FORM_LIFETIME_SECONDS,
            )  # fmt: skip

    # Signed forms, which authorize an upload without a login.

    async def forms(
        self, caller: Caller, files: Mapping[str, WantedFile], receiver: str, receiver_type: str, base: str
    ) -> dict[str, UploadForm]:
        """Return a form for each of some files, with which a client may upload it without further authentication.

        Args:
            caller: the user.
            files: the files, each by an id that the client has given it.
            receiver: the uid or guid to which the files will be sent; "" if it is not known yet.
            receiver_type: `user` or `group`.
            base: the URL at which the caller reached the server.

        Returns:
            The forms, by the same ids.

        Raises:
            Refused: ERR_FILE_COUNT_EXCEEDED: there are no files, or too many; ERR_FILE_SIZE_EXCEEDED: one is too large;
                ERR_INVALID_FILE_OBJECT: one has no content or no name; ERR_UPLOAD_QUOTA_EXCEEDED: the user has uploaded
                too much; ERR_UNAVAILABLE: the disk is full, or the store cannot write; or as in
                `Authorizer.user` or `Authorizer.group`: the caller may not write to the receiver.
        """
        if not 0 < len(files) <= self.max_count:
            raise Refused("ERR_FILE_COUNT_EXCEEDED", {"files": f"Name 1 to {self.max_count} files."}, limit="max_files")
        if receiver:
            if receiver_type == "group":
                await self._authorizer.group(caller, receiver, "write")
            else:
                await self._authorizer.user(caller, receiver, "write")
        for file_id, file in files.items():
            self.check_size(file.size)  # before the quota, whose refusal would not say that one file is too large
            if file.size <= 0 or not clean_name(file.name):
                raise Refused("ERR_INVALID_FILE_OBJECT", {file_id[:100]: "Give name, size and mimeType."})
        total = sum(file.size for file in files.values())
        direct = self._direct if receiver else None
        self._room.check("" if caller.system else caller.uid, await self._used(caller.uid), total)
        until = self._world.seconds() + FORM_LIFETIME_SECONDS
        forms, counted = {}, {}
        for file_id, file in files.items():
            name = clean_name(file.name)
            extension = extension_of(name)
            key = self._world.secret(20) + (f".{extension}" if extension else "")
            form = direct.form(key, caller.uid, name, file.size) if direct else None
            if form:
                counted[key] = file.size
            url, fields = form or (f"{base}/files", self._fields(key, name, caller.uid, file.size, until))
            forms[file_id] = UploadForm(
                url, fields, f"{base}/files/{key}", name, extension,
                file.mime_type[:100] or UNKNOWN_TYPE, file.size, until,
            )  # fmt: skip
        if direct:
            await direct.issue(caller.uid, counted)
        return forms

    def _fields(self, key: str, name: str, uid: str, size: int, expires_at: int) -> dict[str, str]:
        fields = {"key": key, "name": name, "uid": uid, "size": str(size), "expires": str(expires_at)}
        return {**fields, "signature": self._sign(fields)}

    def _sign(self, fields: Mapping[str, str]) -> str:
        signed = "\n".join(fields.get(k, "") for k in ("key", "name", "uid", "size", "expires"))
        return hmac.new(self._form_key, signed.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def check_form(self, fields: Mapping[str, str]) -> int:
        """Check the signature and the expiry of a form. Return how many bytes its file may have.

        Raises:
            Refused: ERR_PERMISSION_DENIED: the signature does not fit the fields; ERR_PRESIGNED_URL_EXPIRED: the form
                has expired.
        """
        if not hmac.compare_digest(self._sign(fields).encode(), fields.get("signature", "").encode("utf-8", "replace")):
            raise Refused("ERR_PERMISSION_DENIED", "Get a form with POST /files/upload-url, and send it unchanged.")
        if self._world.seconds() > int(fields["expires"]):
            raise Refused("ERR_PRESIGNED_URL_EXPIRED")
        return int(fields["size"])

    async def store_form_file(self, fields: Mapping[str, str], sink: Sink) -> None:
        """Store a file that was received completely with a form, after `check_form`.

        Args:
            fields: the fields of the form.
            sink: what has received the file.

        Raises:
            Refused: ERR_BAD_REQUEST: a file was uploaded with this form before; ERR_UID_NOT_FOUND: the user was
                deleted meanwhile; ERR_UPLOAD_QUOTA_EXCEEDED: the user has uploaded too much; ERR_UNAVAILABLE: the
                storage or the store fails. The file is then discarded.
        """
        await self._keep_file(fields["uid"], fields["key"], fields["name"], sink)

    # Files within a message.

    def begin(self) -> Sink:
        """Return a sink: the object to which the chunks of a file are written while they are received."""
        return self._uploads.begin()

    def check_size(self, size: int) -> None:
        """Check that a file of this many bytes may be uploaded.

        Raises:
            Refused: ERR_FILE_SIZE_EXCEEDED.
        """
        if size > self.max_size:
            raise Refused("ERR_FILE_SIZE_EXCEEDED", f"A file has at most {self.max_size} bytes.", limit="max_file")

    async def store_file(self, caller: Caller, file_name: str, sink: Sink) -> Attachment:
        """Store a file that was received completely with a message. Return the attachment that describes it.

        Args:
            caller: the user who has uploaded it.
            file_name: the name that they gave it.
            sink: what has received the file.

        Raises:
            Refused: ERR_UPLOAD_QUOTA_EXCEEDED: the user has uploaded too much; ERR_UID_NOT_FOUND: the user was deleted
                meanwhile; ERR_UNAVAILABLE: the storage or the store fails. The file is then discarded.
        """
        name = clean_name(file_name) or "file"
        extension = extension_of(name)
        key = self._world.secret(20) + (f".{extension}" if extension else "")
        row = await self._keep_file(caller.uid, key, name, sink)
        return _attachment_of(row)

    async def _keep_file(self, uid: str, key: str, name: str, sink: Sink) -> FileRow:
        row = FileRow(key, uid, name, type_of(sink.first_bytes), sink.size, self._world.seconds())
        await self.turns.wait(uid)
        await sink.finish()
        if row.mime_type.startswith("image/"):
            async with self._pictures.turn(uid):
                picture = await sink.measure_picture()
            if picture is not None:
                small = f"{key.partition('.')[0]}-small.jpg" if picture.has_thumbnail else None
                row = replace(row, width=picture.width, height=picture.height, thumbnail=small)
        by_user = uid != SYSTEM_USER
        quota = self._room.per_day if by_user else 0
        await self.turns.wait(uid)
        # The row is stored before the file gets its name: if a file was uploaded with the same form before, storing the
        # row fails, and that file is not overwritten.
        kept = await self._store.files.add(row, quota, self._world.seconds() - DAY_SECONDS, by_user=by_user)
        if kept is FileResult.STORED:
            try:
                await self.turns.wait(uid)
                await sink.keep(key, row.thumbnail)
            except BaseException:  # including cancellation, when the client disconnects
                await self._store.files.discard([key])
                raise
            return row
        sink.drop()
        if kept is FileResult.OVER_QUOTA:
            raise self._room.quota_exceeded()
        if kept is FileResult.NO_USER:
            raise Refused("ERR_UID_NOT_FOUND")
        raise Refused("ERR_BAD_REQUEST", {"key": "A file was uploaded with this form before. Get a new form."})

    async def discard(self, files: Sequence[Attachment]) -> None:
        """Remove files that were stored for a message which was then refused. Files that something refers to remain."""
        if files:
            await self._store.files.discard([a.url.rpartition("/")[2] for a in files])

    async def reserve(self, uid: str) -> Reservation:
        """Return a reservation for an upload that a user begins, so that its bytes count while it is in progress.

        Call its `end` when the upload has succeeded or failed.
        """
        return self._room.begin_upload("" if uid == SYSTEM_USER else uid, await self._used(uid))

    async def _used(self, uid: str) -> int:
        return await self._store.files.bytes_uploaded(uid, self._world.seconds() - DAY_SECONDS)

    async def describe(self, attachment: Attachment) -> Attachment:
        """Return an attachment with the stored facts about its file (name, type, size …) if this server has the file.

        Any other attachment is returned unchanged.
        """
        base, _, name = attachment.url.rpartition("/files/")
        row = await self._known_file(name) if base and "/" not in name else None
        return attachment if row is None else _attachment_of(row)

    async def accept_upload(self, names: Sequence[str]) -> None:
        """Record those of the named files that clients have uploaded to the bucket. Call it before storing a message.

        Names without such a file are ignored.

        Raises:
            Refused: as in `DirectUploads.accept_upload`.
        """
        if self._direct is not None:
            for name in names:
                await self._known_file(name)

    async def _known_file(self, name: str) -> FileRow | None:
        row = await self._store.files.get(name)
        return row if row is not None or self._direct is None else await self._direct.accept_upload(name)

    async def find(self, name: str) -> FileRow:
        """Return the record of a file, which is first recorded if a client has uploaded it to the bucket.

        Raises:
            Refused: ERR_FILE_NOT_FOUND; or as in `DirectUploads.accept_upload`.
        """
        row = await self._known_file(name)
        if row is None:
            raise Refused("ERR_FILE_NOT_FOUND")
        return row


def _attachment_of(row: FileRow) -> Attachment:
    return Attachment(
        url=stored_url(row.name),
        name=row.file_name,
        mime_type=row.mime_type,
        extension=extension_of(row.file_name),
        size=row.size,
        width=row.width,
        height=row.height,
        thumbnail=stored_url(f"{row.name}?thumbnail=1") if row.thumbnail else None,
    )


def clean_name(name: str) -> str:
    """Return a file name without folders, with `_` in place of unsafe characters; "" if nothing is left of it.

    If it is longer than `MAX_NAME_CHARACTERS`, its start is cut off, so that the extension remains.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    return _UNCLEAN.sub("_", last).strip(" .")[-MAX_NAME_CHARACTERS:]


def extension_of(name: str) -> str:
    """Return the extension of a file name, lower case and without dot; "" unless it is 1 to 10 letters and digits."""
    found = name.rpartition(".")
    return found[2].lower() if found[1] and found[2].isalnum() and len(found[2]) <= 10 and found[2].isascii() else ""


def type_of(head: bytes) -> str:
    """Return the MIME type of a file, given its first bytes.

    It is `text/plain` for UTF-8 text of no known format, and `UNKNOWN_TYPE` for other content of no known format.
    """
    kind = filetype.guess(head)
    if kind is not None:
        return str(kind.mime)
    try:
        head.decode()
        is_text = b"\0" not in head
    except UnicodeDecodeError as e:
        is_text = e.start >= len(head) - 3 and b"\0" not in head  # the head may end within a character
    return "text/plain" if is_text and head else UNKNOWN_TYPE
