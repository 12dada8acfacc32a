"""Finds orphans: stored files without a record in the database or without a reference, and records without a file."""

from __future__ import annotations

from dataclasses import dataclass

from tailwire.server.ports.pruning import PruningStore
from tailwire.server.ports.uploads import StoredFile, Uploads

SETTLED_SECONDS = 86_400
"""Files younger than this are not examined: they are just being stored, or a message may still refer to them."""
NAMES_PER_STEP = 500
THUMBNAIL_SUFFIX = "-small"
PLAUSIBLE_ORPHANS = 10
"""Up to this many lost records, or files without a record, are plausible even if no others were examined."""


@dataclass(slots=True)
class Orphans:
    """How many orphans of each kind were found.

    Attributes:
        unused: uploads that nothing has ever referred to.
        unrecorded: files that the database has no record of.
        lost: records whose file is missing.
        bytes: the total size of the unused and the unrecorded files.
        files: how many files and thumbnails were examined.
        records: how many records were examined.
    """

    unused: int = 0
    unrecorded: int = 0
    lost: int = 0
    bytes: int = 0
    files: int = 0
    records: int = 0

    @property
    def storage_is_doubtful(self) -> bool:
        """Whether this is probably not where the server stores its files, because most of them are missing.

        It is so if more than `PLAUSIBLE_ORPHANS` and more than half of the recorded files are missing, or all of them
        from a storage without any file: a folder that is missing, or a file system that is not mounted.
        """
        return _are_doubtful(self.lost, self.records, self.files)

    @property
    def database_is_doubtful(self) -> bool:
        """Whether these files are probably those of another database, because most of them have no record.

        It is so if more than `PLAUSIBLE_ORPHANS` and more than half of the files have no record, or all of them and the
        database has no record of any file.
        """
        return _are_doubtful(self.unrecorded, self.files, self.records)


def _are_doubtful(orphans: int, examined: int, counterparts: int) -> bool:
    return (orphans > PLAUSIBLE_ORPHANS and 2 * orphans > examined) or (0 < orphans == examined and not counterparts)


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
        settled = [file for file in batch if file.written_at <= before]
        orphans = await _unrecorded(store, settled)
        found.files += len(settled)
        found.unrecorded += len(orphans)
        found.bytes += sum(file.size for file in orphans)
        if remove and orphans:
            await uploads.remove([file.name for file in orphans])
    last = ""
    while names := await store.files_after(last, before, NAMES_PER_STEP):
        last = names[-1]
        lost = await uploads.missing_names(names)
        found.records += len(names)
        found.lost += len(lost)
        if remove and lost:
            await store.condemn(lost)
    return found


async def _unrecorded(store: PruningStore, files: list[StoredFile]) -> list[StoredFile]:
    stems = [file.name.partition(".")[0].removesuffix(THUMBNAIL_SUFFIX) for file in files]
    known = await store.recorded_names(stems)
    return [file for file, is_known in zip(files, known, strict=True) if not is_known]
