"""Names of uploaded files: no folders, no unsafe characters, and an extension only if it is plain."""

from __future__ import annotations

import pytest

from tailwire.server.actions.uploads import clean_name, extension_of


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.txt", "txt"),
        ("a.b.JPG", "jpg"),
        ("a", ""),
        ("txt", ""),
        ("a.", ""),
        ("a.t-t", ""),
        ("a.äöü", ""),
        ("a.0123456789", "0123456789"),
        ("a.0123456789a", ""),
    ],
)
def test_extension_of_other_than_one_to_ten_ascii_letters_and_digits_is_dropped(name: str, extension: str):
    assert extension_of(name) == extension


@pytest.mark.parametrize(
    ("name", "clean"),
    [("../a.txt", "a.txt"), ("C:\\x\\a.txt", "a.txt"), (" .a.txt. ", "a.txt"), ("..", ""), ("a/", "")],
)
def test_cleaned_file_name_has_no_folders_and_no_dots_or_spaces_around_it(name: str, clean: str):
    assert clean_name(name) == clean
