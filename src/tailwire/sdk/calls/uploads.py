"""Upload files with progress. In pieces: a file is never whole in memory."""

from __future__ import annotations

import logging
import mimetypes
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailwire.sdk.calls.access import Access, OnError, OnProgress, OnSuccess, checked_receiver, settle
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import Attachment

log = logging.getLogger("tailwire")
PIECE = 64 * 1024
BOUNDARY = "tailwire-upload-{}"
ATTEMPTS = 3
UNKNOWN = "application/octet-stream"
_WHERE_FILES_ARE = (
    ". A page sees no files of its user's device by path: read what they chose, and give UploadFile(content=…, name=…)"
    if sys.platform == "emscripten"
    else ""
)


@dataclass(slots=True)
class UploadFile:
    """A file to be uploaded: a path, or bytes with a name.

    Attributes:
        name: as receivers see it; that of the path by default.
        mime_type: told by the name when it is not given.
    """

    path: str | os.PathLike[str] = ""
    content: bytes = b""
    name: str = ""
    mime_type: str = ""

    @property
    def size(self) -> int:
        """Its bytes."""
        return Path(self.path).stat().st_size if self.path else len(self.content)

    @property
    def file_name(self) -> str:
        """Its name."""
        return self.name or (Path(self.path).name if self.path else "file")

    @property
    def type(self) -> str:
        """Its type."""
        return self.mime_type or mimetypes.guess_type(self.file_name)[0] or UNKNOWN


class UploadCalls(Access):
    """The part of a client that uploads files."""

    async def upload_attachments(
        self,
        receiver_id: str,
        receiver_type: ReceiverTypeName,
        files: Sequence[UploadFile | str | os.PathLike[str]],
        *,
        on_progress: OnProgress = None,
        on_success: OnSuccess[list[Attachment]] = None,
        on_error: OnError = None,
    ) -> list[Attachment]:
        """Upload files for a message to a user or group; `send_media_message` does so by itself.

        Args:
            files: paths, or `UploadFile`s.
            on_progress: called with the file's name, and how many of how many bytes have been sent. In a web page it is
                called once, at the end: the browser does not tell how far it is.

        Returns:
            Attachments, to be sent with a `MediaMessage`.

        Raises:
            CometChatException: `ERR_INVALID_FILE_OBJECT`, also when a file cannot be read or changes meanwhile;
                `ERR_FILE_SIZE_EXCEEDED`, `ERR_FILE_COUNT_EXCEEDED`; `NO_INTERNET_CONNECTION` after several tries.
        """
        return await settle(self._upload(receiver_id, receiver_type, files, on_progress), on_success, on_error)

    async def _upload(
        self, receiver: str, receiver_type: str, files: Sequence[Any], on_progress: OnProgress
    ) -> list[Attachment]:
        checked_receiver(receiver, receiver_type)
        if isinstance(files, str | bytes | os.PathLike | UploadFile):
            raise failure("ERR_INVALID_FILE_OBJECT", "One file is given by itself: give a list of files.")
        listed = [file if isinstance(file, UploadFile) else UploadFile(file) for file in files]
        try:
            wanted = {
                f"f{n}": {"fileId": f"f{n}", "name": f.file_name, "size": f.size, "mimeType": f.type}
                for n, f in enumerate(listed)
            }
        except (OSError, TypeError) as e:
            raise failure("ERR_INVALID_FILE_OBJECT", f"{e}{_WHERE_FILES_ARE}") from e
        attachments = []
        for n, file in enumerate(listed):
            attachments.append(
                await self._upload_one(receiver, receiver_type, f"f{n}", wanted[f"f{n}"], file, on_progress)
            )
        return attachments

    async def _upload_one(
        self, receiver: str, receiver_type: str, file_id: str, wanted: Any, file: UploadFile, on_progress: OnProgress
    ) -> Attachment:
        body = {"files": {file_id: wanted}, "receiver": receiver, "receiverType": str(receiver_type)}
        of = self._logged_in().uid  # tried again, it is still this user's upload
        as_it_goes = on_progress if self._world.sees_uploads else None
        for attempt in range(1, ATTEMPTS + 1):
            form = await self._ask("POST", "/files/upload-url", body=body, of=of)
            try:
                request, given = form[file_id]["request"], form[file_id]["attachment"]
                fields, url = dict(request["body"]), str(request["url"])
                made = Attachment(
                    str(given["url"]), file.file_name, str(given.get("extension") or ""),
                    str(given.get("mimeType") or ""), wanted["size"],
                )  # fmt: skip
            except (TypeError, KeyError, ValueError, AttributeError) as e:
                raise failure("ERR_BAD_ERROR_RESPONSE", "The server's form cannot be read.") from e
            try:
                await self._reached().upload(url, *self._pieces(fields, file, wanted["size"], as_it_goes))
            except CometChatException as e:
                if e.code != "NO_INTERNET_CONNECTION" or attempt == ATTEMPTS:
                    raise
                continue
            if on_progress is not as_it_goes and on_progress is not None:
                _tell_progress(on_progress, file.file_name, wanted["size"], wanted["size"])
            return made
        raise AssertionError("the loop returns or raises")

    def _pieces(
        self, fields: dict[str, str], file: UploadFile, size: int, on_progress: OnProgress
    ) -> tuple[AsyncIterator[bytes], int, str]:
        boundary = BOUNDARY.format(self._world.unique())
        head = b"".join(
            f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode("utf-8", "replace")
            for k, v in fields.items()
        )
        name = file.file_name.replace("\\", "_").replace('"', "_").replace("\r", "_").replace("\n", "_")
        head += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            f"Content-Type: {file.type}\r\n\r\n"
        ).encode("utf-8", "replace")
        tail = f"\r\n--{boundary}--\r\n".encode()

        async def pieces() -> AsyncIterator[bytes]:
            yield head
            sent = 0
            async for piece in _read(file):
                if sent + len(piece) > size:
                    break
                yield piece
                sent += len(piece)
                if on_progress is not None:
                    _tell_progress(on_progress, file.file_name, sent, size)
            if sent != size:
                raise failure("ERR_INVALID_FILE_OBJECT", f"{file.file_name} has changed while it was uploaded.")
            yield tail

        return pieces(), len(head) + size + len(tail), f"multipart/form-data; boundary={boundary}"


async def _read(file: UploadFile) -> AsyncIterator[bytes]:
    if not file.path:
        for start in range(0, len(file.content), PIECE):
            yield file.content[start : start + PIECE]
        return
    # A disk answers 64 KB sooner than a thread would be asked.
    try:
        with Path(file.path).open("rb") as opened:  # noqa: ASYNC230
            while piece := opened.read(PIECE):
                yield piece
    except OSError as e:
        raise failure("ERR_INVALID_FILE_OBJECT", str(e)) from e


def _tell_progress(on_progress: Callable[[str, int, int], object], name: str, sent: int, size: int) -> None:
    try:
        on_progress(name, sent, size)
    except Exception:
        log.exception("on_progress raised; the upload goes on")
