"""`tailwire keys`: lists, creates and replaces API keys."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from tailwire.server import private_files
from tailwire.server.app import key_file, make_keys, write_keys
from tailwire.server.app.opening import AnyStore
from tailwire.server.auth.secrets import fingerprint, key_id
from tailwire.server.config import BadSetting
from tailwire.server.ports.key_records import KeyRow
from tailwire.server.ports.world import World

MAX_KEYS = 1_000_000


def check_keys(args: argparse.Namespace) -> None:
    """Check that the arguments of `tailwire keys` can be combined.

    Raises:
        BadSetting: they cannot.
    """
    if args.grace and not args.replace:
        raise BadSetting("keys: --grace needs --replace: without it, no key ends")
    if args.list and args.replace:
        raise BadSetting("keys: use either --list or --replace")


async def run_keys(args: argparse.Namespace, store: AnyStore, world: World, data: str) -> None:
    """Print the valid API keys, or create an auth key and a REST API key and print them.

    Args:
        args: the arguments of the command. With `replace`, all other keys are revoked, after `grace` seconds if it is
            given, and the new keys are written to the key file.
        data: the data folder with the key file.
    """
    if args.list:
        await _print_keys(store, world)
        return
    keys = await make_keys(store, world)
    print(f"app id       {keys.app_id}\nauth key     {keys.auth_key}\nREST API key {keys.api_key}", flush=True)
    now, new = world.seconds(), [fingerprint(keys.auth_key), fingerprint(keys.api_key)]
    if not args.replace:
        rows = [row for row in await _valid_keys(store, now) if row.key_hash not in new]
        print(f"The {len(rows)} existing keys stay valid; --replace ends them.", file=sys.stderr)
        return
    ended = await store.keys.end_others(new, now + args.grace, now)
    file = key_file(data)
    write_keys(file, keys)
    private_files.give([file], file.parent)
    ends = f"are valid until {_formatted_time(now + args.grace)}" if args.grace else "are revoked"
    print(f"The {ended} previous keys {ends}. The new keys are in {file}.", file=sys.stderr)
    print("Users stay logged in: their auth tokens do not depend on keys.", file=sys.stderr)


async def _valid_keys(store: AnyStore, now: int) -> list[KeyRow]:
    rows, _ = await store.keys.find("", "", limit=MAX_KEYS, offset=0)
    return [row for row in rows if row.expires_at is None or row.expires_at > now]


async def _print_keys(store: AnyStore, world: World) -> None:
    print(f"{'id':12}  {'key':6} {'scope':10}  {'created':20}  {'last used':20}  {'valid until':20}  name")
    for row in await _valid_keys(store, world.seconds()):
        used, end = _formatted_time(row.used_at, "never"), _formatted_time(row.expires_at, "it is revoked")
        created, name = _formatted_time(row.created_at), "".join(one for one in row.name if one.isprintable())
        print(f"{key_id(row.key_hash)}  …{row.hint:5} {row.scope:10}  {created:20}  {used:20}  {end:20}  {name}")


def _formatted_time(seconds: int | None, without: str = "") -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds is not None else without
