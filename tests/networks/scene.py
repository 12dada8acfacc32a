"""The clients of one situation: a phone behind its own line, and a desk with a direct connection."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import random
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx2

from harness import CONNECTED, Actor
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore, TextMessage
from tailwire.sdk.io.world import World
from tailwire.testing.line.proxy import FaultProxy
from tailwire.testing.line.shape import Shape, from_kbit
from tailwire.testing.server import ServerProcess

TEXT_CHARACTERS = 190  # about 200 with the number


def _words(count: int) -> list[str]:
    chance = random.Random(20)
    lengths = (chance.choice((2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 11)) for _ in range(count))
    return ["".join(chance.choices("etaoinshrdlucmfwygpbvk", range(22, 0, -1), k=n)) for n in lengths]


WORDS = _words(3000)
"""Invented words: a text of them compresses about as well as what people write, and not to almost nothing."""


def text_of(number: int) -> str:
    """Return the text of a message: its number, and words, always the same ones for a number."""
    chance, ranks = random.Random(number), len(WORDS)
    chosen = (WORDS[int(ranks ** chance.random()) - 1] for _ in range(TEXT_CHARACTERS // 2))
    return f"{number:05d} {' '.join(chosen)[:TEXT_CHARACTERS]}"


def slow(rate: float, queue: float, latency: float = 0.0) -> Shape:
    """Return the shape of a line with `rate` kbit/s in both directions."""
    return Shape(up=from_kbit(rate), down=from_kbit(rate), queue=queue, latency=latency)


class Scene:
    """The line, the clients and the measurements of one situation.

    Attributes:
        proxy: the line, at first without limits.
        phone: the client behind it, after `enter()`.
        measured: the figures that the situation measured, by name.
    """

    def __init__(self, server: ServerProcess, http: httpx2.AsyncClient, name: str) -> None:
        self.server, self._http = server, http
        self._name = name
        self._numbers = itertools.count(1)
        self.proxy = FaultProxy("127.0.0.1", server.port)
        self.actors: list[Actor] = []
        self.measured: dict[str, float] = {}
        self.phone: Actor
        self._begun = 0
        self._passed = (0, 0)
        self._taken = 0
        self._watched: list[tuple[Actor, int]] = []
        self._at = time.monotonic()

    def uid(self, who: str) -> str:
        """Return the uid of a user of this situation."""
        return f"{self._name}-{who}"

    async def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """Send a request with the API key, directly to the server."""
        headers = {"appid": self.server.app_id, "apikey": self.server.api_key, **more.pop("headers", {})}
        answer = await self._http.request(method, path, headers=headers, **more)
        answer.raise_for_status()
        return answer

    def actor(
        self,
        *,
        auto: bool = True,
        outbox: bool = False,
        host: str = "",
        tls: ssl.SSLContext | None = None,
        world: World | None = None,
    ) -> Actor:
        """Return a client behind the line, before `init()`.

        Args:
            host: by which it reaches the line, instead of the address.
            tls: trusts the server's certificate; the line then carries TLS.
            world: its clocks.
        """
        url = f"{'https' if tls else 'http'}://{host}:{self.proxy.port}" if host else self.proxy.url
        builder = AppSettingsBuilder().override_client_host(url).auto_establish_socket_connection(auto)
        if host:
            builder.set_web_socket_host(host).set_web_socket_port(self.proxy.port)
        if outbox:
            builder.keep_unsent_messages()
        actor = Actor(
            ChatClient(self.server.app_id, builder.build(), session_store=MemorySessionStore(), tls=tls, world=world)
        )
        self.actors.append(actor)
        return actor

    async def enter(self, who: str = "phone", *, wait: float = 60, **settings: Any) -> Actor:
        """Return a client behind the line that is logged in and connected, and start measuring."""
        actor = self.actor(**settings)
        await actor.chat.init()
        actor.listen()
        await actor.chat.login(self.uid(who), auth_key=self.server.auth_key)
        if not settings.get("auto", True):
            await actor.chat.connect()
        await actor.chat.wait_connected(wait)
        if who == "phone":
            self.phone = actor
        self.count(*self.actors)
        return actor

    def count(self, *actors: Actor) -> None:
        """Start measuring: seconds, bytes, connections, and disconnects of these clients."""
        self._at, self._passed, self._taken = time.monotonic(), self.proxy.passed, self.proxy.connections
        self._watched = [(actor, len(actor.ears.statuses)) for actor in actors]

    @property
    def disconnects(self) -> int:
        """Number of lost connections since measuring started."""
        lost = 0
        for actor, begin in self._watched:
            statuses = actor.ears.statuses
            lost += sum(statuses[n - 1] is CONNECTED for n in range(max(begin, 1), len(statuses)))
        return lost

    @property
    def causes(self) -> list[str]:
        """Why connections were lost and attempts failed, in order."""
        return [str(t.cause) for actor, _ in self._watched for t in actor.chat.connection.history if t.cause]

    @property
    def seconds(self) -> float:
        """Seconds since measuring started."""
        return time.monotonic() - self._at

    @property
    def connections(self) -> int:
        """Number of connections over the line since measuring started."""
        return self.proxy.connections - self._taken

    @property
    def kilobytes(self) -> tuple[float, float]:
        """Kilobytes up and down the line since measuring started."""
        up, down = (now - before for now, before in zip(self.proxy.passed, self._passed, strict=True))
        return up / 1000, down / 1000

    # Actions.

    async def write(self, count: int = 1, to: str = "phone") -> None:
        """Send messages from the desk to a client behind the line."""
        for _ in range(count):
            body = {"receiver": self.uid(to), "receiverType": "user", "category": "message", "type": "text",
                    "data": {"text": text_of(next(self._numbers))}}  # fmt: skip
            await self.ask("POST", "/messages", headers={"onBehalfOf": self.uid("desk")}, json=body)
            self._begun += 1

    async def write_each(self, seconds: float, times: int, *to: str) -> None:
        """Send a message to each of these (the phone by default), every `seconds`, `times` times."""
        for _ in range(times):
            for who in to or ("phone",):
                await self.write(1, who)
            await asyncio.sleep(seconds)

    async def say(self, text: str, **more: Any) -> TextMessage:
        """Send a message from the phone."""
        message = TextMessage(receiver=self.uid("desk"), text=text, **more)
        return await self.phone.chat.send_message(message)

    def heard(self, actor: Actor | None = None) -> list[int]:
        """Return the numbers of the messages that a client received, in order."""
        return [int(text.partition(" ")[0]) for text in (actor or self.phone).ears.texts]

    async def until(self, condition: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait for a condition at the phone. Return the seconds since measuring started.

        Raises:
            AssertionError: if it does not hold in time.
        """
        try:
            await self.phone.ears.until(condition, seconds)
        except TimeoutError:
            raise AssertionError(f"not within {seconds:g} s: {what}; {self.state()}") from None
        return self.seconds

    async def all_heard(self, seconds: float) -> float:
        """Wait until the phone has received all messages, each once and in order."""
        await self.until(lambda: len(self.heard()) >= self._begun, seconds, f"all {self._begun} messages")
        self.in_order()
        return self.seconds

    def read_once(self, most: float) -> None:
        """Check how much came down the line: as much as the messages compress to, and not a second time.

        Args:
            most: kilobytes. A reading of 300 messages takes some 30, with the heads of the responses.
        """
        packed = len(gzip.compress("".join(text_of(n + 1) for n in range(self._begun)).encode())) / 1000
        down = self.kilobytes[1]
        assert packed < down < most, f"{down:.0f} KB were read for {packed:.0f} KB of texts"

    def in_order(self) -> None:
        """Check that the phone received all messages up to the last one, each once and in order."""
        assert self.heard() == list(range(1, len(self.heard()) + 1))
        assert self.heard()

    def state(self) -> str:
        """Describe the state, for failure messages."""
        actor = self.phone if hasattr(self, "phone") else self.actors[0]
        heard = f"{len(self.heard(actor))} of {self._begun} heard"
        return f"{heard}, {self.disconnects} disconnects, causes {self.causes[-6:]}; {actor.chat.connection.explain()}"

    async def away_while(self, missed: int) -> None:
        """Send messages while the phone is in the background; measuring starts when it returns."""
        self.phone.chat.set_app_state("background")
        await self.write(missed)
        self.count(self.phone)
        self.phone.chat.set_app_state("foreground")

    async def never_lost(self, seconds: float = 0) -> None:
        """Wait, then check that no connection was lost since measuring started, and all clients are connected."""
        await asyncio.sleep(seconds)
        assert self.disconnects == 0, self.state()
        for actor, _ in self._watched:
            assert actor.status is CONNECTED, self.state()

    async def __aenter__(self) -> Scene:
        await self.proxy.start()
        for who in ("phone", "tablet", "desk"):
            await self.ask("POST", "/users", json={"uid": self.uid(who), "name": who})
        return self

    async def __aexit__(self, *error: Any) -> None:
        self.kept = (self.seconds, self.disconnects, self.connections, self.kilobytes)
        self.proxy.restore()
        self.proxy.shape()
        for actor in self.actors:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(actor.chat.aclose(), 20)
        await self.proxy.close()
