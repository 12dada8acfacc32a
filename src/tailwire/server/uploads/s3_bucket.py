"""Requests to a bucket of S3. Each has a deadline, and its failures become `BucketError`, which says what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar
from urllib.parse import urlsplit

from tailwire.extras import how_to_install
from tailwire.server.uploads.s3_settings import BucketAddress

if TYPE_CHECKING:
    from obstore.store import S3Store

T = TypeVar("T")
PART_BYTES = 5 * 1024 * 1024
PARTS_AT_ONCE = 2
CHUNK_BYTES = 256 * 1024
CONNECT_SECONDS, READ_SECONDS, RETRY_SECONDS = 3, 30, 10
MAX_RETRIES = 2
REQUEST_SECONDS = 15.0
PUT_SECONDS = 30.0
MIN_PUT_BYTES_PER_SECOND = 500_000
"""The slowest rate at which a file may be sent to the bucket: the deadline follows from it and the size."""
STREAM_SECONDS = 24 * 3600
"""How long one download may take. It is long because a download takes as long as its client, and slow clients are
limited elsewhere."""


class BucketError(OSError):
    """A request to the bucket failed. The message says why, and what to do. It does not contain the name of a file.

    Attributes:
        temporary: True if the request may succeed later; False if the configuration has to be changed first.
    """

    def __init__(self, message: str, *, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


class Head(NamedTuple):
    """What a bucket reports about an object.

    Attributes:
        size: its size in bytes.
        first_bytes: its beginning.
        metadata: what was stored with it.
        stored_at: when it was stored, in seconds since 1970.
    """

    size: int
    first_bytes: bytes
    metadata: dict[str, str]
    stored_at: float


class Bucket:
    """The objects of a bucket whose names begin with the prefix of the address. All names here are without it.

    Args:
        address: the bucket, the prefix and the credentials; kept as an attribute.

    Raises:
        OSError: the package obstore is missing.
    """

    def __init__(self, address: BucketAddress) -> None:
        self.address = address
        self._store = _open(address)

    async def put(self, name: str, file: Path, size: int, mime_type: str) -> None:
        """Store a file as an object, replacing an earlier one. Nobody sees the object before it is complete.

        Must not be cancelled: the parts in which a large file is sent would remain in the bucket.

        Args:
            size: the size of the file in bytes, only for the deadline.

        Raises:
            BucketError: if the request fails.
        """
        import obstore

        attributes = {"Content-Type": mime_type}
        sent = obstore.put_async(
            self._store, name, file, attributes=attributes, chunk_size=PART_BYTES, max_concurrency=PARTS_AT_ONCE
        )
        try:
            await self._answer(sent, PUT_SECONDS + size / MIN_PUT_BYTES_PER_SECOND)
        except FileNotFoundError as e:
            raise self._missing_error() from e

    async def size(self, name: str) -> int:
        """Return the size of an object in bytes.

        Raises:
            FileNotFoundError: there is no such object.
            BucketError: if the request fails.
        """
        import obstore

        return int((await self._answer(obstore.head_async(self._store, name)))["size"])

    async def head(self, name: str, length: int) -> Head:
        """Return what the bucket reports about an object.

        Args:
            length: how many bytes of its beginning to read; at least 1.

        Raises:
            FileNotFoundError: there is no such object.
            BucketError: if the request fails.
        """
        import obstore

        found = await self._answer(obstore.get_async(self._store, name, options={"range": (0, length)}))
        data = bytes(await self._answer(found.bytes_async()))
        stored_at = found.meta["last_modified"].timestamp()
        return Head(int(found.meta["size"]), data, dict(found.attributes), stored_at)

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Yield `length` bytes of an object from the offset `start` on, in chunks; fewer if the object ends before.

        Raises:
            FileNotFoundError: there is no such object.
            BucketError: if the request fails.
        """
        import obstore

        if not length:
            return
        found = await self._answer(obstore.get_async(self._store, name, options={"range": (start, start + length)}))
        pieces = found.stream(min_chunk_size=CHUNK_BYTES)
        while True:
            try:
                piece = await self._answer(pieces.__anext__(), READ_SECONDS * (MAX_RETRIES + 1))
            except StopAsyncIteration:
                return
            yield bytes(piece)

    async def remove(self, names: Sequence[str]) -> None:
        """Delete objects, ignoring missing ones.

        Raises:
            BucketError: if the request fails.
        """
        import obstore

        try:
            await self._answer(obstore.delete_async(self._store, list(names)))
        except FileNotFoundError as e:
            raise self._missing_error() from e

    async def copy_new(self, source: str, target: str) -> bool:
        """Copy an object. Return True; or False if there is an object `target` already, which stays as it is.

        Raises:
            FileNotFoundError: there is no object `source`.
            BucketError: if the request fails.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError

        try:
            await self._answer(obstore.copy_async(self._store, source, target, overwrite=False), PUT_SECONDS)
        except AlreadyExistsError:
            return False
        return True

    async def names(self, folder: str, before: datetime, limit: int) -> list[str]:
        """Return the names of objects in a folder that were stored before a time, in any order.

        Args:
            limit: stop reading the list when at least this many were found.

        Raises:
            BucketError: if the request fails.
        """
        import obstore

        found: list[str] = []
        listed = obstore.list(self._store, folder, chunk_size=1000)
        while len(found) < limit:
            try:
                chunk = await self._answer(listed.__anext__())
            except StopAsyncIteration:
                break
            found += [one["path"] for one in chunk if one["last_modified"] < before]
        return found

    async def list_objects(self) -> AsyncIterator[list[tuple[str, int, float]]]:
        """Yield the name, size and time (seconds since 1970) of all objects, some at a time, in any order.

        Raises:
            BucketError: if the request fails.
        """
        import obstore

        listed = obstore.list(self._store, chunk_size=1000)
        while True:
            try:
                chunk = await self._answer(listed.__anext__())
            except StopAsyncIteration:
                return
            yield [(one["path"], one["size"], one["last_modified"].timestamp()) for one in chunk]

    async def check(self) -> None:
        """Check that the bucket exists and answers.

        Raises:
            BucketError: if the request fails.
        """
        import obstore

        listed = obstore.list(self._store, chunk_size=1)
        try:
            await self._answer(listed.__anext__())
        except StopAsyncIteration:
            pass
        except FileNotFoundError as e:
            raise self._missing_error() from e

    def _missing_error(self) -> BucketError:
        message = f"the bucket {self.address.bucket} does not exist: create it, or correct the setting uploads"
        return BucketError(message, temporary=False)

    def _denied_error(self) -> BucketError:
        what = f"the bucket {self.address.bucket} refused the request"
        advice = "check s3_access_key and s3_secret_key, their permissions, s3_region, and this machine's clock"
        return BucketError(f"{what}: {advice}", temporary=False)

    async def _answer(self, request: Awaitable[T], seconds: float = REQUEST_SECONDS) -> T:
        # Return the answer to a request of obstore, whose errors become a BucketError, except those about one object:
        # FileNotFoundError and AlreadyExistsError.
        from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError

        where = self.address
        try:
            async with asyncio.timeout(seconds):
                return await request
        except AlreadyExistsError:
            raise
        except (PermissionDeniedError, UnauthenticatedError) as e:
            raise self._denied_error() from e
        except TimeoutError as e:
            message = f"the service at {where.endpoint} did not answer within {seconds:.0f} s"
            raise BucketError(message, temporary=True) from e
        except FileNotFoundError as e:
            if "NoSuchBucket" in str(e):
                raise self._missing_error() from e
            raise
        except (BaseError, ValueError, OSError) as e:
            raise self._error_of(e) from e

    def _error_of(self, e: Exception) -> BucketError:
        # The texts of obstore contain the names of files, which grant access to them, so only known words are used.
        text = str(e)
        if "NoSuchBucket" in text:
            return self._missing_error()
        if "status code: 403" in text or "status code: 401" in text:
            return self._denied_error()
        if "HTTP error" in text or "error sending request" in text:
            message = f"the service at {self.address.endpoint} cannot be reached: check s3_endpoint and the network"
            return BucketError(message, temporary=True)
        for status in ("500", "502", "503", "504", "429"):
            if f"status code: {status}" in text:
                return BucketError(f"the service at {self.address.endpoint} answered {status}", temporary=True)
        if "credential" in text.lower():
            message = "no credentials for the bucket were found: set s3_access_key and s3_secret_key"
            return BucketError(message, temporary=False)
        return BucketError(f"a request to the bucket {self.address.bucket} failed ({type(e).__name__})", temporary=True)


def _open(address: BucketAddress) -> S3Store:
    try:
        from obstore.store import S3Store
    except ModuleNotFoundError as e:
        raise OSError(f"uploads: {e.name} is missing; run {how_to_install('s3')}") from e
    known = address.credentials

    def credentials() -> dict[str, str | None]:
        # Given as a function, so that variables of AWS do not add to what the settings name.
        assert known is not None
        return {
            "access_key_id": known.access_key,
            "secret_access_key": known.secret_key,
            "token": known.session_token or None,
            "expires_at": None,
        }

    return S3Store(
        address.bucket,
        prefix=address.prefix or None,
        config={
            "endpoint": address.endpoint,
            "aws_endpoint_url_s3": address.endpoint,  # overrides the other, and would be read from the environment
            "region": address.region,
            "virtual_hosted_style_request": False,
            "copy_if_not_exists": "multipart",
        },
        client_options={
            "allow_http": urlsplit(address.endpoint).scheme == "http",
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=READ_SECONDS),
            "timeout": timedelta(seconds=STREAM_SECONDS),
        },
        retry_config={"max_retries": MAX_RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
        credential_provider=None if known is None else credentials,
    )
