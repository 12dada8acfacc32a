"""`tailwire wire`: a proxy that makes a connection slow or faulty, for tests."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from tailwire.testing.line.control import Control
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.line.shape import Shape, read_rate, read_seconds

MAX_PORT = 65_535


def wire(args: argparse.Namespace) -> int:
    """Run a proxy between clients and a server that slows down or breaks connections, until a signal stops it.

    Other programs control it over HTTP.

    Returns:
        The exit code: 0; 1 if it cannot listen; 2 for invalid arguments.
    """
    host, _, port = args.target.rpartition(":")
    if not host or not port.isdecimal():
        print(f"tailwire: {args.target!r} is not HOST:PORT", file=sys.stderr)
        return 2
    for name, number in (("the port of HOST:PORT", int(port)), ("--port", args.port), ("--control", args.control)):
        if not 0 <= number <= MAX_PORT:
            print(f"tailwire: {name} must be from 0 to {MAX_PORT}, not {number}", file=sys.stderr)
            return 2
    try:
        shape = _shape_of(args)
    except ValueError as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 2
    proxy = FaultProxy(host.strip("[]"), int(port))
    proxy.shape(shape)
    try:
        asyncio.run(_run(args, proxy))
    except OSError as e:
        print(f"tailwire: {e}", file=sys.stderr)
        return 1
    return 0


def _shape_of(args: argparse.Namespace) -> Shape:
    both = read_rate(args.rate)
    up, down = (both if way is None else read_rate(way) for way in (args.rate_up, args.rate_down))
    return Shape(up=up, down=down, queue=read_seconds(args.queue), latency=read_seconds(args.latency))


async def _run(args: argparse.Namespace, proxy: FaultProxy) -> None:
    proxy.port = args.port
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    async with proxy, Control(proxy, args.control) as control:
        if args.ready_file:
            ready = {"url": proxy.url, "port": proxy.port, "control": control.url, "pid": os.getpid()}
            fresh = Path(f"{args.ready_file}.new")
            await asyncio.to_thread(fresh.write_text, json.dumps(ready))
            await asyncio.to_thread(fresh.replace, args.ready_file)
        print(f"line     {proxy.url} -> {args.target}\ncontrol  {control.url}", flush=True)
        await stop.wait()
