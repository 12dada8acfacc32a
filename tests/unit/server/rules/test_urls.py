"""URLs that a browser would fetch, and URLs that it would run."""

from __future__ import annotations

import pytest

from tailwire.server.ports.refusal import Refused
from tailwire.server.rules.urls import check_address


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png", "HTTP://example.com", "/files/a.png", "a.png", "//example.com/a", "?a:b"]
)
def test_urls_that_a_browser_fetches_are_valid(url):
    check_address(url, "link", picture=False)
    check_address(url, "avatar", picture=True)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "JavaScript:alert(1)", "vbscript:x", "file:///etc/passwd", "ftp://example.com", "blob:x"],
)
def test_urls_with_another_scheme_are_refused(url):
    for picture in (False, True):
        with pytest.raises(Refused, match="ERR_BAD_REQUEST") as caught:
            check_address(url, "link", picture=picture)
        assert list(caught.value.details) == ["link"]


@pytest.mark.parametrize("url", ["java\tscript:alert(1)", "\x01https://a.b", " https://a.b", "https://a.b ", "a\x7f"])
def test_characters_that_browsers_remove_are_refused(url):
    with pytest.raises(Refused, match="ERR_BAD_REQUEST"):
        check_address(url, "link", picture=False)


def test_data_url_of_a_picture_is_valid_where_a_picture_is_expected():
    check_address("data:image/png;base64,AA", "avatar", picture=True)
    for url, picture in (("data:image/png;base64,AA", False), ("data:text/html,<script>", True)):
        with pytest.raises(Refused, match="ERR_BAD_REQUEST"):
            check_address(url, "avatar", picture=picture)
