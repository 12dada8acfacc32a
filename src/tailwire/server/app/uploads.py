"""Opens the storage of uploaded files that the settings name, and checks it at the start."""

from __future__ import annotations

from pathlib import Path

from tailwire.server.app.checks import CannotStart
from tailwire.server.config import BadSetting, Settings
from tailwire.server.ports.uploads import Uploads
from tailwire.server.ports.world import World
from tailwire.server.telemetry.logs import log
from tailwire.server.uploads.folder import FolderUploads
from tailwire.server.uploads.s3 import S3Uploads
from tailwire.server.uploads.s3_bucket import Bucket, BucketError
from tailwire.server.uploads.s3_settings import bucket_address

FOLDER, ARRIVING = "uploads", "arriving"


def open_uploads(settings: Settings, world: World) -> Uploads:
    """Return the storage of uploaded files: a folder in the data folder, or the bucket that the settings name.

    Raises:
        BadSetting: if a setting of the bucket is wrong.
        OSError: if a package is missing.
    """
    data = Path(settings.data)
    if not settings.uploads:
        return FolderUploads(data / FOLDER)
    bucket = Bucket(bucket_address(settings))
    return S3Uploads(
        data / ARRIVING,
        bucket,
        world.seconds,
        redirect=settings.redirect_downloads,
        direct=settings.uploads_direct,
    )


async def check_uploads(settings: Settings) -> None:
    """Check that the bucket for uploads can be used, if the settings name one.

    If the storage service does not answer, that is only logged: messages do not need it, and it may come back.

    Raises:
        CannotStart: if a setting is wrong, or the bucket is missing or refuses the access key.
    """
    if not settings.uploads:
        return
    try:
        await Bucket(bucket_address(settings)).check()
    except BadSetting as e:
        raise CannotStart(str(e)) from e
    except BucketError as e:
        if not e.temporary:
            raise CannotStart(f"uploads: {e}") from e
        log.error("uploads: %s; until it answers, files are refused with 503, and messages are not affected", e)
