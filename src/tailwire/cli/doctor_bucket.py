"""`tailwire doctor s3://BUCKET/PREFIX`: tests the bucket for uploaded files, with the settings of the server."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tailwire.server.config import BadSetting, load
from tailwire.server.uploads.s3_bucket import PART_BYTES, Bucket
from tailwire.server.uploads.s3_leftovers import remove_leftovers
from tailwire.server.uploads.s3_settings import bucket_address
from tailwire.server.uploads.s3_signing import upload_form

SIZE_BYTES = PART_BYTES + 1  # two parts
NEVER_SECONDS = 100 * 365 * 86_400
FORM_SECONDS, FORM_TIMEOUT_SECONDS = 60, 15.0


def doctor_bucket(url: str, config: str = "") -> int:
    """Test a bucket: find it, store an object in parts, read and remove it, list unfinished uploads.

    With the setting `uploads_direct`, also test whether the service refuses an upload form that was changed.

    Args:
        url: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
        config: the TOML file with the other settings; without it, only those of the environment are used.

    Returns:
        The exit code: 0 if all steps succeeded; 1 if one failed; 2 for an invalid setting.
    """
    try:
        settings = load({"uploads": url}, file=config)
        bucket = Bucket(bucket_address(settings))
    except BadSetting as e:
        print(f"tailwire: {e}")
        return 2
    except OSError as e:
        print(f"  failed  {e}")
        return 1
    return asyncio.run(_examine(bucket, direct=settings.uploads_direct))


async def _examine(bucket: Bucket, *, direct: bool) -> int:
    address, name = bucket.address, f"tailwire-doctor-{secrets.token_hex(8)}"

    async def store() -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(SIZE_BYTES))
            file.flush()
            await bucket.put(name, Path(file.name), SIZE_BYTES, "application/octet-stream")

    async def read() -> None:
        found = sum([len(piece) async for piece in bucket.read(name, 0, await bucket.size(name))])
        if found != SIZE_BYTES:
            raise OSError(f"{SIZE_BYTES} bytes were stored, and {found} were read")

    async def list_unfinished() -> None:
        if address.credentials is not None:
            now = int(time.time())
            work = partial(remove_leftovers, address, address.credentials, now, NEVER_SECONDS)
            await asyncio.get_running_loop().run_in_executor(None, work)

    steps: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        (f"bucket {address.bucket} at {address.endpoint}", bucket.check),
        ("store an object in parts", store),
        ("read it", read),
        ("remove it", lambda: bucket.remove([name])),
        ("list unfinished uploads", list_unfinished),
        *([("refuse a form that was changed", partial(_try_changed_form, bucket, name))] if direct else []),
    ]
    for what, work in steps:
        begin = time.monotonic()
        try:
            await work()
        except (OSError, ValueError) as e:
            print(f"  failed  {what}: {e}")
            return 1
        print(f"  ok      {what} ({(time.monotonic() - begin) * 1000:.0f} ms)")
    print("all steps succeeded")
    return 0


async def _try_changed_form(bucket: Bucket, name: str) -> None:
    # If a service ignores the policy of an upload form, every user can replace the files of others.
    address = bucket.address
    if address.credentials is None:
        return
    signed = address.key(f"{name}-signed")
    url, fields = upload_form(address, address.credentials, signed, 1, {}, int(time.time()), FORM_SECONDS)
    status = await asyncio.to_thread(_send_form, url, {**fields, "key": address.key(name)})
    if status < 300:
        await bucket.remove([name])
        raise OSError("the service does not enforce the policies of forms, so uploads_direct is not safe with it")


def _send_form(url: str, fields: dict[str, str]) -> int:
    boundary = secrets.token_hex(16)
    parts = [f'name="{name}"\r\n\r\n{value}' for name, value in fields.items()]
    parts.append('name="file"; filename="x"\r\n\r\nx')
    body = "".join(f"--{boundary}\r\ncontent-disposition: form-data; {part}\r\n" for part in parts)
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    request = Request(url, f"{body}--{boundary}--\r\n".encode(), headers)
    try:
        with urlopen(request, timeout=FORM_TIMEOUT_SECONDS) as answer:
            return int(answer.status)
    except HTTPError as e:
        with e:
            return e.code
