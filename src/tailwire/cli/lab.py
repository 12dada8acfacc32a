"""`tailwire lab`: a page with two clients and a server, on which the connections between them can be broken."""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from pathlib import Path

MAX_SLOW_FACTOR = 100.0


def add_lab(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `lab` and its arguments to a parser."""
    lab = commands.add_parser(
        "lab", help="open a page with two clients, a server and the connections between them, to break things"
    )
    lab.add_argument("file", nargs="?", metavar="FILE", help="replay this recording, or this dump of a connection")
    lab.add_argument("--port", type=int, default=0, help="port of the page; 0 picks a free one")
    lab.add_argument(
        "--slow", type=float, default=1.0, metavar="N", help="delay on the connections: N × 50 ms each way"
    )
    lab.add_argument("--open", action="store_true", help="open the page in a browser")
    lab.add_argument("--record", metavar="FILE.webp", help="record a scene as an animated picture, and exit")
    lab.add_argument("--chromium", metavar="FILE", help="browser for --record ($TAILWIRE_CHROMIUM)")


def lab(args: argparse.Namespace) -> int:
    """Serve the page of the lab, or of a recording, until a signal; or record a scene as a picture and return.

    Returns:
        The exit code: 0; 1 if that is not possible; 2 for invalid arguments.
    """
    problem = _problem_with(args)
    if problem:
        print(f"tailwire: {problem}", file=sys.stderr)
        return 2
    from tailwire.adapters.main_loop import run
    from tailwire.lab.recording import BadRecording, read_recording
    from tailwire.lab.running import run_lab, show_recording
    from tailwire.lab.screencast import ScreencastFailed, record

    logging.getLogger("tailwire").addHandler(logging.NullHandler())  # the page shows the errors of the clients
    try:
        if args.record:
            run(record(Path(args.record), chromium=args.chromium or "", report=partial(print, flush=True)))
        elif args.file:
            run(show_recording(read_recording(Path(args.file)), partial(_print_start, args, args.file), port=args.port))
        else:
            print("Starting a server and two clients …", flush=True)
            run(run_lab(partial(_print_start, args, ""), port=args.port, slow=args.slow))
    except BadRecording as e:
        print(f"tailwire: {args.file} is neither a recording nor a dump of a connection: {e}", file=sys.stderr)
        return 1
    except ScreencastFailed as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    except OSError as e:
        more = "; choose another --port" if not args.file and args.port else ""
        print(f"tailwire: {e}{more}", file=sys.stderr)
        return 1
    except RuntimeError as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    return 0


def _problem_with(args: argparse.Namespace) -> str:
    if not 0 <= args.port <= 65535:
        return "--port must be from 0 to 65535"
    if not 1 <= args.slow <= MAX_SLOW_FACTOR:
        return f"--slow must be from 1 to {MAX_SLOW_FACTOR:g}"
    if args.record and args.file:
        return "--record has its own scene: do not give a FILE"
    if args.record and not args.record.endswith(".webp"):
        return "--record writes animated WebP: the name must end in .webp"
    return ""


def _print_start(args: argparse.Namespace, file: str, url: str, once: str) -> None:
    if file:
        print(f"{file}, step by step:\n\n    {url}\n", flush=True)
    else:
        print(
            f"The lab is open:\n\n    {url}\n\nSwitch phones off, cut lines, kill the server. Ctrl+C ends everything."
        )
        print("The same without a browser, in half a minute: `tailwire demo` (make demo).", flush=True)
    if args.open:
        from tailwire.lab.running import open_browser

        if not open_browser(once):
            print("No browser could be opened: open the URL by hand.", flush=True)
