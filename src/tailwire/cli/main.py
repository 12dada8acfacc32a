"""Parses the command line and runs the command. Each command is imported only when it runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, TextIO

from tailwire import __version__
from tailwire.cli.chat import add_chat
from tailwire.cli.durations import parse_duration
from tailwire.cli.lab import add_lab
from tailwire.extras import how_to_install

_DATA_HELP = "data folder of the server (.tailwire)"
_CONFIG_HELP = "the TOML file of the server's settings"


def parser_for(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for these words of a command line. The settings are only added if the first word is `serve`."""
    parser = argparse.ArgumentParser(prog="tailwire", description="A chat SDK and its server.")
    parser.add_argument("--version", action="version", version=f"tailwire {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    serve = commands.add_parser(
        "serve", help="run the server", usage="tailwire serve [--config FILE] [--SETTING VALUE ...]"
    )
    serve.add_argument("--config", default="", metavar="FILE", help="a TOML file with settings")
    if arguments[:1] == ["serve"]:  # needs the packages of the server
        from tailwire.cli.serve import add_settings

        add_settings(serve)

    demo = commands.add_parser(
        "demo", help="show two clients and a server, and everything that can happen to a connection"
    )
    demo.add_argument("--svg", default="", metavar="FILE", help="save the output as a picture")

    _add_administration(commands)
    _add_console(commands)
    _add_prune(commands)
    _add_backups(commands)
    add_lab(commands)
    add_chat(commands)
    _add_doctor(commands)

    _add_wire(commands)
    replay = commands.add_parser("replay", help="replay a dump of a connection step by step")
    replay.add_argument("file", help="what `connection.dump()` has written")
    return parser


def _add_administration(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    keys = commands.add_parser("keys", help="create new keys; existing keys stay valid")
    _add_place(keys)
    keys.add_argument("--list", action="store_true", help="list the valid keys instead, with creation and last use")
    keys.add_argument("--replace", action="store_true", help="end all other keys")
    keys.add_argument(
        "--grace",
        type=parse_duration,
        default=0,
        metavar="TIME",
        help="how long the others stay valid: 1h (not at all)",
    )

    user = commands.add_parser("user", help="manage users").add_subparsers(dest="verb", required=True)
    create_user = user.add_parser("create", help="create a user")
    create_user.add_argument("uid", help="id of the user: 1 to 100 characters of a-z, 0-9, _ and -")
    create_user.add_argument("name", help="name that others see")
    _add_place(create_user)

    export_user = user.add_parser("export", help="print all data about a user, as JSON lines")
    export_user.add_argument("uid", help="id of the user")
    _add_place(export_user)

    token = commands.add_parser("token", help="manage auth tokens").add_subparsers(dest="verb", required=True)
    create_token = token.add_parser("create", help="create an auth token for a user")
    create_token.add_argument("uid", help="id of the user, who must exist")
    _add_place(create_token)


def _add_place(command: argparse.ArgumentParser) -> None:
    # Where the server's database is.
    command.add_argument("--data", metavar="DIR", default=None, help=_DATA_HELP)
    command.add_argument("--config", metavar="FILE", default="", help=_CONFIG_HELP)


def _add_doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser("doctor", help="test the connection to a server, or a bucket, step by step")
    doctor.add_argument("url", nargs="?", default="", metavar="URL", help="of a server, or s3://BUCKET/PREFIX")
    doctor.add_argument("--config", default="", metavar="FILE", help="the server's settings, for a bucket (TOML)")
    doctor.add_argument("--app", action="store_true", help="show which states of an app this machine can report")
    doctor.add_argument("--app-id", default="", help="also test this app id")
    doctor.add_argument("--auth-key", default="", help="also test this auth key (with --app-id)")
    doctor.add_argument("--ca", default="", metavar="FILE", help="trust the certificates in this file (PEM)")


def _add_console(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    console = commands.add_parser("console", help="print a link that signs in to the server's web console, once")
    console.add_argument("url", nargs="?", default="", metavar="URL", help="of the server (the one on the data folder)")
    _add_place(console)
    console.add_argument("--ca", default="", metavar="FILE", help="trust the certificates in this file (PEM)")


def _add_prune(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    prune = commands.add_parser("prune", help="remove old messages and files, even while a server runs")
    prune.add_argument("--older-than", type=parse_duration, metavar="AGE", help="remove messages of this age: 90d, 12h")
    prune.add_argument("--files", action="store_true", help="also remove files of that age")
    prune.add_argument("--orphans", action="store_true", help="remove files that belong to nothing, a day old or older")
    prune.add_argument("--force", action="store_true", help="with --orphans: even if most files belong to nothing")
    prune.add_argument("--dry-run", action="store_true", help="remove nothing, and print how much would be removed")
    _add_place(prune)


def _add_wire(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    wire = commands.add_parser("wire", help="run a proxy that simulates network faults, for tests of any client")
    wire.add_argument("target", metavar="HOST:PORT", help="the server behind the proxy")
    wire.add_argument("--port", type=int, default=0, help="port for clients; 0 picks a free one")
    wire.add_argument("--control", type=int, default=0, metavar="PORT", help="port of the HTTP control interface")
    wire.add_argument("--rate", default="0", metavar="RATE", help="rate both ways: bytes per second, 64kbit or 2mbit")
    wire.add_argument("--rate-up", metavar="RATE", help="rate from the clients, if it differs")
    wire.add_argument("--rate-down", metavar="RATE", help="rate to the clients, if it differs")
    wire.add_argument("--queue", default="0.2", metavar="SECONDS", help="capacity of the queue at a limited rate (0.2)")
    wire.add_argument("--latency", default="0", metavar="SECONDS", help="delay in each direction")
    wire.add_argument(
        "--ready-file", default="", metavar="FILE", help="write url and control there when it listens (JSON)"
    )


def _add_backups(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backup = commands.add_parser("backup", help="copy the database and the uploads, even while a server runs")
    restore = commands.add_parser("restore", help="restore a backup, while no server runs")
    for command in (backup, restore):
        command.add_argument("folder", metavar="DIR", help="folder of the backup")
        _add_place(command)
    restore.add_argument("--replace", action="store_true", help="move existing files to another folder first")
    migrate = commands.add_parser("migrate", help="move the database from SQLite to PostgreSQL")
    migrate.add_argument("--data", metavar="DIR", help=_DATA_HELP)
    migrate.add_argument("--from", dest="source", metavar="URL", help="sqlite:///FILE (tailwire.db in the data folder)")
    migrate.add_argument("--to", metavar="URL", help="the PostgreSQL database; by default that in TAILWIRE_DATABASE")
    migrate.add_argument("--follow", action="store_true", help="copy while the server runs, and end when it is stopped")


def _check_doctor(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    # Ends the program if the arguments do not belong together.
    if not args.app and not args.url:
        parser.error("doctor needs the URL of a server, or --app")
    of_server = {"--app-id": args.app_id, "--auth-key": args.auth_key, "--ca": args.ca}
    unused = ", ".join(option for option, value in of_server.items() if value)
    if unused and args.url.startswith("s3://"):
        parser.error(f"doctor: leave out {unused}: a bucket is tested as the server's settings say (--config FILE)")


def _examine(args: argparse.Namespace) -> int:
    if args.app:
        from tailwire.cli.doctor_app import doctor_app

        doctor_app()
    if not args.url:
        return 0
    if args.url.startswith("s3://"):
        from tailwire.cli.doctor_bucket import doctor_bucket

        return doctor_bucket(args.url, args.config)
    from tailwire.cli.doctor import doctor

    return doctor(args.url, app_id=args.app_id, auth_key=args.auth_key, ca=args.ca)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `tailwire` command.

    Args:
        arguments: the words after `tailwire`; None for those of this process.

    Returns:
        The exit code: 0 on success; 1 on failure; 2 for invalid arguments; 130 if a signal ended the demo.

    Raises:
        SystemExit: argparse refused the arguments (2), or has printed the help or the version (0).
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser = parser_for(words)
        args = parser.parse_args(words)
        if args.command is None:
            parser.print_help()
            return 2
        if args.command == "doctor":
            _check_doctor(parser, args)
        return _run(args)
    except ModuleNotFoundError as e:
        if e.name and e.name.startswith("tailwire"):
            raise
        print(f"tailwire: {e.name} is not installed; run {how_to_install('server')}", file=sys.stderr)
        return 1


def _run(args: argparse.Namespace) -> int:
    # Imports the command, and runs it.
    if args.command == "serve":
        from tailwire.cli.serve import serve

        return serve(args)
    if args.command in ("keys", "user", "token", "prune"):
        from tailwire.cli.administer import administer

        return administer(args)
    if args.command in ("backup", "restore"):
        from tailwire.cli.backup import back_up_or_restore

        return back_up_or_restore(args)
    if args.command == "migrate":
        from tailwire.cli.migrate import migrate

        return migrate(args)
    if args.command == "console":
        from tailwire.cli.console import console

        return console(args)
    if args.command == "demo":
        from tailwire.cli.demo import demo

        return demo(args.svg)
    if args.command == "lab":
        from tailwire.cli.lab import lab

        return lab(args)
    if args.command == "chat":
        from tailwire.cli.chat import chat

        return chat(args)
    if args.command == "doctor":
        return _examine(args)
    if args.command == "wire":
        from tailwire.cli.wire import wire

        return wire(args)
    from tailwire.cli.replay import replay

    return replay(args.file)


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the `tailwire` command, and end the process with its exit code.

    Args:
        arguments: the words after `tailwire`; None for those of this process.
    """
    try:
        code = main(arguments)
    finally:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                _flush(stream)
    if "obstore" in sys.modules:
        # Threads of obstore may still release Python objects. Python up to 3.13 ends a thread that does so while the
        # interpreter shuts down, and ending a thread inside of Rust code aborts the process. So skip the shutdown.
        os._exit(code)
    sys.exit(code)


def _flush(stream: TextIO) -> None:
    # The output may have no reader any longer, because the terminal or the other end of the pipe was closed. Python
    # would then try to flush again at its end, and replace the exit code, so redirect the output to nowhere.
    try:
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


if __name__ == "__main__":
    run()
