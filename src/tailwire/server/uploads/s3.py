"""Stores files in a bucket. They arrive in a folder first, and are sent to the bucket when they are complete."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.uploads import ArrivedFile, DirectFile, StoredFile
from tailwire.server.telemetry.logs import log
from tailwire.server.uploads.folder import FILE_NAME, free_bytes
from tailwire.server.uploads.later_removals import LaterRemovals
from tailwire.server.uploads.part_files import HEAD_BYTES, PartFile, PartFolder, unavailable_refusal
from tailwire.server.uploads.s3_bucket import Bucket, BucketError
from tailwire.server.uploads.s3_leftovers import remove_leftovers
from tailwire.server.uploads.s3_settings import BucketAddress, Credentials
from tailwire.server.uploads.s3_signing import decode_facts, encode_facts, signed_url, upload_form
from tailwire.server.uploads.threads import Threads

FILES_SENT_AT_ONCE = 4
"""How many files are sent to the bucket at the same time. It bounds the memory that a slow service takes."""
MAX_PENDING_UPLOADS = 1000
LINK_SECONDS = 900
CLOSE_SECONDS = 5.0
DAY_SECONDS = 86_400
EXPIRY_MARGIN_SECONDS = 60
"""How long after its end a form may still work, because the clock of the service may be slow."""
UNSENT_FILES_AT_ONCE = 1000
DIRECT_FOLDER = "direct"
"""The folder of the bucket to which clients upload files themselves."""
METADATA_KEY = "file"
UNKNOWN_TYPE = "application/octet-stream"


class _Upload(PartFile):
    """A file that is being written on this disk, and is sent to the bucket by `keep`.

    Before `keep` nothing of it is in the bucket. So an upload that the client does not complete leaves nothing there.
    """

    def __init__(self, uploads: S3Uploads, folder: PartFolder) -> None:
        self._uploads = uploads
        self._sending = self._abandoned = False
        super().__init__(folder)  # calls `drop` if the file cannot be created

    async def finish(self, *, durably: bool = False) -> None:
        """Flush and close the local copy, which by default need not survive a loss of power (see `PartFile.finish`)."""
        await super().finish(durably=durably)

    async def keep(self, name: str, thumbnail: str | None = None) -> None:
        """Send the file and its thumbnail to the bucket, wait for that, and delete the local copies.

        If the caller is cancelled, the transfer continues in the background, and then the objects are removed.

        Args:
            name: the name of the object.
            thumbnail: the name of the thumbnail's object; None if there is none.

        Raises:
            Refused: ERR_UNAVAILABLE, too many files wait to be sent, or the bucket does not take the file.
        """
        self._sending = True
        sending = self._uploads.start(self._send_to_bucket(name, thumbnail))
        try:
            await asyncio.shield(sending)
        except asyncio.CancelledError:
            # A cancelled upload would leave its parts in the bucket. So it is completed, and its object is removed.
            self._abandoned = True
            raise

    async def _send_to_bucket(self, name: str, thumbnail: str | None) -> None:
        try:
            await self._uploads.send(
                self._path, self.size, name, self._thumbnail_path if thumbnail else None, thumbnail or ""
            )
        finally:
            self._sending = False
            self.drop()
        if self._abandoned:
            await self._uploads.delete([name, *([thumbnail] if thumbnail else [])])

    def drop(self) -> None:
        """Delete the local copies. While they are being sent, do nothing: they are deleted afterwards."""
        if not self._sending:
            super().drop()


class S3Uploads:
    """`ports.uploads.Uploads` in a bucket of S3.

    Args:
        folder: a folder on this machine for files that are arriving; several servers may share it.
        bucket: where complete files are stored.
        seconds: the clock; returns seconds since 1970.
        redirect: True if clients get files from the bucket itself; False if this server passes them on.
        direct: True if clients may upload files to the bucket itself; False if this server receives them all.
    """

    def __init__(
        self, folder: Path, bucket: Bucket, seconds: Callable[[], int], *, redirect: bool = False, direct: bool = False
    ) -> None:
        self._folder = folder
        self._parts = PartFolder(folder)
        self._bucket = bucket
        self._seconds = seconds
        self._redirect = redirect
        self._direct = direct
        self._slots = asyncio.Semaphore(FILES_SENT_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper = Threads("sweep", 1)
        self._timer: asyncio.TimerHandle | None = None
        self._later = LaterRemovals(lambda names: self.start(self._remove_originals(names)))

    async def remove_incomplete(self) -> None:
        """Remove what servers that have ended left behind.

        Incomplete files on the disk are removed at once. In the bucket, parts of unfinished uploads and direct uploads
        that no message has named are removed in the background, now and then once a day.
        """
        self._parts.sweep()
        self._sweep_bucket()

    def _sweep_bucket(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(DAY_SECONDS, self._sweep_bucket)
        if self._bucket.address.credentials is not None:
            self.start(self._remove_leftovers(self._bucket.address, self._bucket.address.credentials))
        if self._direct:
            self.start(self._remove_unsent())

    async def _remove_unsent(self) -> None:
        # Files that were uploaded directly, and that no message has named within a day.
        before = datetime.fromtimestamp(self._seconds() - DAY_SECONDS, UTC)
        try:
            while names := await self._bucket.names(DIRECT_FOLDER, before, UNSENT_FILES_AT_ONCE):
                await self._bucket.remove(names)
        except BucketError as e:
            log.warning("unsent files in the bucket were not removed, which is tried again in a day: %s", e)

    async def _remove_leftovers(self, address: BucketAddress, credentials: Credentials) -> None:
        now = self._seconds()
        try:
            count = await self._sweeper.run(partial(remove_leftovers, address, credentials, now, DAY_SECONDS))
        except (OSError, ValueError) as e:
            log.warning("unfinished uploads in the bucket were not looked for, which is tried again in a day: %s", e)
        else:
            if count:
                log.info("parts of %d unfinished uploads were removed from the bucket", count)

    def begin(self) -> _Upload:
        """Create a new incomplete file on this disk, to which the caller writes.

        Raises:
            Refused: ERR_UNAVAILABLE, the file cannot be created now.
        """
        return _Upload(self, self._parts)

    def free_bytes(self) -> int:
        """Return the free bytes on the disk of the folder for files that are arriving."""
        return free_bytes(self._folder)

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine in a task of its own, which continues if the request is cancelled. Return the task.

        `close` waits for it for a few seconds. If it raises `BucketError`, that is logged.
        """
        task = asyncio.get_running_loop().create_task(work, name="tailwire upload to the bucket")
        self._tasks.add(task)
        task.add_done_callback(self._on_task_ended)
        return task

    def _on_task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(task.exception(), BucketError):
            log.warning("an abandoned upload remains in the bucket: %s", task.exception())

    async def send(self, path: Path, size: int, name: str, thumbnail_path: Path | None, thumbnail: str) -> None:
        """Store a file and its thumbnail in the bucket, waiting while too many files are being sent.

        Must not be cancelled (see `Bucket.put`).

        Args:
            path: the local copy of the file.
            size: its size in bytes.
            name: the name of its object.
            thumbnail_path: the local copy of the thumbnail; None without a thumbnail.
            thumbnail: the name of the thumbnail's object; "" without a thumbnail.

        Raises:
            Refused: ERR_UNAVAILABLE, too many files wait to be sent, or the bucket does not take the file.
        """
        if len(self._tasks) > MAX_PENDING_UPLOADS:
            raise unavailable_refusal()
        try:
            async with self._slots:
                if thumbnail_path is not None:  # small enough for the shortest deadline
                    await self._bucket.put(thumbnail, thumbnail_path, 0, "image/jpeg")
                await self._bucket.put(name, path, size, UNKNOWN_TYPE)
        except OSError as e:
            raise _refusal("stored", e) from e

    async def remove(self, names: list[str]) -> None:
        """Delete files as `delete` does.

        Raises:
            Refused: ERR_UNAVAILABLE, the bucket fails.
        """
        try:
            await self.delete(names)
        except BucketError as e:
            raise _refusal("removed", e) from e

    async def delete(self, names: list[str]) -> None:
        """Delete files, and what clients have uploaded directly under their names. Missing ones are ignored.

        Raises:
            BucketError: the request failed.
        """
        final = [Path(name).name for name in names]
        await self._bucket.remove([*final, *(f"{DIRECT_FOLDER}/{name}" for name in final if self._direct)])

    async def stored_files(self) -> AsyncIterator[list[StoredFile]]:
        """Yield all files and thumbnails, some at a time, in any order. Other objects are left out.

        Raises:
            BucketError: if the request fails.
        """
        async for chunk in self._bucket.list_objects():
            yield [StoredFile(*one) for one in chunk if FILE_NAME.fullmatch(one[0])]

    async def missing_names(self, names: list[str]) -> list[str]:
        """Return those of the names that have no file. Makes a request for each name.

        Raises:
            BucketError: a request failed.
        """
        found = []
        for name in names:
            try:
                await self._bucket.size(Path(name).name)
            except FileNotFoundError:
                found.append(name)
        return found

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Yield `length` bytes of a file from the offset `start` on, in chunks; fewer if the file ends before.

        Raises:
            FileNotFoundError: there is no such file.
            Refused: ERR_UNAVAILABLE, the bucket fails.
        """
        try:
            async for piece in self._bucket.read(Path(name).name, start, length):
                yield piece
        except BucketError as e:
            raise _refusal("read", e) from e

    async def size(self, name: str) -> int:
        """Return the size of a file in bytes.

        Raises:
            FileNotFoundError: there is no such file.
            Refused: ERR_UNAVAILABLE, the bucket fails.
        """
        try:
            return await self._bucket.size(Path(name).name)
        except BucketError as e:
            raise _refusal("read", e) from e

    def direct_url(self, name: str, mime_type: str, disposition: str) -> str | None:
        """Return a signed URL of the file in the bucket, valid for `LINK_SECONDS`.

        Args:
            mime_type, disposition: what the response at the URL says in `content-type` and `content-disposition`.

        Returns:
            None if clients are not redirected, or if there are no credentials to sign with.
        """
        address = self._bucket.address
        if not self._redirect or address.credentials is None:
            return None
        query = {
            "response-content-type": mime_type,
            "response-content-disposition": disposition,
            "response-cache-control": "private, max-age=31536000, immutable",
        }
        key = address.key(Path(name).name)
        return signed_url(address, address.credentials, key, query, self._seconds(), LINK_SECONDS)

    def direct_form(self, name: str, file: DirectFile, lifetime: int) -> tuple[str, dict[str, str]] | None:
        """Return the URL and the fields of a form with which a client uploads a file to the bucket.

        Args:
            name: the unused name under which the file will be kept.
            file: what the form permits to upload.
            lifetime: seconds until the form expires.

        Returns:
            None if clients do not upload to the bucket themselves, or if there are no credentials to sign with.
        """
        address = self._bucket.address
        if not self._direct or address.credentials is None:
            return None
        metadata = {METADATA_KEY: encode_facts(file)}
        key = address.key(f"{DIRECT_FOLDER}/{Path(name).name}")
        return upload_form(address, address.credentials, key, file.size, metadata, self._seconds(), lifetime)

    async def accept_upload(self, name: str) -> ArrivedFile | None:
        """Copy what a client has uploaded with a form to its final name, which the form cannot overwrite.

        If there is already a copy, it is left as it is.

        Args:
            name: the name for which the form was made.

        Returns:
            A description of the copy; None if nothing was uploaded, or more than a day ago.

        Raises:
            Refused: ERR_UNAVAILABLE, the bucket fails.
        """
        final = Path(name).name
        if not self._direct:
            return None
        try:
            original = await self._bucket.head(f"{DIRECT_FOLDER}/{final}", 1)
            file = decode_facts(original.metadata.get(METADATA_KEY, ""))
            if file is None or original.stored_at <= self._seconds() - DAY_SECONDS:
                return None
            await self._bucket.copy_new(f"{DIRECT_FOLDER}/{final}", final)
            copy = await self._bucket.head(final, HEAD_BYTES)
        except FileNotFoundError:
            return None
        except BucketError as e:
            raise _refusal("read", e) from e
        return ArrivedFile(file, copy.size, copy.first_bytes)

    async def end_direct(self, name: str, lifetime: int) -> None:
        """Remove what a client has uploaded with a form, now and once more after the form has expired.

        Until then the client can upload it again. A failure is only logged.

        Args:
            name: the name for which the form was made.
            lifetime: seconds after which the form has expired.
        """
        original = f"{DIRECT_FOLDER}/{Path(name).name}"
        await self._remove_originals([original])
        self._later.add(original, lifetime + EXPIRY_MARGIN_SECONDS)

    async def _remove_originals(self, names: list[str]) -> None:
        try:
            await self._bucket.remove(names)
        except BucketError as e:
            log.warning("the originals of %d files remain in the bucket for a day: %s", len(names), e)

    async def close(self) -> None:
        """Wait at most `CLOSE_SECONDS` for files that are being sent, cancel the rest, and stop all threads."""
        if self._timer is not None:
            self._timer.cancel()
        self._later.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        self._sweeper.close()
        await self._parts.close()


def _refusal(verb: str, e: OSError) -> Refused:
    log.error("a file cannot be %s: %s", verb, e)
    return unavailable_refusal(verb)
