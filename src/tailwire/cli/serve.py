"""`tailwire serve`: runs the server."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import shlex
import sys
from contextlib import suppress
from typing import Any, get_type_hints

from tailwire.server.app import CannotStart, Running, key_file
from tailwire.server.app import serve as serve_until_stopped
from tailwire.server.app.pages import is_shown
from tailwire.server.config import BadSetting, Settings, load, unknown_variables
from tailwire.server.setting_sources import meanings, sources
from tailwire.server.store.migrate import NewerDatabase
from tailwire.server.telemetry.logs import configure, log
from tailwire.server.web.sessions import START_LINK_SECONDS

METAVARS = {"data": "DIR", "tls_cert": "FILE", "tls_key": "FILE", "ready_file": "FILE"}
"""Placeholders for the values of some settings in the help text. Other settings have one made from their type."""
PAGES = ("console", "chat")
"""Settings that turn a page on or off. They also have an argument `--no-…`."""


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add an argument to a parser for each setting of the server. Its value is None if it is not given."""
    meant = meanings()
    kinds = get_type_hints(Settings)
    group = parser.add_argument_group("settings", "As arguments, as TAILWIRE_<NAME>, or in the file of --config.")
    for field in dataclasses.fields(Settings):
        kind = kinds[field.name]
        if field.name in PAGES:  # also as a switch
            off = f"{field.name}=off"
            group.add_argument(f"--no-{field.name}", dest=field.name, action="store_const", const="off", help=off)
        help_text = meant.get(field.name, "").replace("%", "%%")
        default = "" if field.default in ("", False) else f" ({field.default})"
        more: dict[str, Any] = {"action": argparse.BooleanOptionalAction}
        if kind is not bool:
            more = {"type": kind, "metavar": METAVARS.get(field.name, {int: "N", float: "NUMBER"}.get(kind, "TEXT"))}
        flag = "--" + field.name.replace("_", "-")
        group.add_argument(flag, dest=field.name, default=None, help=help_text + default, **more)


def loop_factory() -> asyncio.AbstractEventLoop:
    """Return a uvloop event loop if uvloop is installed, else one of asyncio."""
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def serve(args: argparse.Namespace) -> int:
    """Run the server until a signal stops it.

    Returns:
        The exit code: 0; 1 if it could not start; 2 for an invalid setting.
    """
    arguments = {k: v for k, v in vars(args).items() if k not in ("command", "config")}
    try:
        settings = load(arguments, file=args.config)
    except BadSetting as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    handler = configure(settings.log_level, settings.log_format)
    for name, meant in unknown_variables().items():
        log.warning("there is no setting %s%s: it is ignored", name, f" (did you mean {meant}?)" if meant else "")
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(
                serve_until_stopped(
                    settings,
                    lambda server: _show_keys(server, settings),
                    lambda: load(arguments, file=args.config),
                    sources(arguments, args.config),
                )
            )
    except (CannotStart, NewerDatabase, OSError) as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    finally:
        handler.close()
    return 0


def _show_keys(server: Running, settings: Settings) -> None:
    with suppress(OSError):  # the terminal was closed: the server stops as soon as it handles signals
        _print_keys(server, settings)


def _print_link(server: Running, settings: Settings) -> None:
    api_key, sessions = server.parts.keys.api_key, server.parts.console
    path = sessions.create_link(api_key, START_LINK_SECONDS) if api_key else "/console/"
    folder = "" if settings.data == Settings().data else f" --data {shlex.quote(settings.data)}"
    once = f"signs in once, within {START_LINK_SECONDS / 60:.0f} minutes; later links" if api_key else "sign in with"
    print(f"  console      {once}: tailwire console{folder}\n  {server.url}{path}")


def _print_keys(server: Running, settings: Settings) -> None:
    # Only to a terminal, never to a log, which others may be able to read.
    file = key_file(settings.data)
    if settings.ready_file:
        return
    if not sys.stdout.isatty():
        log.info("the keys of the app are in %s", file)
        return
    keys = server.parts.keys
    print(f"\n  {server.url}   app id {keys.app_id}")
    if is_shown(settings.chat, settings):
        print(f"  web chat     {server.url}/chat/")
    if is_shown(settings.console, settings):
        _print_link(server, settings)
    if keys.auth_key:
        print(f"  auth key     {keys.auth_key}\n  REST API key {keys.api_key}\n  (kept in {file})\n", flush=True)
    else:
        print(f"  {file} has no keys of this app: `tailwire keys` creates new ones\n", flush=True)
