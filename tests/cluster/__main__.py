"""`make cluster`: a cluster on this machine, with three people who chat over it. Kill and start its machines by keys."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.cluster import Cluster
from cluster.machines import Machine
from cluster.people import NAMES, People

DOWN_SECONDS, UP_SECONDS = (0.5, 4.0), (3.0, 8.0)


@contextmanager
def _single_keys() -> Iterator[None]:
    # Keys are read one by one, without Enter.
    if not sys.stdin.isatty():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


class Console:
    """Kills and starts machines, and prints what happens once a second."""

    def __init__(self, cluster: Cluster, people: People) -> None:
        self._cluster = cluster
        self._people = people
        self._switching: dict[str, asyncio.Task[None]] = {}
        self.ended = asyncio.Event()

    def help(self) -> str:
        """Return a description of the keys."""
        keys = "  ".join(f"{n} {machine.name}" for n, machine in enumerate(self._cluster.machines, 1))
        return f"Keys kill a machine (SIGKILL) or start it again: {keys}  q quit"

    def on_key(self) -> None:
        """Handle a pressed key."""
        key = sys.stdin.read(1)
        if key in ("q", "\x04", ""):
            self.ended.set()
        elif key.isdigit() and 0 < int(key) <= len(self._cluster.machines):
            self.switch(self._cluster.machines[int(key) - 1])

    def switch(self, machine: Machine) -> None:
        """Kill a machine that runs; start one that does not."""
        if (task := self._switching.get(machine.name)) is None or task.done():
            self._switching[machine.name] = asyncio.create_task(self._switch(machine))

    async def _switch(self, machine: Machine) -> None:
        if machine.running:
            await machine.kill()
            print(f"  {machine.name} was killed")
        else:
            print(f"  {machine.name} is starting")
            try:
                await machine.start()
            except RuntimeError as e:
                print(f"  {machine.name} does not start: {e}")

    async def report(self) -> None:
        """Print a line each second."""
        while True:
            await asyncio.sleep(1)
            down = [machine.name for machine in self._cluster.machines if not machine.running]
            print(self._people.status(), f"  down: {', '.join(down)}" if down else "", flush=True)

    async def break_things(self) -> None:
        """Kill machines at random, and start them again."""
        while True:
            await asyncio.sleep(random.uniform(*UP_SECONDS))
            machine = random.choice(self._cluster.machines)
            await self._settled()
            self.switch(machine)
            await asyncio.sleep(random.uniform(*DOWN_SECONDS))
            await self._settled()
            self.switch(machine)

    async def _settled(self) -> None:
        await asyncio.gather(*self._switching.values(), return_exceptions=True)

    async def start_all(self) -> None:
        """Start all machines that do not run."""
        await self._settled()
        for machine in self._cluster.machines:
            if not machine.running:
                await machine.start()


async def _run(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="tailwire-cluster-") as folder:
        cluster = Cluster(Path(folder), servers=args.servers, with_nats=args.nats)
        people: People | None = None
        try:
            print(f"Starting PostgreSQL, {'NATS, ' if args.nats else ''}{args.servers} servers and Caddy …", flush=True)
            await cluster.start()
            server = cluster.servers[0].process
            people = People(cluster.url, server.app_id, server.auth_key)
            await people.start()
            print(f"{', '.join(NAMES)} chat over {cluster.url} (app id {server.app_id}, auth key {server.auth_key}).")
            return await _watch(args, cluster, people)
        finally:
            if people is not None:
                await people.close()
            await cluster.close()


async def _watch(args: argparse.Namespace, cluster: Cluster, people: People) -> int:
    console = Console(cluster, people)
    tasks = [asyncio.create_task(console.report())]
    if args.faults:
        tasks.append(asyncio.create_task(console.break_things()))
    if sys.stdin.isatty():
        print(console.help())
        asyncio.get_running_loop().add_reader(sys.stdin, console.on_key)
    with _single_keys():
        try:
            await asyncio.wait_for(console.ended.wait(), args.seconds or None)
        except TimeoutError:
            print("Time is over.")
    for task in tasks:
        task.cancel()
    await console.start_all()
    await people.stop()
    ledger = people.ledger
    missing = {name: ledger.missing(name) for name in NAMES}
    twice, disorder = sum(ledger.twice(n) for n in NAMES), sum(ledger.out_of_order(n) for n in NAMES)
    lost = sum(map(len, missing.values()))
    print(
        f"{len(ledger.acknowledged)} messages were acknowledged: {lost} lost, {twice} told twice, {disorder} out of order."
    )
    return 1 if lost or twice or disorder else 0


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="make cluster")
    parser.add_argument("--servers", type=int, default=2, help="how many servers (2)")
    parser.add_argument(
        "--nats", action="store_true", help="with a NATS server; otherwise PostgreSQL carries publications"
    )
    parser.add_argument("--seconds", type=float, default=0, help="end after this time (0: until q)")
    parser.add_argument("--faults", action="store_true", help="kill machines at random, and start them again")
    with asyncio.Runner() as runner:
        return runner.run(_run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
