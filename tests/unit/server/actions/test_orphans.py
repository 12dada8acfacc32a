"""Orphans: files that the database does not know, and records whose file is missing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tailwire.server.actions.orphans import Orphans, find_orphans

pytestmark = pytest.mark.virtual
DAY, NOW = 86_400, 1_000_000


class Files:
    """A database that knows the files `a` and `b`, and a folder with `a`, `x` (a small picture too) and `young`."""

    def __init__(self) -> None:
        self.condemned: list[str] = []
        self.removed: list[str] = []
        self.before: list[int] = []

    async def count_unused(self, before: int) -> Any:
        self.before.append(before)
        return SimpleNamespace(files=2, bytes=50)

    async def recorded_names(self, stems: list[str]) -> list[bool]:
        return [stem in ("a", "b") for stem in stems]

    async def files_after(self, last: str, before: int, limit: int) -> list[str]:
        self.before.append(before)
        return [name for name in ("a", "b") if name > last][:1]

    async def condemn(self, names: list[str]) -> None:
        self.condemned += names

    async def stored_files(self) -> AsyncIterator[list[Any]]:
        yield [SimpleNamespace(name="a.txt", size=1, written_at=NOW - DAY)]
        yield [
            SimpleNamespace(name="x.jpg", size=10, written_at=NOW - DAY),
            SimpleNamespace(name="x-small.jpg", size=5, written_at=NOW - DAY - 1),
            SimpleNamespace(name="a-small.jpg", size=3, written_at=0),
            SimpleNamespace(name="young", size=7, written_at=NOW - DAY + 1),
        ]

    async def missing_names(self, names: list[str]) -> list[str]:
        return [name for name in names if name == "b"]

    async def remove(self, names: list[str]) -> None:
        self.removed += names


async def test_orphans_are_counted_and_nothing_is_changed():
    files = Files()
    found = await find_orphans(cast(Any, files), cast(Any, files), NOW, remove=False)
    assert found == Orphans(unused=2, unrecorded=2, lost=1, bytes=50 + 15, files=4, records=2)
    assert (files.removed, files.condemned) == ([], [])
    assert set(files.before) == {NOW - DAY}


async def test_unknown_files_are_removed_and_records_without_a_file_are_marked():
    files = Files()
    await find_orphans(cast(Any, files), cast(Any, files), NOW, remove=True)
    assert (files.removed, files.condemned) == (["x.jpg", "x-small.jpg"], ["b"])


# How many orphans were found, how many of their kind were examined, how many of the other kind there are: whether the
# orphans are probably none.
doubts = pytest.mark.parametrize(
    ("orphans", "examined", "others", "doubtful"),
    [
        (0, 0, 0, False),
        (1, 1, 0, True),  # all, and there is nothing of the other kind
        (1, 1, 1, False),
        (1, 2, 0, False),
        (10, 10, 1, False),
        (11, 21, 10, True),
        (11, 22, 11, False),
    ],
)


@doubts
def test_storage_that_lacks_most_of_the_recorded_files_is_doubtful(orphans, examined, others, doubtful):
    found = Orphans(lost=orphans, records=examined, files=others)
    assert (found.storage_is_doubtful, found.database_is_doubtful) == (doubtful, False)


@doubts
def test_database_without_records_of_most_of_the_files_is_doubtful(orphans, examined, others, doubtful):
    found = Orphans(unrecorded=orphans, files=examined, records=others)
    assert (found.storage_is_doubtful, found.database_is_doubtful) == (False, doubtful)
