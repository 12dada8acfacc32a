"""An asyncio event loop whose clock jumps to the next timer when it is idle."""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from tailwire.testing.virtual.network import Network, current_process

T = TypeVar("T")
REAL_POLL_SECONDS = 0.05


class Deadlock(RuntimeError):
    """Nothing can happen any longer: the loop is idle, no timer is set, and the main coroutine has not ended."""


class _Selector(selectors.BaseSelector):
    # Polls real descriptors (such as the loop's own wake-up pipe) without waiting; virtual time jumps instead.
    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.loop: VirtualLoop | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if self.loop is not None and self.loop.outside_requests:
            return self._real.select(REAL_POLL_SECONDS)
        if timeout is None:
            raise Deadlock("no timer is set and no task can continue")
        if self.loop is not None:
            self.loop.jump(timeout)
        return []

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Any:
        return self._real.get_map()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer as soon as it is idle, with an in-memory network.

    Work for an executor runs in the loop's thread, at once. Tasks, timers and connections belong to simulated
    processes (see `current_process`).

    Attributes:
        network: the network whose listeners `create_connection` connects to.
        executor_seconds: called for each piece of work for an executor; returns the virtual seconds after which its
            result is reported.
        frozen_seconds: the sum of the seconds of all calls of `freeze`.
        outside_requests: number of requests to real servers in progress, which the caller counts; virtual time stands
            still until it is 0.
    """

    def __init__(self) -> None:
        self._now = 1_000.0
        self._asleep = 0.0
        self.frozen_seconds = 0.0
        selector = _Selector()
        super().__init__(selector)
        selector.loop = self
        self.network = Network(self)
        self.executor_seconds: Callable[[], float] = float
        self.outside_requests = 0
        self._reached: WeakKeyDictionary[socket.socket, tuple[str, int]] = WeakKeyDictionary()
        self._processes: WeakKeyDictionary[asyncio.Task[Any], str] = WeakKeyDictionary()
        self.set_task_factory(self._make_task)

    def _make_task(self, loop: Any, coro: Any, **more: Any) -> asyncio.Task[Any]:
        of = current_process.get()
        context = more.get("context")
        if context is not None and current_process not in context:
            context.run(current_process.set, of)  # an empty context belongs to the process that made it
        elif context is not None:
            of = context[current_process]
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=loop, **more)
        self._processes[task] = of
        if of in self.network.dead:
            task.cancel()
        return task

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def jump(self, seconds: float) -> None:
        """Advance the clock by the seconds to the next timer. Called by the loop when it is idle."""
        self._now += max(0.0, seconds)
        if self.network.meter is not None:
            self.network.meter.count_wakeups(self)

    def boot_time(self) -> float:
        """Return the virtual time in seconds, plus the time that devices have slept (`sleep_machine`)."""
        return self._now + self._asleep

    def freeze(self, seconds: float) -> None:
        """Advance the clock at once, as if the whole process had been suspended: timers that became due fire late."""
        self._now += seconds
        self.frozen_seconds += seconds

    def kill(self, process: str, *, connected: bool = True) -> None:
        """Kill a simulated process: reset its connections, and cancel its timers and tasks.

        It can no longer connect, and data that its tasks send while they are cancelled is dropped. Returns before the
        tasks have ended.

        Args:
            process: the name of the process (see `current_process`).
            connected: whether the connections of its device are its own and are reset; False if they belong to another
                process of the device.
        """
        if connected:
            self.network.drop(process.partition("#")[0])
        self.network.dead.add(process)
        for handle in self._scheduled:  # type: ignore[attr-defined]
            self._cancel_if_dead(handle)
        for task, of in list(self._processes.items()):
            if of == process:
                self._end(task)

    def _end(self, task: asyncio.Task[Any], attempts: int = 10) -> None:
        # A task's cleanup may await something that was cancelled too and never completes, so cancel the task again.
        if attempts and not task.done():
            task.cancel()
            self.call_soon(self._end, task, attempts - 1)

    def _cancel_if_dead(self, handle: asyncio.TimerHandle) -> None:
        context = handle._context  # type: ignore[attr-defined]
        if context is not None and context.get(current_process, "") in self.network.dead:
            handle.cancel()

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Schedule a callback, as asyncio does. If its process was killed, the callback is cancelled."""
        handle = super().call_at(when, callback, *args, context=context)
        if self.network.dead:
            self._cancel_if_dead(handle)
        return handle

    def sleep_machine(self, seconds: float) -> None:
        """Advance `boot_time` but not `time`, as if the device had slept. No timer becomes due by this."""
        self._asleep += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run a function at once in the loop's thread, and return a future of its result.

        An exception is reported at once, a result after `executor_seconds`.
        """
        future: asyncio.Future[T] = self.create_future()
        try:
            result = func(*args)
        except Exception as e:  # noqa: BLE001 - stored in the future
            future.set_exception(e)
            return future
        seconds = self.executor_seconds()
        if seconds:
            self.call_later(seconds, _end, future, result)
        else:
            future.set_result(result)
        return future

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[Any]:
        """Resolve a name to its addresses in `network.names`. A name that is not known there is used as an address.

        Raises:
            socket.gaierror: the name is known, but `Network.nameless` is set.
        """
        name = host.decode() if isinstance(host, bytes) else str(host)  # anyio passes bytes
        if self.network.nameless and name in self.network.names.addresses:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return list(self.network.names.infos(name, int(port or 0)))

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Wait until the network accepts a connection to an address, and remember the address for this socket.

        The real socket is not connected: `create_connection` then makes the connection and closes the socket.

        Raises:
            OSError: if no connection is accepted (see `Network.reach`).
        """
        host, port = address[:2]
        await self.network.reach(host, port)
        self._reached[sock] = host, port

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, *, sock: socket.socket | None = None, **_: Any
    ) -> Any:
        """Connect to a listener in the network and return transport and protocol, as asyncio does.

        Args:
            protocol_factory: returns the protocol of the connection.
            host: the name or address; not used with `sock`.
            port: the port; not used with `sock`.
            sock: a socket for which `sock_connect` has returned.

        Raises:
            OSError: if no connection is accepted.
        """
        if sock is None:
            return await self.network.connect(protocol_factory, str(host), int(port))
        reached = self._reached.pop(sock)
        sock.close()
        return self.network.join(protocol_factory, *reached)

    def pending_timers(self) -> list[asyncio.TimerHandle]:
        """Return the timers that are set and not cancelled, in the order in which they are due."""
        return sorted(
            (h for h in self._scheduled if not h.cancelled()),  # type: ignore[attr-defined]
            key=lambda h: h.when(),
        )


def _end(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def virtual_run(main: Any, loop: type[VirtualLoop] = VirtualLoop) -> Any:
    """Run a coroutine on a new virtual loop, return its result, and cancel the tasks that are left.

    Args:
        main: the coroutine.
        loop: the class of the loop.

    Raises:
        Deadlock: the coroutine waits for something that can no longer happen.
        Exception: whatever the coroutine raises.
    """
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)
