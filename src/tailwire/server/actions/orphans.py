"""Finds orphans: stored files without a record in the database or without a reference, and records without a file."""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.server.ports.pruning import PruningStore
from tailwire.server.ports.uploads import StoredFile, Uploads

SETTLED_SECONDS = 86_400
"""Files younger than this are not examined: they are just being stored, or a message may still refer to them."""
NAMES_PER_STEP = 500
THUMBNAIL_SUFFIX = "-small"


@dataclass(slots=True)
class Orphans:
    """How many orphans of each kind were found.

    Attributes:
        unused: uploads that nothing has ever referred to.
        unrecorded: files that the database has no record of.
        lost: records whose file is missing.
        bytes: the total size of the unused and the unrecorded files.
    """

    unused: int = 0
    unrecorded: int = 0
    lost: int = 0
    bytes: int = 0


async def find_orphans(store: PruningStore, uploads: Uploads, now: int, *, remove: bool) -> Orphans:
    """Count orphaned files and records, and optionally remove them. Unused files are counted, but never removed here.

    Args:
        store: the records.
        uploads: the files.
        now: seconds since 1970.
        remove: remove unrecorded files, and mark records without a file for removal, which `Cleanup` does.

    Raises:
        OSError: the storage of files cannot be read.
        Refused: ERR_UNAVAILABLE: the store, or the storage of files, cannot be written.
    """
    before = now - SETTLED_SECONDS
    unused = await store.count_unused(before)
    found = Orphans(unused=unused.files, bytes=unused.bytes)
    async for batch in uploads.stored_files():
        orphans = await _unrecorded(store, [file for file in batch if file.written_at <= before])
        found.unrecorded += len(orphans)
        found.bytes += sum(file.size for file in orphans)
        if remove and orphans:
            await uploads.remove([file.name for file in orphans])
    last = ""
    while names := await store.files_after(last, before, NAMES_PER_STEP):
        last = names[-1]
        lost = await uploads.missing_names(names)
        found.lost += len(lost)
        if remove and lost:
            await store.condemn(lost)
    return found


async def _unrecorded(store: PruningStore, files: list[StoredFile]) -> list[StoredFile]:
    stems = [file.name.partition(".")[0].removesuffix(THUMBNAIL_SUFFIX) for file in files]
    known = await store.recorded_names(stems)
    return [file for file, is_known in zip(files, known, strict=True) if not is_known]
