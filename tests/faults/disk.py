"""A disk that loses, at a power cut, what was not synced: rebuilt for any moment of a server's run from a record."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness import LiveStage

HEAD = struct.Struct("=cQII")


@dataclass(frozen=True, slots=True)
class Entry:
    """One step of the record (see `disk.c`).

    Attributes:
        number: the offset of a write, or the length to which a file was cut.
        data: what was written or sent, or the new name of a renamed file.
    """

    kind: str
    number: int
    path: str
    data: bytes


class Recorder:
    """Records what a server does to its files and what it sends, from its next start on.

    Attributes:
        before: a copy of the folder at the beginning of the record.
    """

    def __init__(self, live: LiveStage, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None or not sys.platform.startswith("linux"):
            pytest.skip("this needs Linux and a C compiler")
        library, self._record = folder / "disk.so", folder / "record"
        source = Path(__file__).with_suffix(".c")
        subprocess.run(
            [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl", "-lpthread"], check=True
        )
        self._folder = live.server.data
        self.before = folder / "before"
        shutil.copytree(self._folder, self.before)
        live.server._settings |= {
            "LD_PRELOAD": str(library),
            "TAILWIRE_RECORD": str(self._record),
            "TAILWIRE_DISK": str(self._folder),
        }

    def entries(self) -> list[Entry]:
        """Return the recorded steps. Names are relative to the folder."""
        return list(self._read())

    def _read(self) -> Iterator[Entry]:
        record, at, prefix = self._record.read_bytes(), 0, f"{self._folder}/"
        while at + HEAD.size <= len(record):
            kind, number, path_size, size = HEAD.unpack_from(record, at)
            start = at + HEAD.size + path_size
            path = record[at + HEAD.size : start].decode().removeprefix(prefix)
            data = record[start : start + size]
            if kind == b"r":
                data = data.decode().removeprefix(prefix).encode()
            yield Entry(kind.decode(), number, path, data)
            at = start + size


@dataclass
class _File:
    # Of a file: what the disk has, and the changes since its last sync.
    synced: bytearray
    pending: list[Entry] = field(default_factory=list)


def _apply(content: bytearray, change: Entry) -> None:
    if change.kind == "t":
        del content[change.number :]
        content.extend(bytes(max(0, change.number - len(content))))
        return
    content.extend(bytes(max(0, change.number - len(content))))
    content[change.number : change.number + len(change.data)] = change.data


class Disk:
    """The state of a folder's disk while a record is replayed.

    Names are lost and come back like contents: a created, removed or renamed file is certain only once its folder, or
    for a new file the file itself, was synced.

    Args:
        before: the folder at the beginning; all of it is on the disk.
    """

    def __init__(self, before: Path) -> None:
        paths = [path for path in sorted(before.rglob("*")) if path.is_file()]
        self._files = {str(path.relative_to(before)): _File(bytearray(path.read_bytes())) for path in paths}
        self._on_disk = dict(self._files)
        self._removed: list[Entry] = []

    def take(self, entry: Entry) -> None:
        """Carry out one step."""
        files = self._files
        if entry.kind == "c":
            files[entry.path] = _File(bytearray())
        elif entry.kind in "wt":
            if entry.path in files:
                files[entry.path].pending.append(entry)
        elif entry.kind == "u":
            files.pop(entry.path, None)
        elif entry.kind == "r":
            files[entry.data.decode()] = files.pop(entry.path)
        elif entry.kind == "s":
            self._sync(entry.path)

    def _sync(self, path: str) -> None:
        file = self._files.get(path)
        if file is not None:
            for change in file.pending:
                _apply(file.synced, change)
            file.pending.clear()
            self._on_disk.setdefault(path, file)
        else:  # a folder
            self._on_disk = dict(self._files)

    def after_power_cut(self, folder: Path, chance: random.Random | None = None) -> None:
        """Write what a power cut leaves.

        Args:
            chance: lets some of what was not synced reach the disk, in any order; None if nothing of it does.
        """
        shutil.rmtree(folder, ignore_errors=True)
        names = self._on_disk
        if chance is not None and chance.random() < 0.5:
            names = self._files  # the names reached the disk
        for name, file in names.items():
            content = bytearray(file.synced)
            if chance is not None:
                kept = [change for change in file.pending if chance.random() < 0.5]
                chance.shuffle(kept)
                for change in kept:
                    _apply(content, change)
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def moments(entries: Sequence[Entry]) -> Iterator[int]:
    """Yield each moment at which the disk or what was sent has changed, as the number of entries before it."""
    return (n for n in range(1, len(entries) + 1) if entries[n - 1].kind in "wtscura")
