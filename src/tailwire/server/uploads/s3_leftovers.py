"""Removes the parts of files from the bucket that servers were sending when they were killed."""

from __future__ import annotations

from datetime import datetime
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from xml.etree import ElementTree

from tailwire.server.uploads.s3_settings import BucketAddress, Credentials
from tailwire.server.uploads.s3_signing import signed_url

LIFETIME_SECONDS = 60
TIMEOUT_SECONDS = 15.0
MAX_LISTING_BYTES = 16 * 1024 * 1024


def remove_leftovers(address: BucketAddress, credentials: Credentials, now: int, min_age: int) -> int:
    """Abort multipart uploads that were begun long ago. Return how many were aborted, at most a thousand. Blocks.

    Args:
        address: the bucket. Only uploads of objects with its prefix are aborted.
        credentials: sign the requests.
        now: seconds since 1970.
        min_age: seconds since the beginning of an upload, after which it is aborted. It must be longer than any upload
            of a running server takes.

    Raises:
        OSError: the service does not answer, or refuses a request.
        ValueError: the answer is not a list of uploads.
    """
    query = {"uploads": "", **({"prefix": f"{address.prefix}/"} if address.prefix else {})}
    try:
        listing = ElementTree.fromstring(_request(address, credentials, "GET", "", query, now))
    except ElementTree.ParseError as e:
        raise ValueError("the list of unfinished uploads is not XML") from e
    removed = 0
    for upload in listing.iterfind("{*}Upload"):
        key, upload_id, begun = (upload.findtext(f"{{*}}{name}", "") for name in ("Key", "UploadId", "Initiated"))
        if now - datetime.fromisoformat(begun).timestamp() > min_age:
            _request(address, credentials, "DELETE", key, {"uploadId": upload_id}, now)
            removed += 1
    return removed


def _request(
    address: BucketAddress, credentials: Credentials, method: str, key: str, query: dict[str, str], now: int
) -> bytes:
    url = signed_url(address, credentials, key, query, now, LIFETIME_SECONDS, method=method, public=False)
    try:
        with urlopen(Request(url, method=method), timeout=TIMEOUT_SECONDS) as answer:
            return bytes(answer.read(MAX_LISTING_BYTES))
    except HTTPException as e:
        raise OSError(f"the answer of the service at {address.endpoint} is cut or invalid") from e
    except HTTPError as e:
        with e:
            if method == "DELETE" and e.code == 404:
                return b""  # another server has just removed it
            raise OSError(f"the service at {address.endpoint} answered {e.code}") from None
