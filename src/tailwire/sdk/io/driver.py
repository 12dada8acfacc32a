"""Carry out the commands of the connection machine, and feed it what happened.

The driver decides nothing about the connection. After an await it checks only whether the wire (the open WebSocket) is
still the current one, because one that was closed or abandoned meanwhile must not report anything. The driver has one
timer, and one task per socket, from the attempt to the end. No timer or task is left after `aclose()` (I10).
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
from tailwire.sdk.connection.state import ConnectionStatus, Phase, State, next_deadline
from tailwire.sdk.io.failures import AttemptError, WireClosed
from tailwire.sdk.io.link import Granted
from tailwire.sdk.io.owner import ConnectionOwner
from tailwire.sdk.io.traffic import Traffic
from tailwire.sdk.io.watchers import Watchers
from tailwire.sdk.io.world import Timer, Wire, World
from tailwire.wire.close_codes import CloseCode

log = logging.getLogger("tailwire")
YIELD_EVERY_FRAMES = 32
"""Reading yields to the event loop after this many frames, because buffered frames would block it otherwise."""


class WaitingCalls:
    """Futures for the app's waiting calls, such as `connect()`, by the number that stands for a call in the machine."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[tuple[c.Result, Cause | None]]] = {}
        self._last = 0

    def register(self) -> tuple[int, asyncio.Future[tuple[c.Result, Cause | None]]]:
        """Return a new number, and the future that `answer` sets to the result and its cause."""
        self._last += 1
        future: asyncio.Future[tuple[c.Result, Cause | None]] = asyncio.get_running_loop().create_future()
        self._waiting[self._last] = future
        return self._last, future

    def remove(self, number: int) -> bool:
        """Remove a call that was cancelled. Return whether it was still waiting."""
        return self._waiting.pop(number, None) is not None

    def answer(self, command: c.Answer) -> None:
        """Set the result of a call. Does nothing if it was cancelled."""
        future = self._waiting.pop(command.caller, None)
        if future is not None and not future.done():
            future.set_result((command.result, command.cause))


class ConnectionStats:
    """Measures how long the last socket lasted, and counts the attempts since, for the auth frame (feature `cause`)."""

    def __init__(self) -> None:
        self._opened_at = self._lived = 0.0
        self._attempts = 0

    def count_attempt(self, cause: Cause | None) -> dict[str, Any] | None:
        """Count an attempt, and return the report for its auth frame.

        Args:
            cause: why the last socket ended or the last attempt failed; None if nothing has failed yet.

        Returns:
            `cause`, `lived` (how many seconds the last socket lasted) and `attempts` (since then, with this one); None
            if there is no cause.
        """
        self._attempts += 1
        return {"cause": str(cause), "lived": round(self._lived, 1), "attempts": self._attempts} if cause else None

    def record_opened(self, now: float) -> None:
        """Record that a socket was opened at the time `now`."""
        self._opened_at = now

    def record_ended(self, now: float) -> None:
        """Record that the socket ended at the time `now`, and count attempts from 0 again."""
        self._lived, self._attempts = now - self._opened_at, 0


async def _try_to_send(wire: Wire, text: str) -> None:
    try:
        await wire.send(text)
    except WireClosed:
        return  # the reader gets the same error, and reports it


async def wait_until_no_socket(driver: Driver) -> None:
    """Wait until no socket of the driver is open, opening or closing. Does not close any."""
    while busy := [t for t in (driver._task, driver._closing) if t is not None and not t.done()]:
        await asyncio.wait(busy)


def _send_ping(driver: Driver, _: c.SendPing) -> None:
    driver._traffic.check_acknowledged(only_from_now=True)  # only bytes that move after the ping show that it is alive
    driver.send(driver._owner.ping_frame())


def _send_app_state(driver: Driver, command: c.SendAppState) -> None:
    frame = driver._owner.app_state_frame(command.app, command.window)
    if frame is not None:
        driver.send(frame)


def _renew_before_attempt(driver: Driver, command: c.RenewToken) -> None:
    driver._task = driver._owner.tokens.renew_before_attempt(driver, command.epoch)


class Driver:
    """Drives one connection machine on asyncio: reports inputs to it, and carries out its commands.

    Args:
        state: the initial state of the machine.
        traffic: records when bytes move on any connection of the client.

    Attributes:
        history: the last transitions and inputs.
        watchers: functions of the app that are called with each transition.
        details: details of the last failed attempt, such as an HTTP status; "" if there are none, or another attempt
            has begun.
        connected: set while the reported status is `connected` or `featureThrottled`.
    """

    def __init__(self, state: State, world: World, traffic: Traffic) -> None:
        self._traffic = traffic
        self._loop = asyncio.get_running_loop()
        self._state = state
        self._world = world
        self.history: History = History(state)
        self.watchers: Watchers = Watchers()
        self._timer: Timer | None = None
        self._received_at: float | None = None
        self._sent_at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._wire: Wire | None = None
        self._stats = ConnectionStats()
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._closing: asyncio.Task[None] | None = None
        self._calls = WaitingCalls()
        self._inputs: list[i.Input] = []
        self._stepping = False
        self.details: str = ""
        self.connected: asyncio.Event = asyncio.Event()

    def start(self, owner: ConnectionOwner) -> None:
        """Set the client that owns the driver. Called once, before the first input."""
        self._owner = owner

    @property
    def state(self) -> State:
        """The machine's state."""
        return self._state

    # Inputs.

    def feed(self, happened: i.Input) -> None:
        """Process an input, and carry out the resulting commands. Inputs that these feed are processed next.

        A nested call only queues its input; the outer call returns when all are processed.
        """
        self._inputs.append(happened)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inputs:
                happened = self._inputs.pop(0)
                due = next_deadline(self._state)
                if due is not None and due <= self._world.now() and not isinstance(happened, i.TimerFired):
                    self._step(self._timer_fired())  # the traffic is reported before a passed deadline is handled
                self._step(happened)
        finally:
            self._stepping = False
        self._arm()

    def _step(self, happened: i.Input) -> None:
        before, now, chance = self._state, self._world.now(), self._world.chance()
        self._state, commands = step(before, happened, now, chance)
        transition = self.history.record(before, happened, now, chance, self._state)
        for command in commands:
            self._HANDLERS[type(command)](self, command)
        self.watchers.notify(transition)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = next_deadline(self._state)
        if due is not None:
            self._timer = self._world.timer(max(0.0, due - self._world.now()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.feed(self._timer_fired())

    def _timer_fired(self) -> i.TimerFired:
        if self._state.phase is Phase.OPEN:  # bytes that moved since the unanswered ping
            self._traffic.check_acknowledged()
        traffic = self._traffic
        passed_at = traffic.passed_at if traffic.awaited else None
        return i.TimerFired(self._received_at, self._sent_at, traffic.moved_at or None, passed_at)

    async def call(self, make_input: Callable[[int], i.Input]) -> tuple[c.Result, Cause | None]:
        """Feed the input for a call of the app, and wait for its result and cause. On cancellation feed `CallerGone`.

        Args:
            make_input: takes the number of the call, and returns the input.
        """
        number, future = self._calls.register()
        self.feed(make_input(number))
        try:
            return await future
        except asyncio.CancelledError:
            if self._calls.remove(number):
                self.feed(i.CallerGone(number))
            raise

    # Commands.

    def _open(self, command: c.OpenSocket) -> None:
        self._task = self.begin(self._run_socket(command.epoch))

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task, which `aclose()` waits for and cancels if it lasts too long."""
        task = self._loop.create_task(work, name="tailwire connection")
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    async def _run_socket(self, epoch: int) -> None:
        # The task of one socket, from the attempt to its end.
        if self._closing is not None:
            await asyncio.wait([self._closing])  # at most one socket at any time (I7)
        self.details = ""
        try:
            link = await self._owner.open_link(self._stats.count_attempt(self._state.cause))
        except AttemptError as e:
            self.details = e.details
            log.debug("an attempt to connect failed: %s", describe(e.cause, e.details))
            self.feed(i.AttemptFailed(epoch, e.cause, e.wait, e.ours))
            return
        except Exception:
            log.exception("an attempt to connect failed with an unexpected error; it is retried")
            self.feed(i.AttemptFailed(epoch, Cause.BAD_ANSWER))
            return
        self._wire = link.wire
        self._stats.record_opened(self._world.now())
        self._received_at = self._sent_at = self._world.now()
        granted = link.granted
        self.feed(
            i.AttemptSucceeded(epoch, granted.interval, granted.timeout, granted.token_seconds_left, link.round_trip)
        )
        if self._wire is link.wire:
            self._owner.link_opened(granted)
            await self._read(epoch, link.wire)

    async def _read(self, epoch: int, wire: Wire) -> None:
        restart_window: float | None = None
        receive, now = wire.reader(), self._world.now
        take, wait_for_room = self._owner.frame_came, self._owner.room
        frames = 0
        try:
            while True:
                text = await receive()
                if self._wire is not wire:
                    return  # detached by a command that this task caused: discard the frame (I7)
                frames += 1
                if frames % YIELD_EVERY_FRAMES == 0:
                    await asyncio.sleep(0)  # callbacks run although frames are buffered
                self._received_at = now()
                window = take(text)
                if window is not None:
                    restart_window = window
                room = wait_for_room()
                if room is not None:
                    self.feed(i.ReadingPaused(epoch))
                    await room
                    self._received_at = now()
                    self.feed(i.ReadingResumed(epoch))
        except Exception as e:
            cause = wire.cause_of_end(e)
            if cause is None:
                log.exception("a frame caused an unexpected error; the connection is opened again")
                wire.abort()
                cause = Cause.BAD_ANSWER
            if self._wire is not wire:
                return
            self._wire = None
            self._socket_ended()
            self.feed(i.SocketLost(epoch, cause, restart_window))

    def report_pong(self) -> None:
        """Report to the machine that the server answered a ping on the current socket."""
        self.feed(i.PongReceived(self._state.epoch))

    def report_token_answer(self, granted: Granted | None) -> None:
        """Report the server's answer to a token sent on the open socket; None if the server rejected the token."""
        self._owner.tokens.handle_answer(self, granted)

    def report_server_answer(self) -> None:
        """Report to the machine that the server answered an HTTP request, if it waits for its next attempt."""
        if self._state.phase is Phase.WAITING:
            self.feed(i.ServerAnswered())

    def report_throttle(self, on: bool) -> None:
        """Report to the machine that the server turned features off (`on` is True) because of its load, or on again."""
        self.feed(i.ThrottleChanged(self._state.epoch, on))

    def _socket_ended(self) -> None:
        self._stats.record_ended(self._world.now())
        self._owner.link_ended()

    def _detach(self) -> Wire | None:
        # Detach the socket first, so that late frames are discarded (I7).
        task, self._task = self._task, None
        wire, self._wire = self._wire, None
        if wire is not None:
            self._socket_ended()
        if task is not None and task is not asyncio.current_task():
            task.cancel()
        return wire

    def _close(self, command: c.CloseSocket) -> None:
        wire = self._detach()
        if wire is not None:
            self._closing = self.begin(self._close_wire(wire, self._closing))

    async def _close_wire(self, wire: Wire, previous: asyncio.Task[None] | None) -> None:
        try:
            await wire.close(CloseCode.NORMAL)
            if previous is not None and not previous.done():
                await asyncio.wait([previous])
        except asyncio.CancelledError:
            wire.abort()
            raise

    def _abandon(self, command: c.AbandonSocket) -> None:
        wire = self._detach()
        if wire is not None:
            wire.abort()

    def send(self, text: str) -> bool:
        """Start a task that sends a frame. Return False if no socket is open. The reading task notices a failure."""
        if self._wire is None:
            return False
        self._sent_at = self._world.now()
        self.begin(_try_to_send(self._wire, text))
        return True

    def _report_status(self, command: c.ReportStatus) -> None:
        is_news = command.status is ConnectionStatus.CONNECTED or self.connected.is_set()
        if log.isEnabledFor(logging.INFO if is_news else logging.DEBUG):
            explanation = explain(self._state, self._world.now(), self.details)
            log.log(logging.INFO if is_news else logging.DEBUG, "%s", explanation)
        if command.status in (ConnectionStatus.CONNECTED, ConnectionStatus.FEATURE_THROTTLED):
            self.connected.set()
        else:
            self.connected.clear()
        self._owner.status_changed(command.status)

    _HANDLERS: dict[type, Callable[[Driver, Any], object]] = {
        c.OpenSocket: _open,
        c.CloseSocket: _close,
        c.AbandonSocket: _abandon,
        c.DropConnections: lambda self, command: self._owner.drop_connections(),
        c.ReadHistory: lambda self, command: self._owner.read_history(),
        c.StopReadingHistory: lambda self, command: self._owner.stop_reading_history(),
        c.SendPing: _send_ping,
        c.SendAppState: _send_app_state,
        c.RenewToken: _renew_before_attempt,
        c.RenewInPlace: lambda self, command: self._owner.tokens.renew_in_place(self, command.epoch, self._wire),
        c.ExpireSession: lambda self, command: self._owner.session_expired(),
        c.Answer: lambda self, command: self._calls.answer(command),
        c.ReportStatus: _report_status,
        c.ReportError: lambda self, command: self._owner.attempt_failed(command.cause, self.details),
    }

    async def aclose(self) -> None:
        """End the connection and all tasks, and wait for them. Tasks that last longer than a second are cancelled.

        The task that calls this is not waited for.
        """
        self.feed(i.ClientClosed())
        self.connected.set()  # ends the calls that wait for it
        self.connected.clear()
        current = asyncio.current_task()
        while left := [t for t in self._tasks if t is not current]:
            await asyncio.wait(left, timeout=1.0)
            for task in left:
                task.cancel()
