"""Watches the network of its own namespace: prints what is reported; reads commands for `ip`, one per line.

Run by `unshare -rn`. `do` is answered with `done` when everything that the kernel reported has been processed.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from tailwire import watch_network
from tailwire.adapters import netlink


class Printing:
    def event_loop(self):
        return asyncio.get_running_loop()

    def set_app_state(self, state, *, reason="app"):
        """Ignore the state."""

    def set_network(self, network):
        print(json.dumps({"reported": network}), flush=True)


async def main() -> None:
    loop, lines = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    with watch_network(Printing()) as watch:
        print(json.dumps({"knows": sorted(await watch.settled())}), flush=True)
        while line := (await lines.readline()).decode().strip():
            done = await asyncio.to_thread(subprocess.run, ["ip", *line.split()], capture_output=True, text=True)
            print(json.dumps({"did": line, "error": done.stderr, "any": netlink.reachability().any}), flush=True)
    print(json.dumps({"closed": True}), flush=True)


asyncio.run(main())
