"""Upload files with progress. A file is read in chunks, never as a whole."""

from __future__ import annotations

import asyncio
import logging
import mimetypes
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailwire.sdk.calls.checks import checked_receiver
from tailwire.sdk.calls.outcome import OnProgress
from tailwire.sdk.calls.parts import Parts
from tailwire.sdk.exceptions import CometChatException, failure
from tailwire.sdk.retry import RetryPolicy, Waits
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import Attachment

log = logging.getLogger("tailwire")
CHUNK_BYTES = 64 * 1024
BOUNDARY = "tailwire-upload-{}"
MAX_ATTEMPTS = 3
UPLOAD_RETRY = RetryPolicy(first=0.5, longest=5.0)
DEFAULT_MIME_TYPE = "application/octet-stream"
_PATH_HINT = (
    ". A web page cannot open files of this device by path: read the file that the user chose, and give "
    "UploadFile(content=…, name=…)"
    if sys.platform == "emscripten"
    else ""
)


@dataclass(slots=True)
class UploadFile:
    """A file to upload: a path, or bytes with a name.

    Attributes:
        path: the path of the file; "" when `content` is given.
        content: the bytes of the file.
        name: the name that receivers see; "" for the last part of the path, or `file` without one.
        mime_type: the MIME type; "" guesses it from the name.
    """

    path: str | os.PathLike[str] = ""
    content: bytes = b""
    name: str = ""
    mime_type: str = ""

    @property
    def size(self) -> int:
        """The size in bytes.

        Raises:
            OSError: there is no file at `path`.
        """
        return Path(self.path).stat().st_size if self.path else len(self.content)

    @property
    def file_name(self) -> str:
        """The name that receivers see: `name`, else the last part of `path`, else `file`."""
        return self.name or (Path(self.path).name if self.path else "file")

    @property
    def type(self) -> str:
        """The MIME type; `application/octet-stream` when it cannot be guessed."""
        return self.mime_type or mimetypes.guess_type(self.file_name)[0] or DEFAULT_MIME_TYPE


class UploadCalls:
    """The calls that upload files."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def upload_attachments(
        self,
        receiver_id: str,
        receiver_type: ReceiverTypeName,
        files: Sequence[UploadFile | str | os.PathLike[str]],
        *,
        on_progress: OnProgress = None,
    ) -> list[Attachment]:
        """Upload files for a message to a user or group. `send_media_message` does so for its `files`.

        Args:
            receiver_id: the uid or guid of the receiver.
            receiver_type: `user` or `group`.
            files: paths, or `UploadFile`s. They are uploaded one after the other; the first error ends the call.
            on_progress: a plain function, called in the event loop with the name of a file, the bytes sent so far, and
                its size in bytes. What it raises is logged. In a web page it is called once per file, at the end: the
                browser does not report progress.

        Returns:
            One attachment per file, in the same order, to be sent with a `MediaMessage`.

        Raises:
            CometChatException: `ERR_INVALID_RECEIVER_TYPE` unless the receiver type is `user` or `group`;
                `ERR_INVALID_ARGUMENT` when the receiver is not text; `ERR_INVALID_FILE_OBJECT` when a file cannot be
                read or changes meanwhile, or `files` is a single file; `ERR_FILE_SIZE_EXCEEDED`,
                `ERR_FILE_COUNT_EXCEEDED` when a file is too large, or there are too many; `ERR_BAD_ERROR_RESPONSE` when
                the response cannot be read;
                `ERR_UID_NOT_FOUND`, `ERR_GUID_NOT_FOUND`, `ERR_NOT_A_MEMBER`, `ERR_BLOCKED_RECEIVER`,
                `ERR_BLOCKED_SENDER` as for `send_message`; `NO_INTERNET_CONNECTION` when the server was not reached in
                several attempts; `USER_NOT_LOGGED_IN` also when another user logs in meanwhile; or another code of the
                server.
        """
        uid = self._parts.sessions.uid
        return await self._upload_all(uid, receiver_id, receiver_type, files, on_progress)

    async def _upload_all(
        self,
        uid: str,
        receiver_id: str,
        receiver_type: ReceiverTypeName,
        files: Sequence[UploadFile | str | os.PathLike[str]],
        on_progress: OnProgress,
    ) -> list[Attachment]:
        # `uid` is the user who began the call: no file of theirs is uploaded as the next user.
        checked_receiver(receiver_id, receiver_type)
        if isinstance(files, str | bytes | os.PathLike | UploadFile):
            raise failure("ERR_INVALID_FILE_OBJECT", "This is a single file: give a list of files.")
        listed = [file if isinstance(file, UploadFile) else UploadFile(file) for file in files]
        try:
            described = [
                {"fileId": f"f{n}", "name": f.file_name, "size": f.size, "mimeType": f.type}
                for n, f in enumerate(listed)
            ]
        except (OSError, TypeError) as e:
            raise failure("ERR_INVALID_FILE_OBJECT", f"{e}{_PATH_HINT}") from e
        return [
            await self._upload(uid, receiver_id, receiver_type, one, file, on_progress)
            for one, file in zip(described, listed, strict=True)
        ]

    async def _upload(
        self, uid: str, receiver: str, receiver_type: str, described: Any, file: UploadFile, on_progress: OnProgress
    ) -> Attachment:
        parts, size, file_id = self._parts, described["size"], described["fileId"]
        body = {"files": {file_id: described}, "receiver": receiver, "receiverType": str(receiver_type)}
        parts.sessions.token_of(uid)  # raises if there is no user, for whom `ask` would take the next one
        reported = on_progress if parts.world.sees_uploads else None
        waits = Waits(UPLOAD_RETRY, parts.world.chance)
        for attempt in range(1, MAX_ATTEMPTS + 1):
            form = await parts.requests.ask("POST", "/files/upload-url", body=body, uid=uid)
            try:
                request, description = form[file_id]["request"], form[file_id]["attachment"]
                fields, url = dict(request["body"]), str(request["url"])
                attachment = Attachment(
                    str(description["url"]), file.file_name, str(description.get("extension") or ""),
                    str(description.get("mimeType") or ""), size,
                )  # fmt: skip
            except (TypeError, KeyError, ValueError, AttributeError) as e:
                raise failure("ERR_BAD_ERROR_RESPONSE", "The server's form cannot be read.") from e
            try:
                await parts.http.upload(url, *self._chunks(fields, file, size, reported))
            except CometChatException as e:
                if e.code != "NO_INTERNET_CONNECTION" or attempt == MAX_ATTEMPTS:
                    raise
                await asyncio.sleep(waits.next_wait(e.retry_after))
                continue
            if on_progress is not reported and on_progress is not None:
                _report(on_progress, file.file_name, size, size)
            return attachment
        raise AssertionError("the loop returns or raises")

    def _chunks(
        self, fields: dict[str, str], file: UploadFile, size: int, on_progress: OnProgress
    ) -> tuple[AsyncIterator[bytes], int, str]:
        boundary = BOUNDARY.format(self._parts.world.unique())
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

        async def chunks() -> AsyncIterator[bytes]:
            yield head
            sent = 0
            async for chunk in _file_chunks(file):
                if sent + len(chunk) > size:
                    break
                yield chunk
                sent += len(chunk)
                if on_progress is not None:
                    _report(on_progress, file.file_name, sent, size)
            if sent != size:
                raise failure("ERR_INVALID_FILE_OBJECT", f"{file.file_name} changed while it was uploaded.")
            yield tail

        return chunks(), len(head) + size + len(tail), f"multipart/form-data; boundary={boundary}"


async def _file_chunks(file: UploadFile) -> AsyncIterator[bytes]:
    if not file.path:
        for start in range(0, len(file.content), CHUNK_BYTES):
            yield file.content[start : start + CHUNK_BYTES]
        return
    # Reading 64 KB from disk takes less time than handing the work to a thread.
    try:
        with Path(file.path).open("rb") as opened:  # noqa: ASYNC230
            while chunk := opened.read(CHUNK_BYTES):
                yield chunk
    except OSError as e:
        raise failure("ERR_INVALID_FILE_OBJECT", str(e)) from e


def _report(on_progress: Callable[[str, int, int], object], name: str, sent: int, size: int) -> None:
    try:
        on_progress(name, sent, size)
    except Exception:
        log.exception("on_progress raised an exception; the upload continues")
