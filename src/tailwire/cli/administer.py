"""`tailwire keys`, `user create`, `token create`: on the database, beside a running server or without one."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from tailwire.server.actions.directory import Directory
from tailwire.server.actions.sessions import MOST_TOKENS
from tailwire.server.actions.users import NewUser, Users
from tailwire.server.app import database_path, make_keys
from tailwire.server.auth.secrets import fingerprint, new_token
from tailwire.server.config import BadSetting, load
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.migrate import NewerDatabase
from tailwire.server.store.sqlite import SqliteStore


def administer(given: argparse.Namespace) -> int:
    """Do what was asked; print what was made, once.

    Returns:
        0; 1 when it was refused; 2 for a wrong setting.
    """
    try:
        settings = load({"data": given.data})
        return asyncio.run(_do(given, database_path(settings)))
    except BadSetting as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    except (NewerDatabase, OSError) as e:
        print(f"tailwire: {e}", file=sys.stderr)
    except Refused as e:
        print(f"tailwire: {e.code}: {e.entry.message} {e.details}", file=sys.stderr)
    return 1


async def _do(given: argparse.Namespace, path: Path) -> int:
    world = World()
    store = await SqliteStore.open(path, world)
    directory = Directory(store, lambda _: False)
    try:
        if given.command == "keys":
            keys = await make_keys(store, world)
            print(f"app id       {keys.app_id}\nauth key     {keys.auth_key}\nREST API key {keys.api_key}")
        elif given.command == "user":
            made = await Users(store, directory, world).create(NewUser(uid=given.uid, name=given.name))
            print(f"made user {made['uid']}")
        else:
            row = await directory.user(given.uid.lower())
            token = new_token(row.uid, world)
            await store.add_token(fingerprint(token), row.uid, world.seconds(), MOST_TOKENS)
            print(token)
    finally:
        await store.close()
    return 0
