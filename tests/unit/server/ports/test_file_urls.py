"""URLs of files are stored without an address and get one when read."""

from __future__ import annotations

import pytest

from tailwire.server.ports.file_urls import is_stored_url, stored_url, with_address

NAME = "0123456789abcdef0123456789abcdef01234567.png"


def never() -> str:
    raise AssertionError("nobody asked for it")


@pytest.mark.parametrize("json", [b"{}", b'{"text":"see tailwire:/files/x"}', b'{"url":"https://example.com/files/x"}'])
def test_json_without_stored_urls_is_unchanged(json):
    assert with_address(json, never) is json


def test_each_stored_url_gets_the_address():
    url = stored_url(NAME).encode()
    json = b'{"url":"%b","thumbnail":"%b?thumbnail=1"}' % (url, url)
    read = with_address(json, lambda: "https://chat.example.com:8443")
    begin = b"https://chat.example.com:8443/files/" + NAME.encode()
    assert read == b'{"url":"%b","thumbnail":"%b?thumbnail=1"}' % (begin, begin)


def test_only_the_scheme_with_a_valid_file_name_is_a_stored_url():
    assert is_stored_url(stored_url(NAME))
    assert is_stored_url(stored_url(f"{NAME}?thumbnail=1"))
    for url in (
        "tailwire:alert(1)",
        stored_url("x"),
        stored_url(NAME) + "/..",
        "javascript:1",
        stored_url(NAME) + "\n",
    ):
        assert not is_stored_url(url)
