"""Reads the address of a bucket and its credentials from the settings and the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tailwire.server.config import BadSetting, Settings

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key of S3. Its parts are left out of `repr`, so that no log or traceback shows them."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """A bucket, and how this server and its clients reach it.

    Attributes:
        prefix: a folder in which all objects are, without a slash at its end; "" for none.
        endpoint: the URL at which this server reaches the service, without the bucket.
        public_endpoint: the URL at which clients reach the service, without the bucket.
        credentials: the access key; None to use the role that AWS gives this machine.
    """

    bucket: str
    prefix: str
    endpoint: str
    public_endpoint: str
    region: str
    credentials: Credentials | None

    def key(self, name: str) -> str:
        """Return the full name of an object: with the prefix."""
        return f"{self.prefix}/{name}" if self.prefix else name


def bucket_address(settings: Settings, environment: Mapping[str, str] | None = None) -> BucketAddress:
    """Return the address of the bucket that the settings name.

    Settings that are empty are replaced by the usual environment variables of AWS, such as `AWS_REGION`.

    Args:
        environment: the environment variables; by default those of this process.

    Raises:
        BadSetting: a setting is invalid, or another one that it needs is missing. The message names it, and shows no
            secret.
    """
    variables = os.environ if environment is None else environment
    bucket, _, prefix = settings.uploads.removeprefix("s3://").strip("/").partition("/")
    if not settings.uploads.startswith("s3://") or not _BUCKET.fullmatch(bucket):
        raise BadSetting("uploads: use s3://BUCKET or s3://BUCKET/PREFIX, or leave it empty for the data folder")
    if prefix and not (_PREFIX.fullmatch(prefix) and not {".", ".."} & set(prefix.split("/"))):
        raise BadSetting("uploads: use letters, digits, '-', '_', '.' and '/' for the prefix")
    region = settings.s3_region or variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = settings.s3_endpoint or variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL")
    endpoint = _valid_url("s3_endpoint", endpoint or f"https://s3.{region}.amazonaws.com")
    public = _valid_url("s3_public_endpoint", settings.s3_public_endpoint or endpoint)
    address = BucketAddress(bucket, prefix, endpoint, public, region, _credentials(settings, variables))
    for name in ("redirect_downloads", "uploads_direct"):
        if getattr(settings, name) and address.credentials is None:
            raise BadSetting(f"{name}: set s3_access_key and s3_secret_key, which sign what clients need for it")
    return address


def _credentials(settings: Settings, variables: Mapping[str, str]) -> Credentials | None:
    if bool(settings.s3_access_key) != bool(settings.s3_secret_key):
        raise BadSetting("s3_access_key and s3_secret_key must be set together")
    if settings.s3_access_key:
        return Credentials(settings.s3_access_key, settings.s3_secret_key)
    access_key, secret_key = variables.get("AWS_ACCESS_KEY_ID", ""), variables.get("AWS_SECRET_ACCESS_KEY", "")
    if bool(access_key) != bool(secret_key):
        raise BadSetting("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set together")
    return Credentials(access_key, secret_key, variables.get("AWS_SESSION_TOKEN", "")) if access_key else None


def _valid_url(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and not (parts.query or parts.fragment or parts.username or parts.password)
    except ValueError:
        good = False
    if not good:
        raise BadSetting(f"{name}: use a URL like https://s3.example.com, without the bucket, a user or a password")
    return url.rstrip("/")
