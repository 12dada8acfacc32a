"""Files of backups: folders are copied whole, and files renamed with a way back."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tailwire.server.telemetry.logs import log


class BackupRefused(OSError):
    """A backup or restore was refused before it changed anything. The message says why, and what to do."""


@contextmanager
def removed_on_failure(*paths: Path) -> Iterator[None]:
    """Remove files, and folders with their content, if the body fails. Those that are missing are ignored.

    What cannot be removed stays: the error of the body is raised, not that of the clean-up.
    """
    try:
        yield
    except BaseException:
        for path in paths:
            with suppress(OSError):
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink(missing_ok=True)
        raise


def without_link(uploads: Path) -> Path:
    """Return the folder that a path leads to, if it is a symbolic link, so that a restore keeps the link."""
    return uploads.resolve() if uploads.is_symlink() else uploads


@contextmanager
def renamed(moves: Iterable[tuple[Path, Path]]) -> Iterator[None]:
    """Rename files and folders, each within its file system; and back, if one cannot be renamed or the body fails.

    One that cannot be renamed back is logged, and the others are.

    Args:
        moves: pairs of the present and the new path, in the order in which they are renamed.

    Raises:
        BackupRefused: if a path cannot be renamed because it is a mount point.
        OSError: if a path cannot be renamed for another reason.
    """
    done: list[tuple[Path, Path]] = []
    try:
        for present, new in moves:
            _rename(present, new)
            done.append((present, new))
        yield
    except BaseException:
        for present, new in reversed(done):
            try:
                new.rename(present)
            except OSError as e:
                log.error("%s is still at %s: it cannot be renamed back: %s", present, new, e)
        raise


def _rename(present: Path, new: Path) -> None:
    try:
        present.rename(new)
    except OSError as e:
        if e.errno not in (errno.EBUSY, errno.EXDEV):
            raise
        raise BackupRefused(
            f"{present} cannot be renamed to {new} ({e.strerror}): a mount point cannot be moved. Unmount it, restore, "
            "and copy the restored files onto it. Nothing was changed"
        ) from e


def make_aside(folder: Path) -> Path:
    """Create a folder `before-restore-…` in `folder`, for the files that a restore replaces, and return its path."""
    name = time.strftime("before-restore-%Y%m%d-%H%M%S")
    aside, number = folder / name, 1
    while True:
        try:
            aside.mkdir(mode=0o700)
        except FileExistsError:  # that of another restore in the same second
            number += 1
            aside = folder / f"{name}-{number}"
        else:
            return aside


def remove_if_empty(aside: Path) -> None:
    """Remove a folder of `make_aside`, unless something is in it."""
    with suppress(OSError):
        aside.rmdir()


def partial_of(path: Path) -> Path:
    """Return the path at which the contents of a file or folder are made, before they are renamed to it."""
    return path.with_name(path.name + ".partial")


def copy_anew(source: Path, partial: Path) -> None:
    """Copy uploaded files into a new folder. If a killed restore has left such a folder, it is removed first.

    Raises:
        OSError: if a file cannot be read or written.
    """
    if partial.exists():
        shutil.rmtree(partial)
    copy_files(source, partial)


def copy_files(source: Path, target: Path) -> int:
    """Copy the uploaded files of a folder into a new one and flush them to disk. Return how many were copied.

    Args:
        source: the folder; if it is missing, the new one stays empty. Files whose names begin with a dot are skipped.
        target: the folder to create.

    Raises:
        OSError: if a file cannot be read or written, or `target` exists.
    """
    target.mkdir(mode=0o700)
    count = 0
    for file in sorted(source.iterdir()) if source.is_dir() else ():
        if file.is_file() and not file.name.startswith("."):  # others are incomplete, locks, or the folder's mark
            try:
                shutil.copy2(file, target / file.name)
            except FileNotFoundError:
                if file.exists():
                    raise  # the target is gone
                continue  # deleted meanwhile
            sync(target / file.name)
            count += 1
    return count


def sync(file: Path) -> None:
    """Flush a file that was written to disk (`fsync`)."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
