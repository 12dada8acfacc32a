"""Signs links to objects and forms that upload one, with version 4 of the signatures of AWS. Pure functions."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from tailwire.server.ports.uploads import DirectFile
from tailwire.server.uploads.s3_settings import BucketAddress, Credentials

ALGORITHM = "AWS4-HMAC-SHA256"


def _stamp(seconds: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def _scope(address: BucketAddress, stamp: str) -> str:
    return f"{stamp[:8]}/{address.region}/s3/aws4_request"


def _sign(credentials: Credentials, scope: str, text: str) -> str:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def signed_url(
    address: BucketAddress,
    credentials: Credentials,
    key: str,
    query: Mapping[str, str],
    now: int,
    lifetime: int,
    *,
    method: str = "GET",
    public: bool = True,
) -> str:
    """Return a URL with which one kind of request can be made without further credentials.

    Args:
        key: the full name of the object (`BucketAddress.key`); "" for the bucket.
        query: parameters of the request, such as `response-content-type`.
        now: seconds since 1970.
        lifetime: seconds until the URL expires.
        method: the HTTP method of the request.
        public: True for `public_endpoint`, which clients use; False for `endpoint`, which this server uses.
    """
    endpoint = urlsplit(address.public_endpoint if public else address.endpoint)
    stamp = _stamp(now)
    scope = _scope(address, stamp)
    parameters = {
        **query,
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(lifetime),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token:
        parameters["X-Amz-Security-Token"] = credentials.session_token
    encoded = "&".join(sorted(f"{quote(k, safe='')}={quote(v, safe='')}" for k, v in parameters.items()))
    path = f"{endpoint.path}/{address.bucket}" + (f"/{quote(key)}" if key else "")
    request = f"{method}\n{path}\n{encoded}\nhost:{endpoint.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    text = f"{ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = _sign(credentials, scope, text)
    return f"{endpoint.scheme}://{endpoint.netloc}{path}?{encoded}&X-Amz-Signature={signature}"


def encode_facts(file: DirectFile) -> str:
    """Encode what a form permits to upload as metadata of the uploaded object: ASCII, less than the 2 KB of S3."""
    return b64encode(json.dumps([file.uid, file.name, file.size], ensure_ascii=False).encode()).decode()


def decode_facts(metadata: str) -> DirectFile | None:
    """Decode the result of `encode_facts` from the metadata of an object. Return None if it is not one."""
    try:
        uid, name, size = json.loads(b64decode(metadata, validate=True))
    except (ValueError, TypeError):  # not JSON, or not a list
        return None
    good = isinstance(uid, str) and isinstance(name, str) and isinstance(size, int)
    return DirectFile(uid, name, size) if good else None


def upload_form(
    address: BucketAddress,
    credentials: Credentials,
    key: str,
    size: int,
    metadata: Mapping[str, str],
    now: int,
    lifetime: int,
) -> tuple[str, dict[str, str]]:
    """Return the URL and the fields of a form with which a client uploads an object.

    Args:
        key: the full name of the object (`BucketAddress.key`).
        size: the highest number of bytes; the lowest is 1.
        metadata: metadata of the object, in ASCII, which the client cannot change.
        now: seconds since 1970.
        lifetime: seconds until the form expires.
    """
    stamp = _stamp(now)
    scope = _scope(address, stamp)
    fields = {
        "key": key,
        "x-amz-algorithm": ALGORITHM,
        "x-amz-credential": f"{credentials.access_key}/{scope}",
        "x-amz-date": stamp,
        "success_action_status": "201",
        **{f"x-amz-meta-{name}": value for name, value in metadata.items()},
    }
    if credentials.session_token:
        fields["x-amz-security-token"] = credentials.session_token
    conditions = [
        {"bucket": address.bucket},
        *({name: value} for name, value in fields.items()),
        ["content-length-range", 1, size],
    ]
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + lifetime))
    policy = b64encode(json.dumps({"expiration": expires, "conditions": conditions}).encode()).decode()
    fields |= {"policy": policy, "x-amz-signature": _sign(credentials, scope, policy)}
    return f"{address.public_endpoint}/{address.bucket}", fields
