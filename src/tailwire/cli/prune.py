"""`tailwire prune`: removes old messages and files, and uploaded files that nothing refers to."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from pathlib import Path

from tailwire.cli.command_refused import CommandRefused
from tailwire.server.actions.orphans import SETTLED_SECONDS, Orphans, find_orphans
from tailwire.server.actions.retention import prune
from tailwire.server.app.assembly import Actions
from tailwire.server.app.opening import AnyStore
from tailwire.server.app.uploads import FOLDER
from tailwire.server.config import BadSetting, Settings
from tailwire.server.ports.world import World
from tailwire.server.setting_sources import sources

READ_DEADLINE_SECONDS = 3600.0
NEVER_SECONDS = float(1 << 40)
ERASE_PATIENCE_SECONDS = 30.0
"""How long to wait for another process, such as a backup, that still reads the data to be erased."""


def prune_settings(args: argparse.Namespace, settings: Settings) -> Settings:
    """Check the arguments of `tailwire prune`, and return the settings with changes for this command.

    A read of the database may take an hour. With `--orphans`, a file that nothing has ever referred to is removed after
    a day. Files without a reference are otherwise removed as the server's settings say. If this command does not know
    these settings, because it has neither `--config` nor their variables, it leaves these files to the server.

    Raises:
        BadSetting: the arguments do not say what to remove, or cannot be combined.
    """
    if args.older_than is None and not args.orphans:
        raise BadSetting("prune: say what to remove: --older-than 90d, or --orphans")
    if args.older_than is None and args.files:
        raise BadSetting("prune: --files needs --older-than")
    if args.force and not args.orphans:
        raise BadSetting("prune: --force needs --orphans")
    if args.older_than == 0:
        raise BadSetting("prune: --older-than must be more than 0")
    if not _is_known("unused_files_after", args):
        settings = dataclasses.replace(settings, unused_files_after=0.0)
    if not _is_known("deleted_files_after", args):
        settings = dataclasses.replace(settings, deleted_files_after=NEVER_SECONDS)
    if args.orphans:
        settings = dataclasses.replace(settings, unused_files_after=float(SETTLED_SECONDS))
    return dataclasses.replace(settings, read_deadline=READ_DEADLINE_SECONDS)


def _is_known(name: str, args: argparse.Namespace) -> bool:
    # Whether the value of a setting is the server's, as far as this command can tell.
    return bool(args.config) or name in sources({})


async def run_prune(
    args: argparse.Namespace, settings: Settings, store: AnyStore, actions: Actions, world: World
) -> None:
    """Remove old messages and files, or orphaned files, as the arguments say; with `dry_run` only print how many.

    Raises:
        CommandRefused: the orphans are probably none, because this is not the server's database or not its storage of
            files. Nothing was removed. With `force` that is not checked.
    """
    now = world.seconds()
    if args.orphans and not args.force and not args.dry_run:
        _check(await find_orphans(store.pruning, actions.uploads, now, remove=False), settings)
    if args.older_than is not None:
        await _prune_old(args, store, now - args.older_than)
    if args.orphans:
        found = await find_orphans(store.pruning, actions.uploads, now, remove=not args.dry_run)
        print(
            f"{'found' if args.dry_run else 'removed'} {found.unused} uploads that nothing refers to,"
            f" {found.unrecorded} files without a record ({_size(found.bytes)} in total),"
            f" {found.lost} records without a file"
        )
        if args.dry_run and not args.force:
            _check(found, settings)
    if not args.dry_run:
        await actions.cleanup.remove_due(patience=ERASE_PATIENCE_SECONDS)


def _check(found: Orphans, settings: Settings) -> None:
    folder = Path(settings.data).absolute() / FOLDER
    place = settings.uploads or f"{folder}{'' if folder.exists() else ', which does not exist'}"
    how = "name its settings with --config FILE, or its folder with --data"
    if found.storage_is_doubtful:
        raise CommandRefused(
            f"nothing is removed: {found.lost} of {found.records} files of the database are not in {place}. Look"
            f" whether the server stores them elsewhere ({how}), or a disk is not mounted. If they are really lost, add"
            " --force: their records are removed"
        )
    if found.database_is_doubtful:
        raise CommandRefused(
            f"nothing is removed: the database has no record of {found.unrecorded} of {found.files} files in {place}."
            f" Look whether it is the database of another server ({how}). If the files really belong to nothing, add"
            " --force: they are removed"
        )


async def _prune_old(args: argparse.Namespace, store: AnyStore, before: int) -> None:
    if args.dry_run:
        found = await store.pruning.count(before, before if args.files else -1)
        files = f" and {found.files} files ({_size(found.bytes)})" if args.files else ""
        print(f"would remove up to {found.messages} messages{files}")
        return
    clock = asyncio.get_running_loop().time
    messages, files_removed = await prune(store.pruning, clock, messages=before, files=before if args.files else None)
    print(f"removed {messages} messages{f' and {files_removed} files' if args.files else ''}", flush=True)
    if messages and not args.files and not _is_known("deleted_files_after", args):
        print(
            "Their files are left to the server; --config FILE, with its settings, removes them now.", file=sys.stderr
        )


def _size(count: int) -> str:
    size, unit = float(count), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
