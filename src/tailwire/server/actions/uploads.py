"""Files: taken in pieces, their type told by their content, kept under names that nobody can guess."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import filetype  # type: ignore[import-untyped]
import msgspec

from tailwire.server.actions.caller import Caller
from tailwire.server.actions.content import Attachment
from tailwire.server.actions.doors import Doors
from tailwire.server.limits.room import DAY, Room, Taken
from tailwire.server.ports.file_urls import stored_url
from tailwire.server.ports.records import FileResult, FileRow
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.store import Store
from tailwire.server.ports.uploads import Sink, Uploads
from tailwire.server.ports.world import World
from tailwire.server.rules.names import SYSTEM_USER

_UNCLEAN = re.compile(r"[^\w.()+ -]+")
MAX_NAME = 200
LIFETIME = 900
# What a browser may show by itself; everything else is offered for download. No HTML, no SVG: they can run scripts.
SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp", "application/pdf")
UNKNOWN = "application/octet-stream"


class Wanted(msgspec.Struct, rename="camel"):
    """A file that somebody wants to upload."""

    file_id: str = ""
    name: str = ""
    size: Annotated[int, msgspec.Meta(le=2**53 - 1)] = 0
    mime_type: str = ""


class UploadRequest(msgspec.Struct, rename="camel"):
    """The files that somebody wants to upload, and to whom they are to go."""

    files: dict[str, Wanted] = {}
    receiver: str = ""
    receiver_type: str = "user"


class Files:
    """What can be done with files.

    Args:
        most_size: of one file, in bytes.
        most_count: of one message.
        secret: signs the forms with which files are uploaded.
        room: how much may be uploaded.
    """

    def __init__(
        self,
        store: Store,
        uploads: Uploads,
        doors: Doors,
        world: World,
        *,
        most_size: int,
        most_count: int,
        secret: str,
        room: Room,
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._doors = doors
        self._world = world
        self.most_size = most_size
        self.most_count = most_count
        self._secret = secret.encode()
        self._room = room

    # Forms that somebody may fill without logging in.

    async def forms(self, caller: Caller, wanted: UploadRequest, base: str) -> dict[str, Any]:
        """A form for each file: where to send it, with what beside it, and the attachment that it will be.

        Args:
            base: the URL under which the caller reached the server.

        Raises:
            Refused: ERR_FILE_COUNT_EXCEEDED, ERR_FILE_SIZE_EXCEEDED, ERR_INVALID_FILE_OBJECT,
                ERR_UPLOAD_QUOTA_EXCEEDED, ERR_UNAVAILABLE, and as a message to the receiver would be.
        """
        if not 0 < len(wanted.files) <= self.most_count:
            raise Refused("ERR_FILE_COUNT_EXCEEDED", {"files": f"Name 1 to {self.most_count} files."})
        if wanted.receiver:
            if wanted.receiver_type == "group":
                await self._doors.group(caller, wanted.receiver, "write")
            else:
                await self._doors.user(caller, wanted.receiver, "write")
        for file in wanted.files.values():
            self.check_size(file.size)  # before what there is room for: of one that is too large it does not matter
        whole = sum(max(0, file.size) for file in wanted.files.values())
        self._room.check("" if caller.system else caller.uid, await self._used(caller.uid), whole)
        until = self._world.seconds() + LIFETIME
        answer = {}
        for file_id, file in wanted.files.items():
            name = clean_name(file.name)
            if file.size <= 0 or not name:
                raise Refused("ERR_INVALID_FILE_OBJECT", {file_id[:100]: "Give name, size and mimeType."})
            extension = extension_of(name)
            key = self._world.secret(20) + (f".{extension}" if extension else "")
            fields = {"key": key, "name": name, "uid": caller.uid, "size": str(file.size), "expires": str(until)}
            fields["signature"] = self._sign(fields)
            attachment = {
                "url": f"{base}/files/{key}",
                "name": name,
                "extension": extension,
                "mimeType": file.mime_type[:100] or UNKNOWN,
                "size": file.size,
            }
            request = {"url": f"{base}/files", "method": "POST", "body": fields}
            answer[file_id] = {"request": request, "attachment": attachment, "expiresAt": until}
        return answer

    def _sign(self, fields: Mapping[str, str]) -> str:
        said = "\n".join(fields.get(k, "") for k in ("key", "name", "uid", "size", "expires"))
        return hmac.new(self._secret, said.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def check_form(self, fields: Mapping[str, str]) -> int:
        """Whether a form is one of ours; answers how many bytes its file may have.

        Raises:
            Refused: ERR_PERMISSION_DENIED, ERR_PRESIGNED_URL_EXPIRED.
        """
        if not hmac.compare_digest(self._sign(fields).encode(), fields.get("signature", "").encode("utf-8", "replace")):
            raise Refused("ERR_PERMISSION_DENIED", "Ask for a form with POST /files/upload-url, and send it as it is.")
        if self._world.seconds() > int(fields["expires"]):
            raise Refused("ERR_PRESIGNED_URL_EXPIRED")
        return int(fields["size"])

    async def keep_form(self, fields: Mapping[str, str], sink: Sink) -> None:
        """The file of a form is complete: keep it.

        Raises:
            Refused: ERR_BAD_REQUEST when a file was uploaded with this form already; ERR_UPLOAD_QUOTA_EXCEEDED,
                ERR_UNAVAILABLE. Nothing is left then.
        """
        await self._keep(fields["uid"], fields["key"], fields["name"], sink)

    # Files within a message.

    def begin(self) -> Sink:
        """A file begins to come in."""
        return self._uploads.begin()

    def check_size(self, size: int) -> None:
        """Whether a file may be so large.

        Raises:
            Refused: ERR_FILE_SIZE_EXCEEDED.
        """
        if size > self.most_size:
            raise Refused("ERR_FILE_SIZE_EXCEEDED", f"A file has at most {self.most_size} bytes.")

    async def keep(self, caller: Caller, file_name: str, sink: Sink) -> Attachment:
        """A file is complete: keep it. Answers the attachment that it is.

        Raises:
            Refused: ERR_UPLOAD_QUOTA_EXCEEDED, ERR_UNAVAILABLE. Nothing is left then.
        """
        name = clean_name(file_name) or "file"
        extension = extension_of(name)
        key = self._world.secret(20) + (f".{extension}" if extension else "")
        row = await self._keep(caller.uid, key, name, sink)
        return _described(row)

    async def _keep(self, uid: str, key: str, name: str, sink: Sink) -> FileRow:
        row = FileRow(key, uid, name, type_of(sink.head, name), sink.size, self._world.seconds())
        await sink.finish()
        if row.mime_type.startswith("image/"):
            picture = await sink.picture()
            if picture is not None:
                small = f"{key.partition('.')[0]}-small.jpg" if picture.small else None
                row = replace(row, width=picture.width, height=picture.height, thumbnail=small)
        most = 0 if uid == SYSTEM_USER else self._room.per_day
        # Noted before it has its name: of two uploads under one name the second is refused, and changes nothing.
        kept = await self._store.files.add(row, most, self._world.seconds() - DAY)
        if kept is FileResult.STORED:
            try:
                await sink.keep(key, row.thumbnail)
            except BaseException:  # also who asked has gone away
                await self._store.files.discard([key])
                raise
            return row
        sink.drop()
        if kept is FileResult.OVER_QUOTA:
            raise self._room.too_much()
        raise Refused("ERR_BAD_REQUEST", {"key": "A file was uploaded with this form already."})

    async def forget(self, kept: Sequence[Attachment]) -> None:
        """Forget files that were kept and that nobody has named yet."""
        if kept:
            await self._store.files.discard([a.url.rpartition("/")[2] for a in kept])

    async def take(self, uid: str) -> Taken:
        """Take room for what a user is about to upload. It has to be given back (`end`)."""
        return self._room.take("" if uid == SYSTEM_USER else uid, await self._used(uid))

    async def _used(self, uid: str) -> int:
        return await self._store.files.uploaded(uid, self._world.seconds() - DAY)

    async def describe(self, attachment: Attachment) -> Attachment:
        """An attachment as a client sent it; of a file of ours with what is known of it."""
        base, _, name = attachment.url.rpartition("/files/")
        row = await self._store.files.get(name) if base and "/" not in name else None
        return attachment if row is None else _described(row)

    async def find(self, name: str) -> FileRow:
        """What is known of a file.

        Raises:
            Refused: ERR_FILE_NOT_FOUND.
        """
        row = await self._store.files.get(name)
        if row is None:
            raise Refused("ERR_FILE_NOT_FOUND")
        return row


def _described(row: FileRow) -> Attachment:
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
    """A file's name without folders and without what does not belong into one."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return _UNCLEAN.sub("_", last).strip(" .")[-MAX_NAME:]


def extension_of(name: str) -> str:
    """What stands behind the last dot, in lower case; letters and digits only."""
    found = name.rpartition(".")
    return found[2].lower() if found[1] and found[2].isalnum() and len(found[2]) <= 10 and found[2].isascii() else ""


def type_of(head: bytes, name: str) -> str:
    """The type of a file, by its first bytes; of those that have no mark, text or unknown."""
    kind = filetype.guess(head)
    if kind is not None:
        return str(kind.mime)
    try:
        head.decode()
        is_text = b"\0" not in head
    except UnicodeDecodeError as e:
        is_text = e.start >= len(head) - 3 and b"\0" not in head  # cut in the middle of a character
    return "text/plain" if is_text and head else UNKNOWN
