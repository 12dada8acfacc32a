"""Finds and removes the parts of uploads that servers had begun to send to the bucket when they were killed."""

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
    """Remove the parts of uploads below the prefix that were begun long ago. Return how many uploads they belonged to.

    Blocks, and removes at most a thousand. An upload of a running server takes minutes, so none is affected.

    Args:
        now: seconds since 1970.
        min_age: seconds since the beginning of an upload, after which it counts as left behind.

    Raises:
        OSError: if the service does not answer, or refuses a request.
        ValueError: if its answer is not a listing.
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
