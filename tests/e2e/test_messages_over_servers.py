"""ServerPair server processes on one PostgreSQL database: what happens at one reaches the sockets at the other.

One server on SQLite, which plays the part of both, must show the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from between import Authority
from harness import DISCONNECTED, LiveStage
from servers.nats import NatsServer
from servers.plain_sockets import PlainSocket
from servers.several import SeveralServers
from sizes import only_in_full, size
from tailwire import Group
from tailwire.testing.server import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@dataclass
class Setting:
    """How to start the servers of a test."""

    folder: Path
    database: str
    settings: dict[str, str]
    count: int = 2

    @asynccontextmanager
    async def started(self) -> AsyncIterator[ServerPair]:
        """Start the servers. If there is only one, it plays the part of both."""
        several = SeveralServers(self.folder, self.database, self.count, self.settings)
        async with several, AsyncExitStack() as stack:
            yield ServerPair(several, stack)
        assert several.tracebacks == []


IN_FULL = [pytest.mark.thorough, only_in_full("the same with two servers and the database as broker")]
SETTINGS = [pytest.param("memory", marks=IN_FULL), "database", pytest.param("nats", marks=IN_FULL)]


@pytest.fixture(params=SETTINGS)
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setting]:
    """Yield the setting of a test: one server on SQLite, or two on PostgreSQL with each broker."""
    yield from _setting(request, tmp_path)


@pytest.fixture(params=["memory", "database", "nats"])
def each_setting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setting]:
    """Yield the same, each also in `make test`."""
    yield from _setting(request, tmp_path)


def _setting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setting]:
    if request.param == "memory":
        yield Setting(tmp_path, "", {}, count=1)
        return
    url = request.getfixturevalue("postgres_url")
    if request.param == "database":
        yield Setting(tmp_path, url, {})
        return
    server = NatsServer()
    server.start()
    try:
        yield Setting(tmp_path, url, {"TAILWIRE_BROKER": server.url})
    finally:
        server.kill()


def backend(server: ServerProcess, uid: str) -> httpx2.AsyncClient:
    """Return a client of one server that acts for a user; if `uid` is "", for the app itself."""
    headers = {"appid": server.app_id, "apikey": server.api_key, **({"onBehalfOf": uid} if uid else {})}
    return httpx2.AsyncClient(base_url=f"{server.url}/v3", headers=headers)


async def say(http: httpx2.AsyncClient, receiver: str, text: str, kind: str = "user") -> int:
    """Send a message, and return its id."""
    body = {"receiver": receiver, "receiverType": kind, "category": "message", "type": "text", "data": {"text": text}}
    answer = await http.post("/messages", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["data"]["id"])


async def ask(http: httpx2.AsyncClient, method: str, path: str, **json: Any) -> Any:
    """Make a request that succeeds, and return its data."""
    answer = await http.request(method, path, **({"json": json} if json else {}))
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def metrics(server: ServerProcess) -> dict[str, float]:
    """Return the metrics of a server by name."""
    async with httpx2.AsyncClient() as http:
        text = (await http.get(f"{server.url}/metrics")).text
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("tailwire_")]
    return {name.removeprefix("tailwire_"): float(value) for name, value in lines}


class ServerPair:
    """ServerPair servers, a socket of bob at each, and backends of alice and carol at each."""

    def __init__(self, several: SeveralServers, stack: AsyncExitStack) -> None:
        self.several, self._stack = several, stack
        self.one, self.other = several.servers[0], several.servers[-1]
        self.other.auth_key, self.other.api_key = self.one.auth_key, self.one.api_key

    async def socket(self, server: ServerProcess, uid: str, *features: str) -> PlainSocket:
        return await self._stack.enter_async_context(PlainSocket(server, uid, features=features))

    async def act(self, server: ServerProcess, uid: str) -> httpx2.AsyncClient:
        return await self._stack.enter_async_context(backend(server, uid))


@pytest.mark.thorough
async def test_each_socket_receives_each_message_once_and_in_the_order_of_the_ids(each_setting: Setting):
    """Forty senders at both servers send at once, to a user who has a socket at each, and to a group."""
    each = size(4, 10)
    async with each_setting.started() as pair:
        sockets = [await pair.socket(server, uid) for server in (pair.one, pair.other) for uid in ("bob", "carol")]
        actors = [await pair.act(server, "alice") for server in (pair.one, pair.other)]
        await ask(actors[0], "POST", "/groups", guid="g", name="G", type="public")
        for uid in ("bob", "carol"):
            await ask(actors[0], "POST", "/groups/g/members", participants=[uid])

        async def send(sender: int) -> list[int]:
            http = actors[sender % 2]
            sent = []
            for n in range(each):
                receiver, kind = (("bob", "user"), ("g", "group"))[n % 2]
                sent.append(await say(http, receiver, f"{sender}-{n}", kind))
            return sent

        sent = sorted(message_id for ids in await asyncio.gather(*(send(n) for n in range(40))) for message_id in ids)
        for socket in sockets:
            wanted = 40 * each if socket.uid == "bob" else 20 * each
            await socket.until(lambda: len(socket.texts) >= wanted)  # noqa: B023 - awaited at once
            assert socket.ids == sorted(set(socket.ids))
        assert [n for n in sockets[0].ids if n in set(sent)] == sent
        assert sockets[0].ids == sockets[2].ids
        assert sockets[1].ids == sockets[3].ids
        assert (await metrics(pair.other))["log_gaps_total"] == 0


async def test_clients_at_two_servers_receive_messages_edits_and_receipts_from_each_other_and_catch_up(
    setting: Setting,
):
    """The SDK's clients write at the same time; then one is away while the other goes on at its server."""
    async with setting.started() as pair:
        live = LiveStage(setting.folder)
        live.server = pair.one
        try:
            alice = await live.enter("alice")
            bob = live.actor(url=pair.other.url)
            await bob.chat.init()
            bob.listen()
            await bob.chat.login("bob", auth_key=pair.one.auth_key)
            await bob.wait_connected()
            for n in range(5):
                await alice.say("bob", f"to bob {n}")
                await bob.say("alice", f"to alice {n}")
            await bob.ears.until(lambda: bob.ears.texts == [f"to bob {n}" for n in range(5)])
            await alice.ears.until(lambda: alice.ears.texts == [f"to alice {n}" for n in range(5)])
            bob.chat.set_app_state("background")
            await alice.say("bob", "while away")
            bob.chat.set_app_state("foreground")
            await alice.say("bob", "when back")
            await bob.ears.until(lambda: bob.ears.texts[5:] == ["while away", "when back"])
            sent = await alice.say("bob", "typo")
            sent.text = "corrected"
            await alice.chat.edit_message(sent)
            await bob.ears.until(lambda: bool(bob.ears.all("edited")))
            await bob.chat.mark_as_read(bob.ears.all("text")[-1])
            await alice.ears.until(lambda: bool(alice.ears.all("read")))
        finally:
            for actor in live.actors:
                await actor.chat.aclose()


async def test_both_users_learn_at_the_other_server_that_the_app_has_edited_their_message(setting: Setting):
    async with setting.started() as pair:
        sockets = [await pair.socket(pair.other, uid) for uid in ("alice", "bob")]
        message_id = await say(await pair.act(pair.one, "bob"), "alice", "typo")
        app = await pair.act(pair.one, "")
        await ask(app, "PUT", f"/messages/{message_id}", data={"text": "corrected"})
        await say(await pair.act(pair.one, "bob"), "alice", "end")
        for socket in sockets:
            await socket.until(lambda: "end" in socket.texts)  # noqa: B023 - awaited at once
            (edit,) = [f["body"] for f in socket.of_type("message") if f["body"]["category"] == "action"]
            assert (edit["sender"], edit["data"]["action"]) == ("app_system", "edited")


async def test_client_catches_up_with_reactions_and_receipts_of_the_other_server(setting: Setting):
    """Alice is away from one server; bob and carol go on at both. Each thing arrives once, missed or live."""
    async with setting.started() as pair:
        live = LiveStage(setting.folder)
        live.server = pair.one
        try:
            alice = await live.enter("alice")
            await alice.chat.create_group(Group("g", "G"))
            at_one, at_other = await pair.act(pair.one, "bob"), await pair.act(pair.other, "carol")
            for http in (at_one, at_other):
                await ask(http, "POST", "/groups/g/members")
            sent = (await alice.say("g", "hello", "group")).id
            await ask(at_one, "POST", f"/messages/{sent}/reactions/1")
            await alice.ears.until(lambda: len(alice.ears.all("reaction")) == 1)

            alice.chat.set_app_state("background")
            await alice.ears.until(lambda: alice.status is DISCONNECTED)
            both = [at_one, at_other]
            await asyncio.gather(*(
                ask(both[n % 2], "POST", f"/messages/{sent}/reactions/{n}") for n in range(2, 12)
            ))  # fmt: skip
            for http in both:
                await ask(http, "POST", "/groups/g/conversation/read")
            alice.chat.set_app_state("foreground")
            await alice.ears.until(lambda: len(alice.ears.all("reaction")) == 11)
            await alice.ears.until(lambda: len(alice.ears.all("read")) == 2 and bool(alice.ears.all("read by all")))

            await ask(at_other, "POST", f"/messages/{sent}/reactions/99")
            await alice.ears.until(lambda: len(alice.ears.all("reaction")) >= 12)
            heard = [event.reaction.reaction for _, event in alice.ears.all("reaction")]
            assert (heard[0], heard[-1]) == ("1", "99")
            assert sorted(map(int, heard)) == [*range(1, 12), 99]
            assert len(alice.ears.all("read")) == 2
        finally:
            for actor in live.actors:
                await actor.chat.aclose()


async def test_frames_other_than_messages_reach_the_other_server(each_setting: Setting):
    """Typing, transient messages, receipts, reactions and presence arrive at the sockets of the other server."""
    async with each_setting.started() as pair:
        alice, bob = await pair.socket(pair.one, "alice"), await pair.socket(pair.other, "bob")
        to = {"receiver": "bob", "receiverType": "user"}
        await alice.send({"type": "typing_indicator", **to, "body": {"action": "started"}})
        await bob.until(lambda: bob.of_type("typing_indicator"))
        for n in range(3):  # equal ones are not taken for one
            await alice.send({"type": "transient_message", **to, "body": {"data": {"n": n // 3}}})
        await bob.until(lambda: len(bob.of_type("transient_message")) == 3)
        message_id = await say(await pair.act(pair.one, "alice"), "bob", "hello")
        await bob.until(lambda: bob.ids == [message_id])
        body = {"action": "read", "messageId": str(message_id)}
        receipt = {"type": "receipts", "receiver": "alice", "receiverType": "user", "messageSender": "alice"}
        await bob.send({**receipt, "body": body})
        await alice.until(lambda: alice.of_type("receipts"))
        await ask(await pair.act(pair.other, "bob"), "POST", f"/messages/{message_id}/reactions/👍")
        await alice.until(lambda: alice.of_type("reaction"))
        carol = await pair.socket(pair.other, "carol")
        await alice.until(lambda: [f for f in alice.of_type("presence") if f["sender"] == "carol"])
        assert not carol.closed


async def test_member_receives_from_the_other_server_what_is_sent_between_their_join_and_their_removal(
    setting: Setting,
):
    """A member receives what is sent to the group while they belong to it, and the message that removes them."""
    async with setting.started() as pair:
        alice, bob = await pair.act(pair.one, "alice"), await pair.act(pair.one, "bob")
        socket = await pair.socket(pair.other, "bob")
        await ask(alice, "POST", "/groups", guid="g", name="G", type="public")
        await say(alice, "g", "before", "group")
        await ask(bob, "POST", "/groups/g/members")
        await say(alice, "g", "during", "group")
        await ask(alice, "DELETE", "/groups/g/members/bob")
        await say(alice, "g", "after", "group")
        await say(alice, "bob", "end")
        await socket.until(lambda: "end" in socket.texts)
        assert socket.texts == ["during", "end"]
        actions = [f["body"]["data"]["action"] for f in socket.of_type("message") if "action" in f["body"]["data"]]
        assert actions == ["joined", "kicked"]


async def test_user_who_is_banned_without_being_a_member_receives_only_the_ban_from_the_other_server(setting: Setting):
    async with setting.started() as pair:
        alice, socket = await pair.act(pair.one, "alice"), await pair.socket(pair.other, "bob")
        await ask(alice, "POST", "/groups", guid="g", name="G", type="public")
        await say(alice, "g", "before", "group")
        await ask(alice, "POST", "/groups/g/bannedusers/bob")
        await say(alice, "g", "after", "group")
        await say(alice, "bob", "end")
        await socket.until(lambda: "end" in socket.texts)
        assert [f["body"]["data"].get("action") for f in socket.of_type("message")] == ["banned", None]


async def test_owner_of_a_new_group_receives_its_messages_everywhere_until_it_is_removed(setting: Setting):
    async with setting.started() as pair:
        alice = await pair.act(pair.one, "alice")
        bob = await pair.act(pair.one, "bob")
        socket = await pair.socket(pair.other, "alice")
        other_app = await pair.socket(pair.other, "alice", "lists")
        await ask(alice, "POST", "/groups", guid="g", name="G", type="public")
        await ask(bob, "POST", "/groups/g/members")
        await say(bob, "g", "first", "group")
        await socket.until(lambda: "first" in socket.texts)
        await ask(alice, "DELETE", "/groups/g")
        await ask(bob, "POST", "/groups", guid="g", name="G again", type="private")
        await say(bob, "g", "not for alice", "group")
        await say(bob, "alice", "end")
        await socket.until(lambda: "end" in socket.texts)
        await other_app.until(lambda: "end" in other_app.texts)
        await other_app.until(lambda: other_app.of_type("conversation_list"))
        assert not socket.of_type("conversation_list")  # without the feature `lists`, as official clients
        assert socket.texts == ["first", "end"]
        assert other_app.texts == ["first", "end"]
        lists = [frame["body"]["action"] for frame in other_app.of_type("conversation_list")]
        assert lists == ["groupRemoved"]


@dataclass
class NatsOverTls:
    """A NATS server with TLS and a password, and what a server needs to connect to it."""

    place: str
    settings: dict[str, str]


@pytest.fixture
def nats_over_tls(tmp_path: Path) -> Iterator[NatsOverTls]:
    """Yield a NATS server that runs."""
    authority = Authority(tmp_path)
    authority.server_context()
    certificate = str(next(tmp_path.glob("localhost*.pem")))
    nats = NatsServer("--tls", "--tlscert", certificate, "--tlskey", certificate, "--user", "tw", "--pass", "secret")
    nats.start()
    place = f"localhost:{nats.port}"
    settings = {"TAILWIRE_BROKER": f"tls://tw:secret@{place}", "TAILWIRE_BROKER_CA": str(authority.file)}
    try:
        yield NatsOverTls(place, settings)
    finally:
        nats.kill()


async def test_server_connects_to_nats_with_tls_and_a_password(
    postgres_url: str, tmp_path: Path, nats_over_tls: NatsOverTls
):
    async with SeveralServers(tmp_path, postgres_url, 1, nats_over_tls.settings) as several:
        (server,) = several.servers
        assert (await metrics(server))["broker_connected"] == 1
        assert not [line for line in server.log if "secret" in line]
        several._settings["TAILWIRE_BROKER_CA"] = str(tmp_path / "none.pem")
        with pytest.raises(RuntimeError, match=r"broker_ca: the file .* cannot be used"):
            await several.add()
    assert several.tracebacks == []


async def test_server_that_nats_refuses_starts_and_receives_messages_from_the_database(
    postgres_url: str, tmp_path: Path, nats_over_tls: NatsOverTls
):
    async with SeveralServers(tmp_path, postgres_url, 1, nats_over_tls.settings) as several:
        (first,) = several.servers
        several._settings["TAILWIRE_BROKER"] = f"tls://tw:wrong@{nats_over_tls.place}"
        refused = await several.add()
        assert (await metrics(refused))["broker_connected"] == 0
        assert [line for line in refused.log if "NATS cannot be reached" in line and "Authorization" in line]
        refused.auth_key = first.auth_key
        async with PlainSocket(refused, "bob") as socket, backend(first, "alice") as alice:
            message_id = await say(alice, "bob", "hello")
            await socket.until(lambda: socket.ids == [message_id])
    assert several.tracebacks == []
