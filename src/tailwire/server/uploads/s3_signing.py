"""Signatures of AWS, version 4: links to objects, and forms that upload one. Pure functions of the time."""

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
    """Return a URL that permits one kind of request without further credentials.

    Args:
        key: the full name of the object; "" for the bucket.
        query: parameters of the request, such as `response-content-type`.
        now: seconds since 1970.
        lifetime: seconds from now until the URL expires.
        public: True for clients, False for this server, which may reach the service by another URL.
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
    """Return what a form says about its file, as metadata of an object: ASCII, below the 2 KB of S3."""
    return b64encode(json.dumps([file.uid, file.name, file.size], ensure_ascii=False).encode()).decode()


def decode_facts(metadata: str) -> DirectFile | None:
    """Return what a form has said about its file; None if an object was not uploaded with one."""
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
    """Return the URL and the fields of a form that uploads an object of 1 to `size` bytes.

    Args:
        key: the full name of the object.
        metadata: metadata of the object, in ASCII, which the client cannot change.
        now: seconds since 1970.
        lifetime: seconds from now until the form expires.
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
