"""`tailwire keys`, `user`, `token` and `prune`. They work on the database directly, so no server needs to run."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import os
import sys

from tailwire.cli.command_refused import CommandRefused
from tailwire.cli.keys import check_keys, run_keys
from tailwire.cli.prune import prune_settings, run_prune
from tailwire.server import private_files
from tailwire.server.actions.audit import begin_command
from tailwire.server.actions.export import Export
from tailwire.server.actions.users import NewUser
from tailwire.server.app.assembly import Actions, build, fixed_base
from tailwire.server.app.opening import AnyStore, database_path, on_postgres, open_store
from tailwire.server.app.pushing import PushAssembly
from tailwire.server.app.sealing_key import KEY_BYTES
from tailwire.server.auth.sealing import Sealer
from tailwire.server.broker.memory import MemoryBroker
from tailwire.server.config import BadSetting, Settings, load
from tailwire.server.fanout.hub import Hub
from tailwire.server.fanout.overload import Overload
from tailwire.server.fanout.presence import SingleProcessPresence
from tailwire.server.ports.file_urls import with_address
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.migrate import NewerDatabase
from tailwire.server.telemetry.metrics import Metrics

NO_LIMIT = 1 << 40


def administer(args: argparse.Namespace) -> int:
    """Run the command `keys`, `user`, `token` or `prune`, and print its results.

    New keys and tokens are printed only here: they cannot be read later.

    Returns:
        The exit code: 0; 1 if the command was refused or failed; 2 for an invalid setting.
    """
    os.umask(private_files.OTHERS_MODE_BITS)
    try:
        settings = load({"data": args.data}, file=args.config)
        if args.command == "keys":
            check_keys(args)
        if args.command == "prune":
            settings = prune_settings(args, settings)
        if not on_postgres(settings) and not database_path(settings).exists():
            where = f"there is no database at {database_path(settings)}"
            print(f"tailwire: {where}: name the server's folder with --data", file=sys.stderr)
            return 1
        return asyncio.run(_administer(args, settings))
    except BadSetting as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    except (CommandRefused, NewerDatabase, OSError) as e:
        print(f"tailwire: {e}", file=sys.stderr)
    except Refused as e:
        print(f"tailwire: {e.code}: {e.entry.message} {e.details}", file=sys.stderr)
    return 1


async def _administer(args: argparse.Namespace, settings: Settings) -> int:
    world, metrics = World(), Metrics()
    store = await open_store(settings, world)
    # Removing old entries is left to the server: this process may not know its settings.
    store.audit.set_limits(seconds=NO_LIMIT if settings.audit_kept_for else 0, entries=NO_LIMIT)
    hub = Hub(MemoryBroker(), metrics, asyncio.get_running_loop().call_soon, slow_close=0)
    overload = Overload(metrics, asyncio.get_running_loop().time, world.chance, lag=0, most_sends=0)
    try:
        # No command decrypts secrets or signs, so dummy keys are used. The real ones are not read, and not created with
        # the wrong owner if another user runs the command, or in a folder that is not the server's.
        sealer, secret = Sealer(bytes(KEY_BYTES)), world.secret(KEY_BYTES)
        presence, pushing = SingleProcessPresence(hub), PushAssembly(settings, store, world, metrics)
        # Without a limit, a new token revokes no others: a running server on SQLite would not learn of it.
        limits = dataclasses.replace(settings, max_tokens=NO_LIMIT)
        actions = await build(
            limits, store, hub, world, metrics, overload, sealer, lambda: None, presence, pushing, secret
        )  # fmt: skip
    except BaseException:
        await store.close()
        raise
    # Begin the audit entry only now: the background work of the store has started, and is not part of the command.
    entry = begin_command(f"tailwire {args.command} {getattr(args, 'verb', '')}".rstrip(), getattr(args, "uid", ""))
    try:
        if args.command == "keys":
            await run_keys(args, store, world, settings.data)
        elif args.command == "user" and args.verb == "export":
            async for line in await Export(store).begin(args.uid):
                print(with_address(line, lambda: fixed_base(settings)).decode(), end="")
        elif args.command == "user":
            created = await actions.users.create(NewUser(uid=args.uid, name=args.name))
            print(f"created user {created.row.uid}")
        elif args.command == "prune":
            await run_prune(args, settings, store, actions, world)
        else:
            print(await _create_token(args.uid.lower(), store, actions, settings.max_tokens))
        only_reads = getattr(args, "dry_run", False) or getattr(args, "list", False)
        if not entry.taken and not only_reads:
            await store.audit.add(entry)
    finally:
        await actions.cleanup.close()
        await actions.passwords.close()
        await actions.uploads.close()
        await store.close()
    return 0


async def _create_token(uid: str, store: AnyStore, actions: Actions, max_tokens: int) -> str:
    _, count = await store.tokens.of_user(uid, limit=1, offset=0)
    if count >= max_tokens:
        raise CommandRefused(
            f"{uid} has {count} auth tokens, and max_tokens permits {max_tokens}: revoke some (DELETE"
            f" /users/{uid}/auth_tokens/TOKEN), or name the server's settings with --config FILE if they permit more"
        )
    return (await actions.sessions.create_token(uid)).token
