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
    """The loop is idle, no timer is set, and a task still waits."""


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
    """An event loop on virtual time. It connects to sockets of `network`, and runs executor work in place.

    Attributes:
        network: where `create_server` listens and `create_connection` connects.
        executor_seconds: returns the virtual seconds until executor work is reported as done; called for each work.
        frozen_seconds: seconds for which `freeze` has suspended the process in all.
        outside_requests: number of requests to real servers in progress; virtual time stands still until it is 0.
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
        """Advance the clock; called when the loop is idle."""
        self._now += max(0.0, seconds)
        if self.network.meter is not None:
            self.network.meter.count_wakeups(self)

    def boot_time(self) -> float:
        """Return the virtual time in seconds, including the time that `sleep_machine` has added."""
        return self._now + self._asleep

    def freeze(self, seconds: float) -> None:
        """Suspend the process for this long: advance the clock; timers that became due fire late, afterwards."""
        self._now += seconds
        self.frozen_seconds += seconds

    def kill(self, process: str, *, connected: bool = True) -> None:
        """Kill a process (see `current_process`): reset its connections, cancel its timers and tasks.

        It can no longer connect, and data that its tasks send while they are cancelled is dropped.

        Args:
            connected: whether it has the connections of its device; False if another process of the device has them.
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
        """Schedule a callback, as asyncio does. Callbacks of killed processes are cancelled."""
        handle = super().call_at(when, callback, *args, context=context)
        if self.network.dead:
            self._cancel_if_dead(handle)
        return handle

    def sleep_machine(self, seconds: float) -> None:
        """Advance only `boot_time`, as when a device sleeps; timers are not affected."""
        self._asleep += seconds

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run the work in place: virtual time has no threads."""
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
        """Resolve a name to its addresses in the network. An unknown name is its own address.

        Raises:
            socket.gaierror: `Network.nameless` is set, and the name is not its own address.
        """
        name = host.decode() if isinstance(host, bytes) else str(host)  # anyio passes bytes
        if self.network.nameless and name in self.network.names.addresses:
            raise socket.gaierror(-3, "Temporary failure in name resolution")
        return list(self.network.names.infos(name, int(port or 0)))

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect to an address of the network. The real socket only stands for the connection until it is made."""
        host, port = address[:2]
        await self.network.reach(host, port)
        self._reached[sock] = host, port

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, *, sock: socket.socket | None = None, **_: Any
    ) -> Any:
        """Connect to a listener in the network, or use the connection that `sock_connect` made."""
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
    """
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main)
