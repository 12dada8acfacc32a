"""Reads the command line and calls the command. Each command imports what it needs when it is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tailwire import __version__
from tailwire.cli.lab import add_lab


def parser_for(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for a command line; what `serve` takes is in it only where that is called."""
    parser = argparse.ArgumentParser(prog="tailwire", description="A chat connection that holds, and its server.")
    parser.add_argument("--version", action="version", version=f"tailwire {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    serve = commands.add_parser(
        "serve", help="run the server", usage="tailwire serve [--config FILE] [--SETTING VALUE ...]"
    )
    serve.add_argument("--config", default="", metavar="FILE", help="a TOML file with settings")
    if arguments[:1] == ["serve"]:  # what only the server has is imported only for it
        from tailwire.cli.serve import add_settings

        add_settings(serve)

    demo = commands.add_parser("demo", help="two clients, a server, and everything that can happen to a connection")
    demo.add_argument("--svg", default="", metavar="FILE", help="keep what was shown as a picture")

    keys = commands.add_parser("keys", help="make new keys; those that there are stay good")
    keys.add_argument("--data", metavar="DIR", default=None, help="folder of the database (.tailwire)")
    keys.add_argument("--replace", action="store_true", help="end all other keys")

    user = commands.add_parser("user", help="users of the database").add_subparsers(dest="verb", required=True)
    create_user = user.add_parser("create", help="make a user")
    create_user.add_argument("uid")
    create_user.add_argument("name")
    create_user.add_argument("--data", metavar="DIR", default=None)

    export_user = user.add_parser("export", help="print all that is kept about a user, in lines of JSON")
    export_user.add_argument("uid")
    export_user.add_argument("--data", metavar="DIR", default=None)

    token = commands.add_parser("token", help="auth tokens").add_subparsers(dest="verb", required=True)
    create_token = token.add_parser("create", help="make an auth token of a user")
    create_token.add_argument("uid")
    create_token.add_argument("--data", metavar="DIR", default=None)

    _backups(commands)
    add_lab(commands)
    _doctor(commands)

    wire = commands.add_parser("wire", help="a line that can go wrong, for tests of any client")
    wire.add_argument("target", metavar="HOST:PORT", help="the server behind it")
    wire.add_argument("--port", type=int, default=0, help="where clients connect; 0 takes a free one")
    wire.add_argument("--control", type=int, default=0, metavar="PORT", help="where it is told what goes wrong")
    wire.add_argument("--rate", default="0", metavar="RATE", help="of both ways: bytes a second, 64kbit or 2mbit")
    wire.add_argument("--rate-up", metavar="RATE", help="from the clients, where that differs")
    wire.add_argument("--rate-down", metavar="RATE", help="to the clients, where that differs")
    wire.add_argument("--queue", default="0.2", metavar="SECONDS", help="of bytes before a line with a rate (0.2)")
    wire.add_argument("--latency", default="0", metavar="SECONDS", help="that everything takes, each way")
    wire.add_argument("--ready-file", default="", metavar="FILE", help="JSON with url and control, when it listens")

    replay = commands.add_parser("replay", help="run a dump of a connection again, step by step")
    replay.add_argument("file")
    return parser


def _doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser("doctor", help="try a server from here, step by step")
    doctor.add_argument("url", nargs="?", default="", metavar="URL")
    doctor.add_argument("--app", action="store_true", help="say what can be known here of an app's state")
    doctor.add_argument("--app-id", default="", help="try this app id too")
    doctor.add_argument("--auth-key", default="", help="try this auth key too (with --app-id)")
    doctor.add_argument("--ca", default="", metavar="FILE", help="trust the certificates in this file (PEM)")


def _backups(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backup = commands.add_parser("backup", help="copy the database and the uploads, beside a running server or not")
    restore = commands.add_parser("restore", help="put a backup back, while no server runs")
    for command in (backup, restore):
        command.add_argument("folder", metavar="DIR")
        command.add_argument("--data", metavar="DIR", help="folder of the database (.tailwire)")
    restore.add_argument("--replace", action="store_true", help="move what is there aside first")


def main(arguments: Sequence[str] | None = None) -> int:
    """The `tailwire` command.

    Returns:
        0 when it did what was asked; 1 when it failed; 2 for a wrong call.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser = parser_for(words)
        given = parser.parse_args(words)
        if given.command is None:
            parser.print_help()
            return 2
        if given.command == "serve":
            from tailwire.cli.serve import serve

            return serve(given)
        if given.command in ("keys", "user", "token"):
            from tailwire.cli.administer import administer

            return administer(given)
        if given.command in ("backup", "restore"):
            from tailwire.cli.backup import back_up_or_restore

            return back_up_or_restore(given)
        if given.command == "demo":
            from tailwire.cli.demo import demo

            return demo(given.svg)
        if given.command == "lab":
            from tailwire.cli.lab import lab

            return lab(given)
        if given.command == "doctor":
            if given.app:
                from tailwire.cli.doctor_app import doctor_app

                doctor_app()
            elif not given.url:
                parser.error("doctor takes the URL of a server, or --app")
            if not given.url:
                return 0
            from tailwire.cli.doctor import doctor

            return doctor(given.url, app_id=given.app_id, auth_key=given.auth_key, ca=given.ca)
        if given.command == "wire":
            from tailwire.cli.wire import wire

            return wire(given)
        from tailwire.cli.replay import replay

        return replay(given.file)
    except ModuleNotFoundError as e:
        if e.name and e.name.startswith("tailwire"):
            raise
        install = "pip install -e '.[server]'"
        print(f"tailwire: {e.name} is not installed; run {install} in the project's folder", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
