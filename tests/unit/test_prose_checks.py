"""The checks of prose and references find what they look for."""

from __future__ import annotations

import griffe
import pytest

import check_docstrings
import check_references
import check_words


def write_file(folder, monkeypatch, text, name="module.py"):
    """Write a file in a tree of its own. Return its path."""
    monkeypatch.setattr(check_words, "ROOT", folder)
    monkeypatch.setattr(check_references, "ROOT", folder)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        '"""Answers whether it is open."""',
        "x = 1  # who is told that it is closed",
        '"""A module."""\ndef f():\n    """Return the user, when she is online."""',
        "def test_what_is_sent_arrives(): pass",
        "class A:\n    b = 1\n    # seconds at the most",
        "def test_user_is_told_when_it_ends(): pass",
        'def f():\n    """Note that it has ended."""',
        'def f():\n    """Within an operation: store it."""',
        '"""Responses that something in between has sent."""',
        "x = 1  # which users came or went",
        '"""Servers that look at messages."""',
        "def f(told): pass",
        "for said in (): pass",
        "def given(): pass",
        "def _is_open() -> None: pass",
        "def test_user_is_not_told_when_it_ends(): pass",
    ],
)
def test_unwanted_words_are_found_in_docstrings_comments_and_names(tmp_path, monkeypatch, text):
    (problem,) = check_words.problems(write_file(tmp_path, monkeypatch, text))
    assert problem.startswith("module.py:")


@pytest.mark.parametrize(
    "text",
    [
        'x = "she is told at the most"',
        '"""Return True if there is no limit; it is no longer open."""',
        "she = none = 1",
        "from hypothesis import given",
        "def is_open() -> bool: return True",
        "def is_open(self): return True",
        "class A:\n    def f(self):\n        return self.told",
        "def test_two_modules_are_not_told_apart(): pass",
        'def f():\n    """Record that it has ended.\n\n    Note that it may begin again.\n    """',
    ],
)
def test_code_strings_and_ordinary_words_are_not_reported(tmp_path, monkeypatch, text):
    assert check_words.problems(write_file(tmp_path, monkeypatch, text)) == []


def test_page_is_read_line_by_line(tmp_path, monkeypatch):
    page = write_file(tmp_path, monkeypatch, "# Page\n\nWaits in vain.\n", "page.md")
    assert check_words.problems(page) == ["page.md:3: 'in vain': without success"]


def test_missing_pages_and_unknown_ids_are_found(tmp_path, monkeypatch):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "sdk.md").write_text("", encoding="utf-8")
    text = '"""See docs/sdk.md, sdk.md and gone.md (C1, C99)."""'
    assert check_references.problems(write_file(tmp_path, monkeypatch, text), {"C1"}) == [
        "module.py:1: the specification has no C99",
        "module.py:1: there is no page gone.md",
        "module.py:1: there is no page sdk.md; write docs/sdk.md",
    ]


def test_exceptions_that_do_not_exist_are_found_in_docstrings(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "errors.py").write_text("class Lost(Exception): pass\n", encoding="utf-8")
    text = '''
from somewhere import Imported

def f():
    """Do something.

    Raises:
        ValueError, Lost, Imported: known.
        tailwire.errors.Lost, ssl.SSLError: known, or of another project.
        Gone: there is no such class,
            Also: not a name.
        tailwire.errors.Ended: nor this one.
    """
'''
    assert check_references.problems(write_file(tmp_path, monkeypatch, text), set()) == [
        "module.py:5: there is no exception Gone",
        "module.py:5: there is no exception tailwire.errors.Ended",
    ]


def test_arguments_and_attributes_that_do_not_exist_are_found_in_docstrings(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    text = '''
class Base:
    def __init__(self, size): self.free = size

class Shelf(Base):
    """A shelf.

    Args:
        size, depth: centimetres.

    Attributes:
        free, put: known.
        length: not any more.
    """

    def put(self, *things, **marks):
        """Put things on the shelf.

        Args:
            *things, **marks: known.
            place: not any more.
        """

class Loose:
    """A class that gets its attributes later.

    Attributes:
        other: known.
    """

    def add(self, name):
        setattr(self, name, 1)
'''
    assert check_references.problems(write_file(tmp_path, monkeypatch, text, "src/module.py"), set()) == [
        "src/module.py:6: Shelf has no depth",
        "src/module.py:6: Shelf has no length",
        "src/module.py:17: put has no place",
    ]


def test_missing_folder_is_an_error():
    with pytest.raises(SystemExit):
        list(check_words.files(["src/tailwire/nowhere"]))


SHOP = '''
def sell(item: str, price: int) -> None:
    """Sell an item.

    Args:
        item: its name.
    """
    _check(price)


def _check(price: int) -> None:
    if price < 0:
        raise ValueError("give a price of 0 or more")


def refund(item: str) -> None:
    """Take an item back.

    Args:
        item: its name.

    Raises:
        CometChatException: `ERR_NOT_SOLD`.
    """
    raise failure("ERR_TOO_LATE")


def count(shelf: str) -> int:
    """Count the items.

    Args:
        shelf: its name.

    Raises:
        CometChatException: the keeper
            refused it.
    """


def close(item: str) -> None:
    """Close the shop. Arguments as for `refund`.

    Raises:
        OSError: the door is stuck.
    """
    try:
        raise ValueError("locked")
    except ValueError:
        raise OSError("stuck")
'''


@pytest.mark.slow
def test_undocumented_arguments_and_errors_are_found(tmp_path):
    (tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    shop = griffe.load("shop", search_paths=[str(tmp_path)])
    found = {name: list(check_docstrings.problems(shop[name], None)) for name in ("sell", "refund", "count", "close")}
    assert found == {
        "sell": ["shop.sell: `price` is not in Args", "shop.sell: raises ValueError, which is not in Raises"],
        "refund": ["shop.refund: raises ERR_TOO_LATE, which is not in Raises"],
        "count": ["shop.count: `CometChatException: the keeper` names no code"],
        "close": [],
    }


def test_error_codes_that_nothing_raises_are_found_in_docstrings(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    text = (
        'def f():\n    """Raises ERR_UNKNOWN, ERR_KNOWN or AUTH_ERR_KNOWN."""\n'
        '    raise Refused("ERR_KNOWN", code=AUTH_ERR_KNOWN)\n'
    )
    path = write_file(tmp_path, monkeypatch, text, "src/module.py")
    assert check_references.problems(path, set()) == ["src/module.py:2: there is no error code ERR_UNKNOWN"]


def test_members_that_do_not_exist_are_found_in_docstrings_and_comments(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    text = '''
"""See `Shelf.put()`, `Row._replace`, `books.Shelf.free`, `Elsewhere.what`, `shelf.gone` and `Shelf.take()`."""

class Shelf:
    def put(self): self.free = 1  # unlike `Shelf.remove`

class Loose:
    """A class that gets its attributes later, such as `Loose.other`."""

    def add(self, name):
        setattr(self, name, 1)

class Row:
    pass
'''
    assert check_references.problems(write_file(tmp_path, monkeypatch, text, "src/module.py"), set()) == [
        "src/module.py:2: Shelf has no take",
        "src/module.py:5: Shelf has no remove",
    ]


def test_exceptions_without_a_reason_are_found(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    text = '''
def f():
    """Do something.

    Raises:
        KeyError, ValueError.
        OSError: it failed, with a long reason of
            BlockingIOError
    """
'''
    assert check_references.problems(write_file(tmp_path, monkeypatch, text, "src/module.py"), set()) == [
        "src/module.py:3: say when KeyError, ValueError is raised"
    ]
