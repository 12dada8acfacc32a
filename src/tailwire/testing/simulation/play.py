"""A run: its people, its server, what they send, and the calm at its end."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field
from typing import Any

from tailwire.sdk.calls.parts import made_parts, parts_of
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.state import Network
from tailwire.sdk.exceptions import CometChatException
from tailwire.server.actions.caller import Caller
from tailwire.server.actions.groups import NewGroup
from tailwire.server.actions.members import Join
from tailwire.server.fanout.overload import Level
from tailwire.testing.simulation.copies import Copies
from tailwire.testing.simulation.losses import Losses
from tailwire.testing.simulation.person import Person, Send
from tailwire.testing.simulation.plan import Plan
from tailwire.testing.simulation.reasons import Reasons
from tailwire.testing.simulation.steps import PEOPLE, USERS
from tailwire.testing.virtual.world import VirtualServer, virtual_loop
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import TextMessage

GROUP = "team"
MAX_WAIT = 1300.0
"""Seconds: more than `Timings.rare_cap`."""
NOT_REACHED = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_BAD_ERROR_RESPONSE"})
IN_DOUBT = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_MISSION_FAILED"})


@dataclass
class Play:
    """One run."""

    plan: Plan
    server: VirtualServer
    trace: list[tuple[Any, ...]] = field(default_factory=list)
    sends: dict[str, Send] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    connected: int = 0  # how often a client has told that it is, all together

    def __post_init__(self) -> None:
        self.chance = random.Random(self.plan.seed)
        self.people = {
            name: Person(name, self.server, self.plan.seed * 10 + n, self.trace) for n, name in enumerate(PEOPLE)
        }
        self.reasons = Reasons(virtual_loop().time)
        self.losses = Losses(virtual_loop().time, self.chance.random)
        self.copies = Copies(self.server.database)
        self._later: list[asyncio.Task[None]] = []
        self._starting = asyncio.Lock()
        self._numbers = 0

    # The run.

    async def begin(self) -> None:
        """A server with users and a group; everybody is logged in."""
        await self._start_server()
        await self.server.add_users(*USERS)
        assert self.server.parts is not None
        actions = self.server.parts.actions
        await actions.groups.create(Caller(USERS[0], "", ""), NewGroup(guid=GROUP, name="Team"))
        for uid in USERS[1:]:
            await actions.members.join(Caller(uid, "", ""), GROUP, Join())
        for person in self.people.values():
            person.start()
            await person.run(person.log_in())
            if not person.auto and person.chat is not None:
                await person.run(person.chat.connect())

    async def calm(self) -> None:
        """All is well again: the server is up, the network too, every app in the foreground and logged in."""
        loop = virtual_loop()
        for task in self._later:
            await task
        loop.network.restore()
        self.reasons.all_is_well()
        loop.network.jitter = loop.work_takes = float
        await self._start_server()
        self.losses.left = 0
        for person in self.people.values():
            person.blocks, person.raises = 0.0, False
            person.start()
        await asyncio.sleep(1)
        hints = self.chance.random() < 0.5
        for person in self.people.values():
            chat = person.chat
            assert chat is not None
            person.context.run(chat.set_app_state, "foreground")
            if hints:
                person.context.run(chat.set_network, "online")
            ends = bool(self.plan.tokens_last) and not person.has_provider
            if ends or chat.get_logged_in_user() is None or parts_of(chat).sessions.require().expired:
                await person.run(person.log_in(anew=ends))
            parts = made_parts(chat)
            held = parts is not None and parts.driver.state.held  # by disconnect(): that is for connect() to end
            if hints or held or not person.auto:
                person.run(quietly(chat.connect()))
        await asyncio.sleep(MAX_WAIT if self._told_offline() else 60)  # waits are over: without a hint too
        for person in self.people.values():
            chat = person.chat
            if chat is not None and (chat.get_logged_in_user() is None or parts_of(chat).sessions.require().expired):
                await person.run(person.log_in())  # the first one may have gone by a connection that was cut
                person.run(quietly(chat.connect()))
        await asyncio.sleep(120)  # receipts are merged, outboxes are empty
        if self.losses.lost:
            await self._say_once_more()

    def _told_offline(self) -> bool:
        # A platform that goes on saying that there is no network, although there is one, makes attempts rare.
        parts = [made_parts(person.chat) for person in self.people.values() if person.chat is not None]
        return any(p is not None and p.driver.state.network is Network.OFFLINE for p in parts)

    async def _say_once_more(self) -> None:
        # Something in every conversation: by what follows a lost message it is noticed.
        for person in self.people.values():
            self.say(person, GROUP, "group")
            for uid in USERS:
                if uid != person.uid:
                    self.say(person, uid, "user")
            await asyncio.sleep(1)
        await asyncio.sleep(60)

    async def end(self) -> None:
        """Close everything, and let what is under way come to its end."""
        for person in self.people.values():
            await person.close()
        await self.server.stop()
        await asyncio.sleep(300)

    # Sending.

    def say(
        self, person: Person, receiver: str, receiver_type: ReceiverTypeName, *, queued: bool = False, more: str = ""
    ) -> None:
        """Send a message. `more` makes its text longer."""
        chat = person.chat
        if chat is None or chat.get_logged_in_user() is None:
            return
        self._numbers += 1
        text = f"m{self._numbers}"
        send = self.sends[text] = Send(person.name, person.life, f"{receiver} {queued}", text, {text + more})
        message = TextMessage(receiver=receiver, receiver_type=receiver_type, text=text + more, muid=text)
        begun = virtual_loop().time()

        async def work() -> None:
            try:
                if queued and person.has_outbox:
                    entry = chat.queue_message(message)
                    send.kept = True
                    stored: Any = await entry.result()
                else:
                    stored = await chat.send_message(message)
            except CometChatException as error:
                known = error.code in IN_DOUBT or error.code in ("OUTBOX_CANCELLED", "ERR_CLIENT_CLOSED")
                send.outcome = "in doubt" if known else "refused"
                self._blame(person, send, error.code, begun)
                send.kept = send.kept and error.code == "ERR_CLIENT_CLOSED"
                person.log("not sent", text, error.code)
            except asyncio.CancelledError:
                send.outcome = "in doubt"
                raise
            else:
                send.outcome, send.id = "acknowledged", stored.id
                person.log("sent", text, stored.id)

        person.run(work())

    def _blame(self, person: Person, send: Send, code: str, begun: float) -> None:
        # A portal or a proxy is not the server: nothing that is queued fails for it, and nothing is refused by it.
        if send.kept and code in NOT_REACHED:
            self.broken.append(f"outbox: {send.muid} of {person.name} was queued, and failed with {code}")
        if send.outcome == "refused" and self.reasons.answered_by_another(person.name, begun):
            self.broken.append(f"refused: {send.muid} of {person.name} is refused ({code}) by what stands in between")

    def lost(self, name: str, cause: Cause | None) -> None:
        """A client was connected, and is so no more."""
        if not self.reasons.excuse(name, cause):
            self.broken.append(f"cut: {name} lost its connection ({cause}) without a fault or a documented reason")
        self.trace.append((round(virtual_loop().time(), 6), name, "lost", str(cause)))

    def change(self, person: Person, *, delete: bool) -> None:
        """Edit, or delete, the last message that the device has sent."""
        chat = person.chat
        mine = [s for s in self.sends.values() if s.by == person.name and s.id]
        if chat is None or not mine or chat.get_logged_in_user() is None:
            return
        send = mine[-1]
        text = "" if delete else f"{send.muid} edited"
        send.texts.add(text)  # from now on it may read so
        message = TextMessage(receiver="bob", id=send.id, text=text)
        person.run(quietly(chat.delete_message(send.id) if delete else chat.edit_message(message)))

    def log_out(self, person: Person) -> None:
        """Log out: what was queued is forgotten, also what an app that was killed had queued."""
        if person.chat is not None and person.chat.get_logged_in_user() is not None:
            for send in self.sends.values():
                send.kept = send.kept and send.by != person.name
        person.run(person.log_out())

    # The server.

    async def _start_server(self) -> None:
        async with self._starting:
            if self.server.parts is None:
                await self.server.start()
                assert self.server.parts is not None
                self.losses.stand_before(self.server.parts.gateway._hub)

    async def _down(self, seconds: float) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._start_server()

        self._later.append(asyncio.ensure_future(later()))

    async def server_kill(self, seconds: float) -> None:
        if self.server.parts is not None:
            await self.server.kill()
            await self._down(seconds)

    async def server_stop(self, seconds: float) -> None:
        if self.server.parts is not None and not virtual_loop().network.swallowing:
            await self.server.stop()
            await self._down(seconds)

    async def server_start(self, _: Any) -> None:
        await self._start_server()

    async def server_copy(self, _: Any) -> None:
        """Somebody makes a copy of the database, beside the running server."""
        if self.server.parts is not None:
            self.copies.make(self.server.parts.store)

    async def server_put_back(self, seconds: float) -> None:
        """The copy is put back by hand: what came after it is gone."""
        async with self._starting:
            running = self.server.parts is not None
            if running:
                await self.server.kill()
            self.copies.put_back()
        if running:
            await self._down(seconds)

    async def server_clock(self, seconds: float) -> None:
        self.server.world.wall_offset += seconds

    async def server_lose(self, count: int) -> None:
        """Some of the next messages do not reach who should hear them."""
        self.losses.left += count

    async def server_revoke(self, uid: str) -> None:
        if self.server.parts is not None:
            await self.server.parts.actions.keys.delete_tokens(uid)

    async def server_slow_work(self, seconds: float) -> None:
        virtual_loop().work_takes = lambda: self.chance.random() * seconds

    async def server_busy(self, seconds: float) -> None:
        """The server has too much to do: it leaves out all that it can, and takes no sends."""
        if self.server.parts is None:
            return
        overload = self.server.parts.overload
        overload.set(Level.SENDS, sends=0)

        async def over() -> None:
            await asyncio.sleep(seconds)
            overload.set(Level.NOTHING)

        self._later.append(asyncio.ensure_future(over()))


async def quietly(work: Any) -> None:
    """A call of which only the end is wanted, not how it ends."""
    try:
        await work
    except CometChatException as error:
        logging.getLogger("tailwire.simulation").debug("%s", error)
