"""Names of uploaded files in texts that clients send."""

from __future__ import annotations

from tailwire.server.ports.file_names import named_files

ONE, TWO = "0123456789abcdef0123456789abcdef01234567.png", "f" * 40


def test_file_names_are_found_in_escaped_relative_and_thumbnail_urls():
    json = b'{"a":{"see":"http:\\/\\/x\\/files\\/%b"},"url":"/files/%b?thumbnail=1"}' % (ONE.encode(), TWO.encode())
    assert named_files(json) == (ONE, TWO)
    assert named_files(f"https://x/chat/files/{ONE}", None, f"/files/{ONE}") == (ONE,)


def test_texts_that_only_resemble_file_urls_contain_no_file_name():
    for text in (
        "",
        None,
        "/files/",
        "/files/abc",
        f"/files/{TWO}f",
        f"/file/{ONE}",
        f"/files/{ONE}.exe",
        f"files {ONE}",
    ):
        assert named_files(text) == ()
