"""Upload several files with a listener that is notified of each (CometChat's class `UploadFileRequest`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from tailwire.sdk.calls.parts import ClientCore, gate_of, parts_of
from tailwire.sdk.calls.uploads import UploadCalls, UploadFile
from tailwire.sdk.dispatch.calling import call_listener
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.events import UploadResult
from tailwire.sdk.listeners.interfaces import UploadFileListener
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import Attachment

RETRYABLE_CODES = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_TOO_MANY_REQUESTS"})


@dataclass(frozen=True, slots=True)
class UploadAttachment:
    """A file to upload, with an id that the app chooses.

    Attributes:
        file_id: the id, which is passed to the callbacks of the listener; it has to be unique within the request.
        file: the file: a path, or bytes with a name.
    """

    file_id: str
    file: UploadFile


class UploadFileRequest:
    """Uploads files for a message to one receiver. Made by `ChatClient.create_upload_file_request()`."""

    def __init__(self, client: ClientCore, receiver_id: str, receiver_type: str, batch_id: str) -> None:
        self._client = client
        self._receiver = (receiver_id, cast(ReceiverTypeName, receiver_type))  # checked by each upload
        self._concurrency = 1
        self._done: dict[str, Attachment] = {}
        self._batch_id = batch_id

    def set_concurrency(self, files: int) -> UploadFileRequest:
        """Set how many files are uploaded at the same time (default: 1), and return this request.

        Args:
            files: the number of files; a number below 1 counts as 1.
        """
        self._concurrency = max(1, files)
        return self

    async def upload_attachments(
        self, attachments: Sequence[UploadAttachment], listener: UploadFileListener | None = None
    ) -> UploadResult:
        """Upload files, and wait until each is uploaded or has failed. A file that fails does not affect the others.

        Files whose upload failed can be passed to another call; their `file_id`s are then used again.

        Args:
            attachments: the files, each with its `file_id`.
            listener: notified of the progress and the outcome of each file, and at the end with `on_complete`.

        Returns:
            The outcome of each file by its `file_id`.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED` after `aclose()`; `ERR_WRONG_EVENT_LOOP` outside of the client's
                event loop. Errors of single files are in the result instead.
        """
        gate_of(self._client).check_usable()  # before any callback of the listener
        listener = listener or UploadFileListener()
        result = UploadResult(self._batch_id)
        uid = self._client._sessions.uid
        slots = asyncio.Semaphore(self._concurrency)

        async def upload_in_slot(wanted: UploadAttachment) -> None:
            async with slots:
                await self._upload_one(uid, wanted, listener, result)

        async with asyncio.TaskGroup() as group:
            for wanted in attachments:
                group.create_task(upload_in_slot(wanted))
        await call_listener(listener.on_complete, (result,))
        return result

    async def _upload_one(
        self, uid: str, wanted: UploadAttachment, listener: UploadFileListener, result: UploadResult
    ) -> None:
        def report_progress(_: str, sent: int, total: int) -> None:
            listener.on_file_progress(wanted.file_id, sent, total, round(100 * sent / total) if total else 100)

        try:
            uploads = UploadCalls(parts_of(self._client))
            (attachment,) = await uploads._upload_all(uid, *self._receiver, [wanted.file], report_progress)
        except CometChatException as e:
            if e.code in RETRYABLE_CODES:
                result.failed[wanted.file_id] = e
                await call_listener(listener.on_file_failure, (wanted.file_id, e))
            else:
                result.rejected[wanted.file_id] = e
                await call_listener(listener.on_file_error, (wanted.file_id, e))
            return
        result.successful[wanted.file_id] = self._done[wanted.file_id] = attachment
        await call_listener(listener.on_file_uploaded, (wanted.file_id, attachment))

    def get_attachments(self) -> list[Attachment]:
        """Return the attachments of all files that this request has uploaded, to be sent with a `MediaMessage`."""
        return list(self._done.values())
