"""A client of the simulation of several servers. It uses the SDK's continuity machine, and moves between servers."""

from __future__ import annotations

import asyncio
from typing import Any

from tailwire.sdk.continuity import catch_up, chain, changes
from tailwire.sdk.continuity.commands import FetchAfter, FetchLatest, HandOver, ReportGap
from tailwire.sdk.continuity.state import CatchUp
from tailwire.testing.simulation.servers_observed import BrokenPromise
from tailwire.testing.simulation.servers_socket import Socket
from tailwire.testing.simulation.servers_world import World


class Phone:
    """A client with the features of the SDK. Each connection is to a server that is chosen at random.

    Args:
        uid: the uid of its user.
        world: the run.

    Attributes:
        machine: the state of its continuity machine.
        messages: the ids of the messages that were handed over to the app, in order.
        changes: the numbers of the changes that were handed over to the app, in order.
        start: the id of the newest message and the number of the newest change at the login; None before.
        socket: its last connection; None before the first.
    """

    def __init__(self, uid: str, world: World) -> None:
        self.uid = uid
        self._world = world
        self.machine = CatchUp()
        self.messages: list[int] = []
        self.changes: list[int] = []
        self.start: tuple[int, int] | None = None
        self.socket: Socket | None = None
        self._epoch = 0

    async def stay_connected(self) -> None:
        """Connect to a server, and again whenever the connection is lost, until cancelled."""
        while True:
            await asyncio.sleep(self._world.chance.choice((0.01, 0.3, 1.5)))
            socket = Socket(self._world.any_server(), self.uid, self._take, chained=True)
            ended = asyncio.Event()
            socket.on_lost = ended.set
            if await socket.connect():
                self.socket = socket
                self._epoch += 1
                self._carry_out(catch_up.on_connected(self.machine, "store"))
                await ended.wait()
                self._epoch += 1
                catch_up.on_disconnected(self.machine)

    def _hand_over(self, number: int) -> None:
        self.messages.append(number)
        self._world.add_to_trace(self.uid, "message", number)

    def _hand_over_change(self, number: int) -> None:
        self.changes.append(number)
        self._world.add_to_trace(self.uid, "change", number)

    def _take(self, frame: Any) -> None:
        if self.socket is None or not self.socket.open:
            return
        m = self.machine
        if "m" in frame:
            number, predecessor_id = frame["m"], frame.get("before", 0)
            if predecessor_id and chain.is_broken(m, predecessor_id):
                self._carry_out(chain.hold(m, predecessor_id, number, number))
            elif catch_up.record_live(m, number):
                self._hand_over(number)
            else:
                self._carry_out(catch_up.on_live_message(m, number, number, predecessor_id=predecessor_id))
                self._carry_out(chain.release_if_mended(m))
            return
        number = frame["number"]
        if not changes.is_known(m, number) and not changes.hold_if_busy(m, number, number):
            changes.record(m, number)
            changes.on_settled(m, frame.get("settled", 0))
            self._hand_over_change(number)
            if changes.has_many_unsettled(m):
                self._carry_out(catch_up.poll(m))

    def _carry_out(self, commands: Any) -> None:
        loop = asyncio.get_running_loop()
        for command in commands:
            if isinstance(command, HandOver):
                for item in command.messages:
                    if isinstance(item, changes.Change):
                        self._hand_over_change(item.event)
                    else:
                        self._hand_over(item)
            elif isinstance(command, FetchAfter | FetchLatest):
                self._world.run(self._fetch(command, self._epoch))
            elif isinstance(command, chain.Wait):
                loop.call_later(command.seconds, self._waited, self._epoch)
            elif isinstance(command, ReportGap):
                raise BrokenPromise(f"{self.uid} was told a gap: {command}")

    def _waited(self, epoch: int) -> None:
        if epoch == self._epoch:
            self._carry_out(chain.on_wait_over(self.machine))

    async def _fetch(self, command: FetchAfter | FetchLatest, epoch: int) -> None:
        store, chance, m = self._world.store, self._world.chance, self.machine
        await asyncio.sleep(chance.choice((0.002, 0.05, 0.4)))
        while epoch == self._epoch and (store.fails or chance.random() < 0.1):
            command = catch_up.on_page_failed(m, command)
            await asyncio.sleep(0.3)
        if epoch != self._epoch:
            return
        if isinstance(command, FetchLatest):
            found = store.newest(self.uid)
            await asyncio.sleep(0.01)
            if epoch == self._epoch:
                self.start = self.start or found
                self._carry_out(catch_up.on_latest(m, found[0], "store", newest_change=found[1]))
            return
        assert m.position is not None
        page = store.page(self.uid, command.after_id, command.limit, m.position)
        await asyncio.sleep(chance.choice((0.001, 0.1)))
        if epoch == self._epoch:
            self._carry_out(catch_up.on_page(m, [(n, n) for n in page.ids], whole=page.whole, listed=page.listed))
