"""A simulated system: the devices, the server, everything that was sent, and the recovery at the end of a run."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tailwire.sdk.calls.parts import made_parts, parts_of
from tailwire.sdk.connection.causes import Cause, CauseKind
from tailwire.sdk.connection.state import Network
from tailwire.sdk.exceptions import CometChatException
from tailwire.server.actions.caller import Caller
from tailwire.server.actions.groups import NewGroup
from tailwire.server.fanout.overload import Level
from tailwire.testing.simulation.backend import Backend
from tailwire.testing.simulation.backup import Backup
from tailwire.testing.simulation.commits import Commits
from tailwire.testing.simulation.contents import text_of
from tailwire.testing.simulation.deadlines import DeadLines, disconnected_devices, is_request_ended, is_trying
from tailwire.testing.simulation.device import Device
from tailwire.testing.simulation.device_store import ProcessFiles
from tailwire.testing.simulation.holes import Holes
from tailwire.testing.simulation.intents import Intents
from tailwire.testing.simulation.limits import LOW_CATCH_UP_LIMIT
from tailwire.testing.simulation.logins import Logins
from tailwire.testing.simulation.losses import Losses
from tailwire.testing.simulation.plan import Plan
from tailwire.testing.simulation.reasons import Reasons
from tailwire.testing.simulation.records import Send
from tailwire.testing.simulation.steps import DEVICES, USERS
from tailwire.testing.virtual.repeating import Repeater
from tailwire.testing.virtual.world import VirtualServer, virtual_loop
from tailwire.wire.constants import ReceiverTypeName
from tailwire.wire.entities import MediaMessage, TextMessage

GROUP = "team"
MAX_RETRY_SECONDS = 1300.0
"""Seconds in which every client tries to connect at least once; longer than `Timings.rare_cap`."""
NOT_REACHED = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_BAD_ERROR_RESPONSE"})
IN_DOUBT = frozenset({"NO_INTERNET_CONNECTION", "ERR_UNAVAILABLE", "ERR_MISSION_FAILED"})


@dataclass
class Simulation:
    """The system of one run.

    Attributes:
        plan: the plan of the run.
        server: the server, which may be down.
        trace: what happened, in order: the virtual time, who, what, and details.
        sends: everything that was sent, by muid.
        broken: a text for each promise that was broken during the run; it begins with the name of the rule.
        group: the guid of the group.
        in_doubt: the error codes of sends after which the message may or may not be stored.
        connection_count: how often clients reported that they are connected, all together.
    """

    plan: Plan
    server: VirtualServer
    trace: list[tuple[Any, ...]] = field(default_factory=list)
    sends: dict[str, Send] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    group: str = GROUP
    in_doubt: frozenset[str] = IN_DOUBT
    connection_count: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.plan.seed)
        self.devices = {
            name: Device(name, self.server, self.plan.seed * 10 + n, self.trace) for n, name in enumerate(DEVICES)
        }
        if self.plan.has_low_limits:
            for device in self.devices.values():
                device.large_catch_up_limit = LOW_CATCH_UP_LIMIT
        if self.plan.keeps_files:
            for name, device in self.devices.items():
                device.store = ProcessFiles(self.server.database.with_name(name))
        self.reasons = Reasons(virtual_loop().time)
        self.dead_lines = DeadLines()
        self.intents = Intents()
        self.logins = Logins(self)
        self.losses = Losses(virtual_loop().time, self.chance.random)
        self.holes = Holes(self)
        self.losses.on_delivered = self.holes.on_delivered
        self.backup = Backup(self.server.database)
        self.commits = Commits(virtual_loop().time)
        self.losses.stored = self.commits.messages
        self.backend = Backend(self, self.plan.seed * 10 + len(DEVICES))
        self.repeaters: dict[str, Repeater] = {}
        self.repeated: set[str] = set()  # muids in requests that a proxy has delivered again
        self._later: list[asyncio.Task[None]] = []
        self._turn_of_server = asyncio.Lock()  # of starts and stops, as a supervisor has one process at a time
        self._numbers = 0

    # The run.

    async def begin(self) -> None:
        """Start the server, create the users and the group, start all devices and log them in."""
        if self.plan.has_pushes:
            self.logins.service.listen()
        await self._start_server()
        await self.server.add_users(*USERS)
        assert self.server.parts is not None
        actions = self.server.parts.actions
        await actions.groups.create(Caller(USERS[0], "", ""), NewGroup(guid=GROUP, name="Team"))
        for uid in USERS[1:]:
            await actions.members.join(Caller(uid, "", ""), GROUP)
        for device in self.devices.values():
            device.start()
            await device.run(device.log_in())
            if not device.auto and device.chat is not None:
                await device.run(device.chat.connect())

    async def recover(self) -> None:
        """End all faults, and wait until everything should work again.

        The network is restored, the server and all apps are started, brought to the foreground and logged in. In half
        of the runs the apps also get hints that connecting is worth a try; what is wrong then is added to `broken`.
        """
        loop = virtual_loop()
        for task in self._later:
            await task
        loop.network.restore()
        self.reasons.record_restored_network()
        loop.network.jitter = loop.executor_seconds = float
        await self._start_server()
        self.losses.remaining = 0
        for device in self.devices.values():
            device.blocks, device.raises = 0.0, False
            device.start()
        await asyncio.sleep(1)
        hints = self.chance.random() < 0.5
        waiting = [device for device in self.devices.values() if not is_trying(device)]
        failed_logins: dict[str, bool] = {}  # by device: whether the token of its earlier login ends soon
        for device in self.devices.values():
            chat = device.chat
            assert chat is not None
            device.context.run(chat.set_app_state, "foreground")
            if hints:
                device.context.run(chat.set_network, "online")
            ends = bool(self.plan.token_lifetime) and not device.has_provider
            is_out = chat.get_logged_in_user() is None or parts_of(chat).sessions.require().expired
            if (ends or is_out) and not await device.run(device.log_in(new_token=ends)):
                failed_logins[device.name] = ends
            parts = made_parts(chat)
            held = parts is not None and parts.driver.state.held  # by disconnect(): only connect() ends it
            if hints or held or not device.auto:
                device.run(ignore_errors(chat.connect()))
        # Without hints nothing ends the waits between attempts, so wait long enough below.
        if hints:
            self.broken += await disconnected_devices(
                [device for device in waiting if device.name not in failed_logins]
            )
        await asyncio.sleep(MAX_RETRY_SECONDS if self._reports_offline() else 60)
        for device in self.devices.values():
            chat = device.chat
            if chat is None:
                continue
            is_out = chat.get_logged_in_user() is None or parts_of(chat).sessions.require().expired
            if device.name in failed_logins or is_out:
                # The first login after the faults may fail because it used a connection that had been cut: try twice.
                again = failed_logins.get(device.name, False)
                if not await device.run(device.log_in(new_token=again)) and device.name not in failed_logins:
                    await device.run(device.log_in(new_token=again))
            if device.name in failed_logins or is_out or is_request_ended(device):
                device.run(ignore_errors(chat.connect()))
        await self.backend.finish()
        await asyncio.sleep(120)  # receipts are merged, outboxes are empty
        if self.losses.lost:
            await self._send_everywhere()

    def _reports_offline(self) -> bool:
        # While the platform keeps reporting offline, attempts are rare.
        parts = [made_parts(device.chat) for device in self.devices.values() if device.chat is not None]
        return any(p is not None and p.driver.state.network is Network.OFFLINE for p in parts)

    async def _send_everywhere(self) -> None:
        # Send in every conversation: a later message reveals that an earlier one was lost.
        for device in self.devices.values():
            self.send_text(device, GROUP, "group")
            for uid in USERS:
                if uid != device.uid:
                    self.send_text(device, uid, "user")
            await asyncio.sleep(1)
        await asyncio.sleep(60)

    async def end(self) -> None:
        """Close the apps, the backend and the server, and wait until their tasks have had time to finish."""
        for device in self.devices.values():
            if device.second is not None:
                await device.second.close()
            await device.close()
        await self.backend.close()
        await self.server.stop()
        await asyncio.sleep(300)

    # Sending.

    def next_text(self) -> str:
        """Return a text that was not returned before; it also serves as a muid."""
        self._numbers += 1
        return f"m{self._numbers}"

    def add_to_trace(self, who: str, what: str, *more: Any) -> None:
        """Add an entry to `trace`, with the virtual time."""
        self.trace.append((round(virtual_loop().time(), 6), who, what, *more))

    def send_text(
        self,
        device: Device,
        receiver: str,
        receiver_type: ReceiverTypeName,
        *,
        queued: bool = False,
        more: str = "",
        parent: int = 0,
        tags: Sequence[str] = (),
    ) -> None:
        """Begin to send a new text from a device; without effect if no user is logged in there.

        Args:
            device: the sender.
            receiver: a uid, or the guid of the group.
            receiver_type: `user` or `group`.
            queued: whether it goes through the outbox, if the device has one.
            more: a text that is appended to it.
            parent: the id of the message in whose thread it is a reply; 0 for none.
            tags: its tags.
        """
        if device.chat is None or device.chat.get_logged_in_user() is None:
            return
        text = self.next_text()
        message = TextMessage(
            receiver=receiver, receiver_type=receiver_type, text=text + more, muid=text, parent_message_id=parent,
            tags=list(tags),
        )  # fmt: skip
        self.send(device, message, queued=queued)

    def send(
        self,
        device: Device,
        message: TextMessage | MediaMessage,
        *,
        queued: bool = False,
        files: dict[str, bytes] | None = None,
    ) -> None:
        """Begin to send a message from a device, and record it and later its outcome in `sends`.

        Args:
            device: the device, whose app runs.
            message: the message, with a muid that no other message has.
            queued: whether it goes through the outbox, if the device has one.
            files: the contents of its files, by the name under which the server stores them; None for no files.
        """
        chat, text = device.chat, message.muid
        assert chat is not None
        send = self.sends[text] = Send(
            device.name, device.life, f"{message.receiver} {queued}", text, {text_of(message)},
            parent=message.parent_message_id, tags={tuple(message.tags)}, files=files or {},
        )  # fmt: skip
        begun = virtual_loop().time()

        async def work() -> None:
            try:
                if isinstance(message, MediaMessage):
                    stored: Any = await chat.send_media_message(message)
                elif queued and device.has_outbox:
                    entry = chat.queue_message(message)
                    send.kept = True
                    stored = await entry.result()
                else:
                    stored = await chat.send_message(message)
            except CometChatException as error:
                known = error.code in IN_DOUBT or error.code in ("OUTBOX_CANCELLED", "ERR_CLIENT_CLOSED")
                send.outcome = "in doubt" if known else "refused"
                self._check_failure(device, send, error.code, begun)
                send.kept = send.kept and error.code == "ERR_CLIENT_CLOSED"
                device.log("not sent", text, error.code)
            except asyncio.CancelledError:
                send.outcome = "in doubt"
                raise
            else:
                send.outcome, send.id = "acknowledged", stored.id
                device.log("sent", text, stored.id)

        device.run(work())

    def _check_failure(self, device: Device, send: Send, code: str, begun: float) -> None:
        # A middlebox is not the server: its responses must not fail queued messages or refuse messages.
        if send.kept and code in NOT_REACHED:
            self.broken.append(f"outbox: {send.muid} of {device.name} was queued, and failed with {code}")
        if send.outcome == "refused" and self.reasons.answered_by_middlebox(device.name, begun):
            self.broken.append(f"refused: {send.muid} of {device.name} is refused ({code}) by a middlebox")

    def record_loss(self, name: str, cause: Cause | None) -> None:
        """Record that the client of a device has lost its connection; that breaks a promise if there is no reason."""
        if cause is not None and cause.kind is CauseKind.TOKEN:
            self.logins.record_rejection(name)
        if not self.reasons.is_excused(name, cause):
            self.broken.append(
                f"cut: {name} lost its connection ({cause}) without a fault or a reason that the documentation names"
            )
        self.trace.append((round(virtual_loop().time(), 6), name, "lost", str(cause)))

    def log_out(self, device: Device) -> None:
        """Begin to log a device out. Its queued messages, also of earlier lives, need no longer be sent."""
        if device.chat is not None and device.chat.get_logged_in_user() is not None:
            for send in self.sends.values():
                send.kept = send.kept and send.by != device.name
        self.logins.expect_revocation(device)
        device.run(device.log_out())

    # The server.

    async def _start_server(self) -> None:
        async with self._turn_of_server:
            if self.server.parts is None:
                await self.server.start()
                assert self.server.parts is not None
                self.losses.intercept(self.server.parts.gateway._hub)
                self.commits.watch(self.server.parts.store.database)

    async def _restart_after(self, seconds: float) -> None:
        async def later() -> None:
            await asyncio.sleep(seconds)
            await self._start_server()

        self._later.append(asyncio.ensure_future(later()))

    async def server_kill(self, seconds: float) -> None:
        if self.server.parts is not None:
            async with self._turn_of_server:
                await self.server.kill()
            await self._restart_after(seconds)

    async def server_stop(self, seconds: float) -> None:
        if self.server.parts is not None and not virtual_loop().network.swallowing:
            async with self._turn_of_server:
                await self.server.stop()
            await self._restart_after(seconds)

    async def server_start(self, _: Any) -> None:
        await self._start_server()

    async def server_copy(self, _: Any) -> None:
        """Back up the server's database; without effect if it is down."""
        if self.server.parts is not None:
            self.backup.take(self.server.parts.store)

    async def server_put_back(self, seconds: float) -> None:
        """Kill the server, restore the last backup, and start the server after some seconds, if it was running."""
        async with self._turn_of_server:
            running = self.server.parts is not None
            if running:
                await self.server.kill()
            self.backup.restore()
        if running:
            await self._restart_after(seconds)

    async def server_clock(self, seconds: float) -> None:
        self.server.world.wall_offset += seconds

    async def server_lose(self, count: int) -> None:
        """Let the server lose `count` of the next messages."""
        self.losses.remaining += count

    async def server_revoke(self, uid: str) -> None:
        if self.server.parts is not None:
            await self.logins.revoke_all(uid)

    async def server_slow_work(self, seconds: float) -> None:
        virtual_loop().executor_seconds = lambda: self.chance.random() * seconds

    async def server_busy(self, seconds: float) -> None:
        """Simulate an overload for some seconds: the server leaves out less important frames and refuses all sends."""
        if self.server.parts is None:
            return
        overload = self.server.parts.overload
        overload.set(Level.SENDS, sends=0)

        async def over() -> None:
            await asyncio.sleep(seconds)
            overload.set(Level.NONE)

        self._later.append(asyncio.ensure_future(over()))


async def ignore_errors(work: Any) -> None:
    """Await a call, and ignore a `CometChatException`."""
    try:
        await work
    except CometChatException as error:
        logging.getLogger("tailwire.simulation").debug("%s", error)
