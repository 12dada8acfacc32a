"""The bucket that the settings and the environment name."""

from __future__ import annotations

import pytest

from tailwire.server.app.observing import changed_settings
from tailwire.server.config import BadSetting, Settings, redacted
from tailwire.server.uploads.s3_settings import bucket_address

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "of-the-environment",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-environment",
    "AWS_SESSION_TOKEN": "session",
    "AWS_REGION": "eu-central-1",
    "AWS_ENDPOINT_URL": "https://s3.example.com/",
}


def test_settings_precede_the_environment():
    found = bucket_address(Settings(uploads="s3://bucket/a/b/"), ENVIRONMENT)
    assert (found.bucket, found.prefix, found.region) == ("bucket", "a/b", "eu-central-1")
    assert found.endpoint == found.public_endpoint == "https://s3.example.com"
    assert found.credentials is not None
    assert found.credentials.session_token == "session"
    assert found.key("x") == "a/b/x"
    settings = Settings(
        uploads="s3://bucket", s3_region="r", s3_access_key="k", s3_secret_key="s", s3_endpoint="http://x:1"
    )
    found = bucket_address(settings, ENVIRONMENT)
    assert (found.region, found.endpoint, found.key("x")) == ("r", "http://x:1", "x")
    assert found.credentials is not None
    assert (found.credentials.access_key, found.credentials.session_token) == ("k", "")
    assert bucket_address(Settings(uploads="s3://bucket"), {}).endpoint == "https://s3.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"uploads": "s3://"}, "uploads"),
        ({"uploads": "s3://Not A Bucket"}, "uploads"),
        ({"uploads": "s3://bucket/../other"}, "uploads"),
        ({"uploads": "s3://bucket/a//b"}, "uploads"),
        ({"s3_access_key": "k"}, "s3_secret_key"),
        ({"s3_endpoint": "s3.example.com"}, "s3_endpoint"),
        ({"s3_endpoint": "https://user:hidden-password@s3.example.com"}, "s3_endpoint"),
        ({"s3_public_endpoint": "ftp://s3.example.com"}, "s3_public_endpoint"),
        ({"redirect_downloads": True}, "redirect_downloads"),
    ],
)
def test_wrong_settings_are_named_and_secrets_are_not_shown(settings, named):
    with pytest.raises(BadSetting, match=named) as e:
        bucket_address(Settings(**{"uploads": "s3://bucket", **settings}), {})
    assert "hidden" not in str(e.value)


def test_repr_and_shown_settings_contain_no_secret():
    settings = Settings(
        uploads="s3://bucket", s3_access_key="hidden-key", s3_secret_key="hidden-secret",
        database="postgresql://tailwire:hidden-password@db.example.com/tailwire",
    )  # fmt: skip
    assert "hidden" not in repr(bucket_address(settings, {}))
    assert (redacted(settings, "s3_access_key"), redacted(settings, "s3_secret_key")) == ("***", "***")
    assert redacted(settings, "database") == "postgresql://tailwire@db.example.com/tailwire"
    assert redacted(settings, "uploads") == "s3://bucket"


def test_audit_log_has_changed_settings_without_secrets():
    settings = Settings(database="postgresql://tailwire:hidden@db.example.com/t", s3_secret_key="hidden", max_name=50)
    text = changed_settings(settings)
    assert "hidden" not in text
    assert "max_name=50" in text
    assert "database=postgresql://tailwire@db.example.com/t" in text
