"""`tailwire doctor s3://BUCKET/PREFIX`: tests the bucket for uploaded files, with the settings of the server."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from tailwire.server.config import BadSetting, load
from tailwire.server.uploads.s3_bucket import PART_BYTES, Bucket
from tailwire.server.uploads.s3_leftovers import remove_leftovers
from tailwire.server.uploads.s3_settings import bucket_address

SIZE_BYTES = PART_BYTES + 1  # two parts
NEVER_SECONDS = 100 * 365 * 86_400


def doctor_bucket(url: str, config: str = "") -> int:
    """Test a bucket: find it, store an object in parts, read and remove it, list unfinished uploads.

    Args:
        url: `s3://BUCKET` or `s3://BUCKET/PREFIX`.
        config: the TOML file with the other settings; without it, only those of the environment are used.

    Returns:
        0 if all steps succeeded; 1 if one failed; 2 for an invalid setting.
    """
    try:
        bucket = Bucket(bucket_address(load({"uploads": url}, file=config)))
    except BadSetting as e:
        print(f"tailwire: {e}")
        return 2
    except OSError as e:
        print(f"  failed  {e}")
        return 1
    return asyncio.run(_examine(bucket))


async def _examine(bucket: Bucket) -> int:
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

    async def unfinished() -> None:
        if address.credentials is not None:
            now = int(time.time())
            work = partial(remove_leftovers, address, address.credentials, now, NEVER_SECONDS)
            await asyncio.get_running_loop().run_in_executor(None, work)

    steps: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        (f"bucket {address.bucket} at {address.endpoint}", bucket.check),
        ("store an object in parts", store),
        ("read it", read),
        ("remove it", lambda: bucket.remove([name])),
        ("list unfinished uploads", unfinished),
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
