"""REST operations on the load of this process: its last fifteen minutes, and a stream of new samples."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from tailwire.server.actions.payloads import without_none
from tailwire.server.actions.raw_json import encode
from tailwire.server.ports.refusal import Refused
from tailwire.server.rest import responses
from tailwire.server.rest.operations import Access, Call, Operation, Streamed
from tailwire.server.rules.permissions import KeyOperation
from tailwire.server.telemetry.metrics import Metrics, Sizes
from tailwire.server.telemetry.stats import WINDOW_SECONDS, Sample, Stats

MAX_STREAMS = 50
"""How many streams may be open at the same time, for all keys together."""
SAMPLES_PER_SIZES = 15
"""A stream sends the facts about the process and the sizes on disk once per this many samples."""
MAX_STREAMED_SAMPLES = 300
"""The number of samples after which a stream ends. Its client is expected to connect again."""
_UNITS = {"s": 1, "m": 60}
_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


class StatsQuery(msgspec.Struct, kw_only=True):
    """The query that selects how far back the samples reach."""

    window: Annotated[
        str,
        msgspec.Meta(
            pattern="^[0-9]{1,4}[sm]$", description="How far back, such as 90s or 15m; fifteen minutes at most."
        ),
    ] = "15m"


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """The facts that the process reports about itself.

    Attributes:
        uptime: returns the seconds since the process started.
        servers: returns how many servers run on the database.
    """

    name: str
    version: str
    uptime: Callable[[], float]
    servers: Callable[[], int]

    def payload(self) -> dict[str, Any]:
        """Return the facts as a JSON object."""
        facts = {"name": self.name, "version": self.version}
        return {**facts, "uptime": round(self.uptime(), 1), "servers": self.servers()}


class StatsRoutes:
    """The REST operations that return and stream the load of this process.

    Args:
        sizes: returns the sizes on disk.
        check_key: called with an API key and an operation; raises `Refused` if the key is invalid or may not do that.
    """

    def __init__(
        self, stats: Stats, metrics: Metrics, sizes: Callable[[], Awaitable[Sizes]], process: ProcessFacts,
        check_key: Callable[[str, KeyOperation], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._stats, self._metrics, self._sizes, self._process = stats, metrics, sizes, process
        self._check_key = check_key
        self._streams = 0

    def operations(self) -> list[Operation]:
        """Return the operations, each with its route and its handler."""
        return [
            Operation("GET", "/stats", "Get the load of the process that answers, over the last minutes", self._get,
                      access=Access.ADMIN, query=StatsQuery, response=responses.ProcessStats),
            Operation("GET", "/stats/stream", "Stream the load of the process that answers, every two seconds",
                      self._stream, access=Access.ADMIN, media="text/event-stream"),
        ]  # fmt: skip

    async def _get(self, call: Call) -> dict[str, Any]:
        q: StatsQuery = call.query
        seconds = min(WINDOW_SECONDS, int(q.window[:-1]) * _UNITS[q.window[-1]])
        return {
            **await self._process_payload(),
            "samples": list(map(sample_payload, self._stats.recent_samples(seconds))),
        }

    async def _process_payload(self) -> dict[str, Any]:
        waiting = sum(queue.waiting for queue in self._metrics.webhook_queues())
        sizes = sizes_payload(await self._sizes())
        return {"process": self._process.payload(), "sizes": sizes, "waitingDeliveries": waiting}

    async def _stream(self, call: Call) -> Streamed:
        if self._streams >= MAX_STREAMS:
            raise Refused("ERR_UNAVAILABLE", f"There are {MAX_STREAMS} streams already: close one, or use GET /stats.")
        return Streamed(200, _HEADERS, self._events(call))

    async def _events(self, call: Call) -> AsyncIterator[bytes]:
        # uvicorn silently discards what is sent to a client that has gone, so the disconnect is awaited as well.
        gone = asyncio.ensure_future(_wait_for_disconnect(call))
        self._streams += 1
        try:
            number = 0
            while not gone.done() and number < MAX_STREAMED_SAMPLES:
                if number % SAMPLES_PER_SIZES == 0:
                    yield _event("about", await self._process_payload())
                number += 1
                taken = asyncio.ensure_future(self._stats.next_sample())
                await asyncio.wait((gone, taken), return_when=asyncio.FIRST_COMPLETED)
                if not taken.done():
                    taken.cancel()
                    return
                sample = taken.result()
                if sample is None or not await self._is_valid(call):
                    return
                yield _event("sample", sample_payload(sample))
        finally:
            self._streams -= 1
            gone.cancel()

    async def _is_valid(self, call: Call) -> bool:
        # A stream lasts for minutes: nothing is sent after its key was revoked or has ended.
        try:
            await self._check_key(call.header(b"apikey"), "administer")
        except Refused:
            return False
        return True


async def _wait_for_disconnect(call: Call) -> None:
    while (await call.receive())["type"] != "http.disconnect":
        pass  # a body, which a GET does not have


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode(data))


def sample_payload(sample: Sample) -> dict[str, Any]:
    """Return the JSON form of a sample."""
    names = msgspec.structs.fields(responses.LoadSample)
    values = {f.encode_name: getattr(sample, f.name) for f in names}
    return without_none({k: round(v, 4) if isinstance(v, float) else v for k, v in values.items()})


def sizes_payload(sizes: Sizes) -> dict[str, Any]:
    """Return the JSON form of the sizes on disk, without those that are unknown."""
    known = {"database": sizes.database, "writeAheadLog": sizes.write_ahead_log, "uploads": sizes.uploads}
    return without_none({**known, "free": sizes.free})
