"""Two servers, and a line to one of them that loses changes: its clients receive them nevertheless."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from harness import Actor
from servers.losing_line import LosingLine
from servers.nats import NatsServer
from servers.plain_sockets import PlainSocket
from servers.postgres import PostgresServer
from servers.several import SeveralServers
from sizes import only_in_full
from tailwire import AppSettingsBuilder, ChatClient, MemorySessionStore
from tailwire.testing.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
HEALING_SECONDS = 8.0
"""How soon a lost change has to arrive: it counts as lost after one second, and servers look once a second."""


NATS_IN_FULL = [pytest.mark.thorough, only_in_full("the same with the database as broker")]


@pytest.fixture(params=["database", pytest.param("nats", marks=NATS_IN_FULL)])
def nats(request: pytest.FixtureRequest) -> Iterator[NatsServer | None]:
    """Yield a NATS server; None when the database carries publications."""
    if request.param == "database":
        yield None
        return
    server = NatsServer()
    server.start()
    yield server
    server.kill()


@dataclass
class LossyPair:
    """Two servers; the line of the second to its broker loses publications when `line.loses` is set."""

    one: ServerProcess
    other: ServerProcess
    line: LosingLine
    stack: AsyncExitStack

    async def socket(self, uid: str, *features: str) -> PlainSocket:
        """Return a socket at the server behind the line."""
        return await self.stack.enter_async_context(PlainSocket(self.other, uid, features=features))

    async def act(self, uid: str) -> httpx2.AsyncClient:
        """Return a backend of the first server that acts for a user."""
        headers = {"appid": self.one.app_id, "apikey": self.one.api_key, "onBehalfOf": uid}
        http = httpx2.AsyncClient(base_url=f"{self.one.url}/v3", headers=headers)
        return await self.stack.enter_async_context(http)

    async def healed(self) -> float:
        """Return how often the server behind the line has read a change from the database."""
        async with httpx2.AsyncClient() as http:
            text = (await http.get(f"{self.other.url}/metrics")).text
        return float(next(n for n in text.splitlines() if n.startswith("tailwire_changes_healed_total ")).split()[1])


@asynccontextmanager
async def lossy(
    postgres: PostgresServer, url: str, folder: Path, nats: NatsServer | None, *, grace: float = 0.0
) -> AsyncIterator[LossyPair]:
    """Start two servers on PostgreSQL, the second one behind a line."""
    name = url.rpartition("?")[0].rpartition("/")[2]
    line = (
        LosingLine(nats.port, nats=True)
        if nats
        else LosingLine(path=str(postgres.folder / ".s.PGSQL.5432"), nats=False)
    )
    async with line:
        settings = {"TAILWIRE_BROKER": nats.url} if nats else {}
        several = SeveralServers(folder, url, count=1, settings=settings)
        async with several, AsyncExitStack() as stack:
            if nats:
                several._settings["TAILWIRE_BROKER"] = f"nats://127.0.0.1:{line.port}"
            else:
                several._settings["TAILWIRE_DATABASE"] = f"postgresql://postgres@127.0.0.1:{line.port}/{name}"
            other = await several.add()
            one = several.servers[0]
            other.api_key, other.auth_key = one.api_key, one.auth_key
            yield LossyPair(one, other, line, stack)
        assert several.tracebacks == []


async def ask(http: httpx2.AsyncClient, method: str, path: str, **json: Any) -> Any:
    """Make a request that succeeds, and return its data."""
    answer = await http.request(method, path, **({"json": json} if json else {}))
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def say(http: httpx2.AsyncClient, receiver: str, text: str, kind: str = "user") -> int:
    """Send a message, and return its id."""
    body = {"receiver": receiver, "receiverType": kind, "category": "message", "type": "text", "data": {"text": text}}
    return int((await ask(http, "POST", "/messages", **body))["id"])


def reactions(socket: PlainSocket) -> list[str]:
    """Return the reactions that a socket has received."""
    return [f"{f['body']['action'].rpartition('_')[2]} {f['body']['reaction']}" for f in socket.of_type("reaction")]


async def until_sure(servers: LossyPair, http: httpx2.AsyncClient, socket: PlainSocket, message: int) -> None:
    """Lose reactions until one was read for a socket: then the server knows that the socket was there before them."""
    for n in itertools.count():
        await ask(http, "POST", f"/messages/{message}/reactions/probe{n}")
        before = await servers.healed()
        async with asyncio.timeout(HEALING_SECONDS):
            while await servers.healed() == before:
                await asyncio.sleep(0.1)
        if reactions(socket):
            break
    socket.frames.clear()


async def test_changes_that_are_lost_between_servers_reach_clients_that_stay_connected(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path, nats: NatsServer | None
):
    """Reactions, receipts, pins and a group that is removed reach clients without any feature, each once."""
    async with lossy(postgres, postgres_url, tmp_path, nats) as servers:
        alice, carol = await servers.act("alice"), await servers.act("carol")
        bob, lists = await servers.socket("bob"), await servers.socket("bob", "lists")
        await ask(alice, "POST", "/groups", guid="g", name="G", type="public")
        await ask(alice, "POST", "/groups/g/members", participants=["bob", "carol"])
        to_bob, to_group = await say(alice, "bob", "hello"), await say(alice, "g", "all", "group")
        from_bob = await say(await servers.act("bob"), "alice", "from bob")
        await bob.until(lambda: bob.ids[-1:] == [from_bob])

        servers.line.loses = True
        await until_sure(servers, alice, bob, to_bob)
        await ask(alice, "POST", f"/messages/{to_bob}/reactions/one")
        await ask(carol, "POST", f"/messages/{to_group}/reactions/two")
        await ask(carol, "POST", f"/messages/{to_group}/reactions/three")
        await ask(carol, "DELETE", f"/messages/{to_group}/reactions/three")
        await ask(alice, "POST", "/users/bob/conversation/read")
        await ask(alice, "POST", f"/messages/{to_group}/pin")
        await ask(alice, "PUT", "/groups/g", name="New name")
        wanted = ["added one", "added two", "removed three"]
        await bob.until(lambda: len(reactions(bob)) >= 3, HEALING_SECONDS)
        await bob.until(lambda: bob.of_type("receipts"), HEALING_SECONDS)
        await bob.until(lambda: [f for f in bob.frames if f["body"].get("action") == "pinned"], HEALING_SECONDS)
        await lists.until(lambda: lists.of_type("conversation_list"), HEALING_SECONDS)
        assert servers.line.lost >= 5
        healed = await servers.healed()
        assert healed >= 5
        servers.line.loses = False
        await ask(alice, "POST", f"/messages/{to_bob}/reactions/last")
        await bob.until(lambda: reactions(bob)[-1] == "added last", HEALING_SECONDS)
        assert reactions(bob) == [*wanted, "added last"]
        assert len(bob.of_type("receipts")) == 1
        assert [f["body"]["group"]["name"] for f in lists.of_type("conversation_list")] == ["New name"]
        assert bob.of_type("conversation_list") == []

        servers.line.loses = True
        await ask(alice, "DELETE", "/groups/g")
        await lists.until(
            lambda: lists.of_type("conversation_list")[-1]["body"]["action"] == "groupRemoved", HEALING_SECONDS
        )


async def test_lost_change_is_not_delivered_to_members_who_join_after_it(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path, nats: NatsServer | None
):
    async with lossy(postgres, postgres_url, tmp_path, nats) as servers:
        alice = await servers.act("alice")
        bob, carol = await servers.socket("bob", "chain"), await servers.socket("carol", "chain")
        await ask(alice, "POST", "/groups", guid="g", name="G", type="public")
        await ask(alice, "POST", "/groups/g/members", participants=["bob"])
        secret = await say(alice, "g", "secret", "group")
        await bob.until(lambda: secret in bob.ids)
        servers.line.loses = True
        await ask(alice, "POST", f"/messages/{secret}/pin")
        await ask(alice, "POST", "/groups/g/members", participants=["carol"])
        await bob.until(lambda: [f for f in bob.frames if f["body"].get("action") == "pinned"], HEALING_SECONDS)
        await ask(alice, "POST", f"/messages/{await say(alice, 'g', 'for all', 'group')}/reactions/x")
        await carol.until(lambda: carol.of_type("reaction"), HEALING_SECONDS)
        assert [f for f in carol.frames if f["body"].get("action") == "pinned"] == []


async def lose_reaction(servers: LossyPair, http: httpx2.AsyncClient, message_id: int) -> None:
    """Add the reaction `lost` to a message, and lose it on its way to the other server."""
    servers.line.loses = True
    await ask(http, "POST", f"/messages/{message_id}/reactions/lost")
    async with asyncio.timeout(HEALING_SECONDS):  # it is published after the answer
        while not servers.line.lost:
            await asyncio.sleep(0.01)
    servers.line.loses = False


async def test_change_lost_before_many_later_ones_reaches_a_connected_client_once(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path, nats: NatsServer | None
):
    """The client stays connected, receives more later changes than it remembers, and hands each over once."""
    async with lossy(postgres, postgres_url, tmp_path, nats) as servers:
        alice = await servers.act("alice")
        settings = AppSettingsBuilder().override_client_host(servers.other.url).build()
        bob = Actor(ChatClient(servers.other.app_id, settings, session_store=MemorySessionStore()))
        await bob.chat.init()
        bob.listen()
        try:
            await bob.chat.login("bob", auth_key=servers.one.auth_key)
            await bob.wait_connected()
            message_id = await say(alice, "bob", "hello")
            await bob.ears.until(lambda: bob.ears.texts == ["hello"])
            await lose_reaction(servers, alice, message_id)
            for n in range(80):
                await ask(alice, "POST", f"/messages/{message_id}/reactions/{n}")
            await bob.ears.until(lambda: len(bob.ears.all("reaction")) >= 81, HEALING_SECONDS)
            heard = [event.reaction.reaction for _, event in bob.ears.all("reaction")]
            assert sorted(heard) == sorted(["lost", *map(str, range(80))])
        finally:
            await bob.chat.aclose()


async def test_reaction_frames_have_the_number_up_to_which_no_change_is_missing(
    postgres: PostgresServer, postgres_url: str, tmp_path: Path, nats: NatsServer | None
):
    async with lossy(postgres, postgres_url, tmp_path, nats) as servers:
        alice, socket = await servers.act("alice"), await servers.socket("bob", "chain")
        message_id = await say(alice, "bob", "hello")
        await socket.until(lambda: message_id in socket.ids)
        await lose_reaction(servers, alice, message_id)
        await ask(alice, "POST", f"/messages/{message_id}/reactions/next")
        await socket.until(lambda: "added lost" in reactions(socket), HEALING_SECONDS)
        lost = next(f["number"] for f in socket.of_type("reaction") if f["body"]["reaction"] == "lost")
        for n in itertools.count():
            await ask(alice, "POST", f"/messages/{message_id}/reactions/{n % 2}")
            await ask(alice, "DELETE", f"/messages/{message_id}/reactions/{n % 2}")
            if socket.of_type("reaction")[-1].get("settled", 0) > lost:
                break
        newest = socket.of_type("reaction")[-1]
        assert newest["settled"] < newest["number"]
