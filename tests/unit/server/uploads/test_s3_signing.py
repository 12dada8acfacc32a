"""Links and forms are signed as the AWS package signs them."""

from __future__ import annotations

import calendar
import json
import time
from base64 import b64decode
from urllib.parse import parse_qs, urlsplit

import pytest

from tailwire.server.config import Settings
from tailwire.server.uploads.s3_settings import bucket_address
from tailwire.server.uploads.s3_signing import signed_url, upload_form

ENDPOINTS = ["https://s3.example.com", "http://127.0.0.1:9000"]


def address_and_client(endpoint, session):
    boto3 = pytest.importorskip("boto3", reason="this needs boto3: pip install moto")
    from botocore.config import Config

    environment = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret/+x", "AWS_SESSION_TOKEN": session}
    address = bucket_address(
        Settings(uploads="s3://bucket/a-b", s3_endpoint=endpoint, s3_region="eu-west-1"), environment
    )
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="eu-west-1", aws_access_key_id="AKID",
        aws_secret_access_key="secret/+x", aws_session_token=session or None,
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )  # fmt: skip
    return address, client


@pytest.mark.slow
@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("session", ["", "a/session+token="])
def test_links_equal_those_of_the_aws_package(endpoint, session):
    address, client = address_and_client(endpoint, session)
    disposition = "attachment; filename*=UTF-8''%C3%A4%20b.txt"
    theirs = client.generate_presigned_url(
        "get_object",
        {
            "Bucket": "bucket", "Key": "a-b/x (1)~é.txt", "ResponseContentType": "text/plain",
            "ResponseContentDisposition": disposition,
        },
        ExpiresIn=900,
    )  # fmt: skip
    query = parse_qs(urlsplit(theirs).query)
    then = calendar.timegm(time.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ"))
    more = {"response-content-type": "text/plain", "response-content-disposition": disposition}
    ours = signed_url(address, address.credentials, "a-b/x (1)~é.txt", more, then, 900)
    assert parse_qs(urlsplit(ours).query) == query
    assert urlsplit(ours)[:3] == urlsplit(theirs)[:3]


@pytest.mark.parametrize("session", ["", "a/session+token="])
def test_forms_are_signed_like_those_of_the_aws_package(session):
    address, client = address_and_client(ENDPOINTS[0], session)
    url, fields = upload_form(address, address.credentials, "a-b/x", 1234, {"file": "facts"}, 1_800_000_000, 900)
    policy = json.loads(b64decode(fields["policy"]))
    assert policy["expiration"] == "2027-01-15T08:15:00Z"
    assert ["content-length-range", 1, 1234] in policy["conditions"]
    assert {"bucket": "bucket"} in policy["conditions"]
    assert {"x-amz-meta-file": "facts"} in policy["conditions"]
    for name, value in fields.items():
        assert name in ("policy", "x-amz-signature") or {name: value} in policy["conditions"]
    theirs = client.generate_presigned_post("bucket", "a-b/x")
    assert url == theirs["url"]
    from tailwire.server.uploads.s3_signing import _scope, _sign

    stamp = theirs["fields"]["x-amz-date"]
    signature = _sign(address.credentials, _scope(address, stamp), theirs["fields"]["policy"])
    assert signature == theirs["fields"]["x-amz-signature"]
