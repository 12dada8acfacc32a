"""The documented way to upload several files and hear of each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tailwire.sdk.calls.uploads import UploadCalls, UploadFile
from tailwire.sdk.dispatch.calling import call_listener
from tailwire.sdk.exceptions import CometChatException
from tailwire.sdk.listeners.events import UploadResult
from tailwire.sdk.listeners.interfaces import UploadFileListener
from tailwire.wire.entities import Attachment

RETRYABLE = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_TOO_MANY_REQUESTS"})


@dataclass(frozen=True, slots=True)
class UploadAttachment:
    """A file that is to be uploaded, under a name of the app's own.

    Attributes:
        file_id: what the listener is told.
    """

    file_id: str
    file: UploadFile


class UploadFileRequest:
    """Uploads files for a message to one receiver. Made by `ChatClient.create_upload_file_request()`."""

    def __init__(self, client: UploadCalls, receiver_id: str, receiver_type: str) -> None:
        self._client = client
        self._receiver = (receiver_id, str(receiver_type))
        self._concurrency = 1
        self._done: dict[str, Attachment] = {}
        self._batch_id = client._world.unique()

    def set_concurrency(self, files: int) -> UploadFileRequest:
        """How many files are sent at a time (1)."""
        self._concurrency = max(1, files)
        return self

    async def upload_attachments(
        self, attachments: Sequence[UploadAttachment], listener: UploadFileListener | None = None
    ) -> UploadResult:
        """Upload files. One that fails keeps none of the others back; what failed can be given again.

        Args:
            listener: hears how each gets on, and at last `on_complete`.

        Raises:
            CometChatException: `ERR_CLIENT_CLOSED`, `ERR_WRONG_EVENT_LOOP`.
        """
        self._client._check_usable()  # before a listener hears of anything
        listener = listener or UploadFileListener()
        result = UploadResult(self._batch_id)
        turns = asyncio.Semaphore(self._concurrency)

        async def one(wanted: UploadAttachment) -> None:
            async with turns:
                await self._one(wanted, listener, result)

        async with asyncio.TaskGroup() as group:
            for wanted in attachments:
                group.create_task(one(wanted))
        await call_listener(listener.on_complete, (result,))
        return result

    async def _one(self, wanted: UploadAttachment, listener: UploadFileListener, result: UploadResult) -> None:
        def progress(_: str, sent: int, total: int) -> None:
            listener.on_file_progress(wanted.file_id, sent, total, round(100 * sent / total) if total else 100)

        try:
            (attachment,) = await self._client._upload(*self._receiver, [wanted.file], progress)
        except CometChatException as e:
            if e.code in RETRYABLE:
                result.failed[wanted.file_id] = e
                await call_listener(listener.on_file_failure, (wanted.file_id, e))
            else:
                result.rejected[wanted.file_id] = e
                await call_listener(listener.on_file_error, (wanted.file_id, e))
            return
        result.successful[wanted.file_id] = self._done[wanted.file_id] = attachment
        await call_listener(listener.on_file_uploaded, (wanted.file_id, attachment))

    def get_attachments(self) -> list[Attachment]:
        """What has been uploaded, to be sent with a `MediaMessage`."""
        return list(self._done.values())


class UploadRequestCalls(UploadCalls):
    """The part of a client that uploads files, one by one or by a request with a listener."""

    def create_upload_file_request(self, receiver_id: str, receiver_type: str = "user") -> UploadFileRequest:
        """A request that uploads files for a message to a user or group, and tells a listener of each."""
        return UploadFileRequest(self, receiver_id, receiver_type)
