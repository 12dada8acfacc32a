"""Carries out what the connection machine commands, and reports what happened.

Rules: it decides nothing; after an await it never asks whether the state is still right, it only reports; one timer;
one task for a socket, from the attempt to its end; nothing is left after `aclose()` (I10).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from tailwire.sdk.connection import commands as c
from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.explain import describe, explain
from tailwire.sdk.connection.history import History
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import Phase, State, Status, next_deadline
from tailwire.sdk.io.failures import AttemptError, WireClosed
from tailwire.sdk.io.link import Granted
from tailwire.sdk.io.owner import Owner
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.watchers import Watchers
from tailwire.sdk.io.world import Timer, Wire, World

log = logging.getLogger("tailwire")
NORMAL = 1000
BREATHE_EVERY = 32


class Callers:
    """Calls that wait: numbers in the machine, futures here."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[tuple[c.Result, Cause | None]]] = {}
        self._last = 0

    def new(self) -> tuple[int, asyncio.Future[tuple[c.Result, Cause | None]]]:
        """A number, and the future behind it."""
        self._last += 1
        future: asyncio.Future[tuple[c.Result, Cause | None]] = asyncio.get_running_loop().create_future()
        self._waiting[self._last] = future
        return self._last, future

    def forget(self, number: int) -> bool:
        """The one who waits was cancelled. Answers whether there was no answer yet."""
        return self._waiting.pop(number, None) is not None

    def answer(self, command: c.Answer) -> None:
        """End a call."""
        future = self._waiting.pop(command.caller, None)
        if future is not None and not future.done():
            future.set_result((command.result, command.cause))


class Lives:
    """How long the last socket lived, and how often it was tried since: told to a server that counts (`cause`)."""

    def __init__(self) -> None:
        self._opened_at = self._lived = 0.0
        self._tries = 0

    def begun(self, cause: Cause | None) -> dict[str, Any] | None:
        """An attempt begins. Answers what the server is told; None before the first socket."""
        self._tries += 1
        return {"cause": str(cause), "lived": round(self._lived, 1), "attempts": self._tries} if cause else None

    def opened(self, now: float) -> None:
        """A socket is open."""
        self._opened_at = now

    def ended(self, now: float) -> None:
        """It has ended."""
        self._lived, self._tries = now - self._opened_at, 0


async def _try_to_send(wire: Wire, text: str) -> None:
    try:
        await wire.send(text)
    except WireClosed:
        return  # the reader meets the same end, and reports it


async def no_socket(driver: Driver) -> None:
    """Wait until no socket is open, and none is being opened or closed."""
    while busy := [t for t in (driver._task, driver._closing) if t is not None and not t.done()]:
        await asyncio.wait(busy)


def _send_ping(driver: Driver, _: c.SendPing) -> None:
    driver._traffic.look(only_from_now=True)  # what moves from now on is life while the answer is waited for
    driver.send(driver._owner.ping_frame())


def _send_app_state(driver: Driver, command: c.SendAppState) -> None:
    frame = driver._owner.app_state_frame(command.app, command.window)
    if frame is not None:
        driver.send(frame)


def _renew_before_attempt(driver: Driver, command: c.RenewToken) -> None:
    driver._task = driver._owner.tokens.before_attempt(driver, command.epoch)


class Driver:
    """Drives one connection machine on asyncio."""

    def __init__(self, state: State, world: World, traffic: Traffic) -> None:
        self._traffic = traffic
        self._loop = asyncio.get_running_loop()
        self._state = state
        self._world = world
        self.history = History(state)  # the last transitions and inputs
        self.watchers = Watchers()
        self._timer: Timer | None = None
        self._heard_at: float | None = None
        self._said_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._wire: Wire | None = None
        self._lives = Lives()
        self._others: dict[asyncio.Task[None], None] = {}
        self._closing: asyncio.Task[None] | None = None
        self._callers = Callers()
        self._inputs: list[i.Input] = []
        self._stepping = False
        self.details = ""  # what was seen when the last attempt failed
        self.connected = asyncio.Event()

    def start(self, owner: Owner) -> None:
        """Begin to take inputs, for this client."""
        self._owner = owner

    @property
    def state(self) -> State:
        """The machine's state."""
        return self._state

    # Inputs.

    def feed(self, happened: i.Input) -> None:
        """Give an input to the machine and carry out what it commands."""
        self._inputs.append(happened)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inputs:
                happened = self._inputs.pop(0)
                due = next_deadline(self._state)
                if due is not None and due <= self._world.now() and not isinstance(happened, i.TimerFired):
                    self._step(self._time_has_come())  # what was seen meanwhile is known before it is judged
                self._step(happened)
        finally:
            self._stepping = False
        self._arm()

    def _step(self, happened: i.Input) -> None:
        before, now, chance = self._state, self._world.now(), self._world.chance()
        self._state, commands = step(before, happened, now, chance)
        transition = self.history.record(before, happened, now, chance, self._state)
        for command in commands:
            self._CARRIERS[type(command)](self, command)
        self.watchers.tell(transition)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = next_deadline(self._state)
        if due is not None:
            self._timer = self._world.timer(max(0.0, due - self._world.now()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.feed(self._time_has_come())

    def _time_has_come(self) -> i.TimerFired:
        if self._state.phase is Phase.OPEN:  # since the ping that waits for its answer
            self._traffic.look()
        return i.TimerFired(self._heard_at, self._said_at, self._traffic.moved_at or None)

    async def call(self, make: Callable[[int], i.Input]) -> tuple[c.Result, Cause | None]:
        """Feed a call and wait for its end; when the waiting task is cancelled the machine is told."""
        number, future = self._callers.new()
        self.feed(make(number))
        try:
            return await future
        except asyncio.CancelledError:
            if self._callers.forget(number):
                self.feed(i.CallerGone(number))
            raise

    # Commands.

    def _open(self, command: c.OpenSocket) -> None:
        self._task = self.begin(self._live(command.epoch))

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task that ends with the driver."""
        task = self._loop.create_task(work, name="tailwire connection")
        self._others[task] = None
        task.add_done_callback(self._others.pop)
        return task

    async def _live(self, epoch: int) -> None:
        # One socket, from the attempt to its end.
        if self._closing is not None:
            await asyncio.wait([self._closing])  # at most one socket at any moment (I7): the last one goes first
        self.details = ""
        try:
            link = await self._owner.open_link(self._lives.begun(self._state.cause))
        except AttemptError as e:
            self.details = e.details
            log.debug("an attempt to connect failed: %s", describe(e.cause, e.details))
            self.feed(i.AttemptFailed(epoch, e.cause, e.wait, e.ours))
            return
        except Exception:
            log.exception("an attempt to connect failed in a way that was not foreseen")
            self.feed(i.AttemptFailed(epoch, Cause.BAD_ANSWER))
            return
        self._wire = link.wire
        self._lives.opened(self._world.now())
        self._heard_at = self._said_at = self._world.now()
        granted = link.granted
        self.feed(i.AttemptSucceeded(epoch, granted.interval, granted.timeout, granted.left, link.round_trip))
        if self._wire is link.wire:
            self._owner.link_opened(granted)
            await self._read(epoch, link.wire)

    async def _read(self, epoch: int, wire: Wire) -> None:
        within: float | None = None
        receive, now = wire.reader(), self._world.now
        take, has_room = self._owner.frame_came, self._owner.room
        read = 0
        try:
            while True:
                text = await receive()
                if self._wire is not wire:
                    return  # let go by what this task itself reported: nothing of it reaches anyone any more (I7)
                read += 1
                if read % BREATHE_EVERY == 0:
                    await asyncio.sleep(0)  # a full socket does not keep the callbacks waiting
                self._heard_at = now()
                asked = take(text)
                if asked is not None:
                    within = asked
                room = has_room()
                if room is not None:
                    self.feed(i.ReadingPaused(epoch))
                    await room
                    self._heard_at = now()
                    self.feed(i.ReadingResumed(epoch))
        except Exception as e:
            cause = wire.cause_of_end(e)
            if cause is None:
                log.exception(
                    "a frame could not be taken for a reason that was not foreseen; the socket is opened anew"
                )
                wire.abort()
                cause = Cause.BAD_ANSWER
            if self._wire is not wire:
                return
            self._wire = None
            self._ended()
            self.feed(i.SocketLost(epoch, cause, within))

    def pong_came(self) -> None:
        """The owner saw an answer to a ping among the frames."""
        self.feed(i.PongReceived(self._state.epoch))

    def token_answered(self, granted: Granted | None) -> None:
        """The owner saw the server's answer to an offered token among the frames; None: the server rejected it."""
        self._owner.tokens.answered(self, granted)

    def server_answered(self) -> None:
        """The server answered a request. Told to the machine only while it waits: nothing else follows from it."""
        if self._state.phase is Phase.WAITING:
            self.feed(i.ServerAnswered())

    def throttled(self, on: bool) -> None:
        """The owner saw the server turn features off, or on again."""
        self.feed(i.ThrottleChanged(self._state.epoch, on))

    def _ended(self) -> None:
        self._lives.ended(self._world.now())
        self._owner.link_ended()

    def _let_go(self) -> Wire | None:
        # The task is cancelled and the wire is nobody's: what it still delivers reaches no one (I7).
        task, self._task = self._task, None
        wire, self._wire = self._wire, None
        if wire is not None:
            self._ended()
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        return wire

    def _close(self, command: c.CloseSocket) -> None:
        wire = self._let_go()
        if wire is not None:
            self._closing = self.begin(self._say_goodbye(wire, self._closing))

    async def _say_goodbye(self, wire: Wire, before: asyncio.Task[None] | None) -> None:
        try:
            await wire.close(NORMAL)
            if before is not None and not before.done():
                await asyncio.wait([before])
        except asyncio.CancelledError:
            wire.abort()
            raise

    def _abandon(self, command: c.AbandonSocket) -> None:
        wire = self._let_go()
        if wire is not None:
            wire.abort()

    def send(self, text: str) -> bool:
        """Send a frame on the open socket; False when there is none."""
        if self._wire is None:
            return False
        self._said_at = self._world.now()
        self.begin(_try_to_send(self._wire, text))
        return True

    def _tell_status(self, command: c.TellStatus) -> None:
        worth_telling = command.status is Status.CONNECTED or self.connected.is_set()
        if log.isEnabledFor(logging.INFO if worth_telling else logging.DEBUG):
            said = explain(self._state, self._world.now(), self.details)
            log.log(logging.INFO if worth_telling else logging.DEBUG, "%s", said)
        if command.status in (Status.CONNECTED, Status.FEATURE_THROTTLED):
            self.connected.set()
        else:
            self.connected.clear()
        self._owner.status_changed(command.status)

    _CARRIERS: dict[type, Callable[[Driver, Any], object]] = {
        c.OpenSocket: _open,
        c.CloseSocket: _close,
        c.AbandonSocket: _abandon,
        c.DropConnections: lambda self, command: self._owner.drop_connections(),
        c.ReadHistory: lambda self, command: self._owner.read_history(),
        c.StopReadingHistory: lambda self, command: self._owner.stop_reading_history(),
        c.SendPing: _send_ping,
        c.SendAppState: _send_app_state,
        c.RenewToken: _renew_before_attempt,
        c.RenewInPlace: lambda self, command: self._owner.tokens.in_place(self, command.epoch, self._wire),
        c.ExpireSession: lambda self, command: self._owner.session_expired(),
        c.Answer: lambda self, command: self._callers.answer(command),
        c.TellStatus: _tell_status,
        c.TellError: lambda self, command: self._owner.attempt_failed(command.cause, self.details),
    }

    async def aclose(self) -> None:
        """End everything, and wait until it has ended."""
        self.feed(i.ClientClosed())
        self.connected.clear()
        current = asyncio.current_task()
        while left := [t for t in self._others if t is not current]:
            await asyncio.wait(left, timeout=1.0)
            for task in left:
                task.cancel()
