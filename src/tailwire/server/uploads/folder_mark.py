"""Marks the folder of uploads with a random text, by which several servers see whether they share one folder.

A copy of the folder contains the mark too, so it is not recognised as another folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from tailwire.server import private_files

FILE = ".folder"


def folder_mark(folder: Path, new_mark: str) -> str:
    """Return the mark of a folder, after creating the folder and the mark if necessary. Blocks.

    Args:
        folder: the folder.
        new_mark: the mark that it gets if it has none.

    Returns:
        The mark; "" if another server is just writing it, or was killed while it did.

    Raises:
        OSError: the mark cannot be read or written.
    """
    private_files.make_folder(folder)
    path = folder / FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private_files.FILE)
    except FileExistsError:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(new_mark)
        file.flush()
        os.fsync(file.fileno())
    private_files.sync_folder(folder)
    return new_mark
