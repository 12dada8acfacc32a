"""A lane for tests, drafts, and a process that writes until it is ended: `python writing.py URL NAME SENDERS MUIDS`.

The process prints a line for each acknowledged message, `id text`, and `slowest milliseconds` four times a second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from tailwire.server.ports.conversations import key_of
from tailwire.server.ports.records import Draft
from tailwire.server.ports.refusal import Refused
from tailwire.server.ports.world import World
from tailwire.server.store.postgres.connecting import connect_writer
from tailwire.server.store.postgres.drafts import Entry
from tailwire.server.store.postgres.lane import Lane
from tailwire.server.store.postgres.store import PostgresStore

SLOWEST_EVERY_SECONDS = 0.25


async def open_lane(url: str, name: str = "test") -> Lane:
    lane = Lane(lambda: connect_writer(url), World(), name)
    await lane.open()
    return lane


def draft(
    sender: str = "alice",
    receiver: str = "bob",
    kind: str = "user",
    text: str = "x",
    muid: str | None = None,
    **more: Any,
) -> Draft:
    body = b'{"data":{"text":"%b"}}' % text.encode()
    return Draft(key_of(sender, receiver, kind), sender, receiver, kind, "message", "text", body, 1, muid, **more)


async def wait_for_giving_up(store: PostgresStore) -> None:
    """Wait until a server has given up the deliveries beyond the limit."""
    while giving_up := store.deliveries._counts._giving_up:
        await asyncio.wait(giving_up.values())


def draft_entry(**values: Any) -> Entry:
    return Entry(draft(**values))


async def write_until_ended(url: str, name: str, senders: int, muids: bool) -> None:
    lane = await open_lane(url, name)
    slowest = 0.0

    async def send(number: int) -> None:
        nonlocal slowest
        count = 0
        while True:
            count += 1
            text = f"{name}-{number}-{count}"
            began = time.monotonic()
            try:
                placed = await lane.submit(draft_entry(sender=name, text=text, muid=text if muids else None))
            except Refused:
                continue
            slowest = max(slowest, time.monotonic() - began)
            print(placed.id, text)

    async def report() -> None:
        nonlocal slowest
        while True:
            await asyncio.sleep(SLOWEST_EVERY_SECONDS)
            print("slowest", round(slowest * 1000))
            slowest = 0.0
            sys.stdout.flush()

    await asyncio.gather(report(), *(send(number) for number in range(senders)))


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    asyncio.run(write_until_ended(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "muids"))
