"""URLs of PostgreSQL databases."""

from __future__ import annotations

import pytest

from tailwire.server.app.opening import postgres_url
from tailwire.server.config import Settings


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///tw?host=/run/postgresql", "postgresql://u:p@h/tw", "postgresql://u:p@h:5432/tw", "postgresql://h",
        "postgresql://u:p@a:1,b:2/tw?target_session_attrs=read-write", "postgresql://u:p%40x@[::1]:5/tw",
        "postgresql://u:p@h",
    ],
)  # fmt: skip
def test_urls_of_postgresql_are_passed_to_the_driver_unchanged(url: str):
    assert postgres_url(Settings(database=url)) == url
    assert postgres_url(Settings(database=url.replace("postgresql", "postgres", 1))) == url


@pytest.mark.parametrize(
    ("url", "mark"),
    [("postgresql://u:p@a,b:1/tw", "?"), ("postgresql:///tw?host=a,b", "&"), ("postgresql://a,b/tw?ssl=require", "&")],
)
def test_primary_of_several_servers_is_used_unless_the_url_says_otherwise(url: str, mark: str):
    assert postgres_url(Settings(database=url)) == f"{url}{mark}target_session_attrs=primary"
    explicit = f"{url}{mark}target_session_attrs=any"
    assert postgres_url(Settings(database=explicit)) == explicit


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:pa55word", "postgresql://u:pa55word/tw", "postgresql://u:pa55/word@h/tw",
        "postgresql://u:pa55word@h:x/tw", "postgresql://u:pa55word@[::1/tw", "postgresql://u:pa55word@h:65536/tw",
        "postgresql://u:pa55#word@h/tw", "postgresql://u:pa55?word@h/tw", "postgresql://u:pa55word@h:pa55word/tw",
    ],
)  # fmt: skip
def test_errors_about_an_unreadable_url_contain_no_secret(url: str):
    with pytest.raises(OSError, match="write postgresql://USER:PASSWORD@HOST:PORT/NAME") as caught:
        postgres_url(Settings(database=url))
    assert "pa55" not in str(caught.value)
