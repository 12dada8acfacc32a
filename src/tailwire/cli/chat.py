"""`tailwire chat`: a chat in the terminal."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from tailwire.extras import how_to_install

DEFAULT_DATA_FOLDER = ".tailwire"


def add_chat(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `chat` and its arguments to a parser."""
    chat = commands.add_parser(
        "chat",
        help="chat in the terminal",
        description="Chat in the terminal. Secrets are never arguments: set TAILWIRE_TOKEN (an auth token) or "
        "TAILWIRE_AUTH_KEY (development), or type the token into the login screen.",
    )
    chat.add_argument("server", nargs="?", default="", metavar="URL", help="the server's address")
    chat.add_argument("--app-id", default="", help="the app on the server")
    chat.add_argument("--user", default="", metavar="UID", help="who chats")
    chat.add_argument("--demo", action="store_true", help="use the server of --data, or start one, with a bot")
    chat.add_argument("--data", default=DEFAULT_DATA_FOLDER, metavar="DIR", help="data folder for --demo (.tailwire)")
    chat.add_argument("--profiles", metavar="DIR", default=None, help="folder of the saved profiles and sessions")


def chat(args: argparse.Namespace) -> int:
    """Run the chat in the terminal until the user quits.

    Returns:
        The exit code: 0; 1 if the chat cannot run; 2 if this is not a terminal.
    """
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        print("tailwire: chat needs a terminal: run it without pipes", file=sys.stderr)
        return 2
    try:
        import textual  # noqa: F401 - asked for before anything starts
    except ModuleNotFoundError:
        print(f"tailwire: Textual is not installed; run {how_to_install('tui')}", file=sys.stderr)
        return 1
    logging.getLogger("tailwire").addHandler(logging.NullHandler())  # log lines would overwrite the screen
    logging.getLogger("tailwire").propagate = False
    return asyncio.run(_chat(args))


def running_url(data: str) -> str:
    """Return the URL of the server that has locked a data folder; "" if none has, such as with PostgreSQL."""
    from tailwire.server.app.opening import database_path, on_postgres
    from tailwire.server.config import BadSetting, load
    from tailwire.server.store.sqlite.lock import holder_url

    try:
        settings = load({"data": data})
    except BadSetting:  # the server that is started then says what is wrong
        return ""
    return "" if on_postgres(settings) else holder_url(database_path(settings))


async def _chat(args: argparse.Namespace) -> int:
    from tailwire.tui.app import ChatApp
    from tailwire.tui.login import Secret, secret_from_environment
    from tailwire.tui.profiles import Profile, ProfileBook

    book = ProfileBook(args.profiles)
    if args.demo:
        from tailwire.tui.demo import DemoFailed, demo

        print("Starting the chat …", flush=True)
        try:
            async with demo(book, Path(args.data), args.user, url=running_url(args.data)) as found:
                await ChatApp(book, found.profile, Secret(auth_key=found.auth_key)).run_async()
        except DemoFailed as e:
            print(f"tailwire: {e}", file=sys.stderr)
            return 1
        return 0
    await ChatApp(book, Profile(args.server, args.app_id, args.user), secret_from_environment()).run_async()
    return 0
