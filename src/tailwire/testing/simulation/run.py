"""Run a plan: carry out its steps, let the system recover, and check the promises."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import logging
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection

from tailwire.sdk.connection.commands import ReportStatus
from tailwire.sdk.connection.state import ConnectionStatus, Phase, SessionState
from tailwire.sdk.io import driver
from tailwire.server.config import Settings
from tailwire.testing.invariants import BrokenInvariant, check_step
from tailwire.testing.server import UNLIMITED
from tailwire.testing.simulation import oracle, push_service
from tailwire.testing.simulation.limits import LOW_SETTINGS, low_limits
from tailwire.testing.simulation.plan import Plan
from tailwire.testing.simulation.simulation import Simulation
from tailwire.testing.simulation.step_handlers import DEVICE_STEPS, NETWORK_STEPS
from tailwire.testing.simulation.steps import Step
from tailwire.testing.virtual.loop import virtual_run
from tailwire.testing.virtual.network import current_process
from tailwire.testing.virtual.world import VirtualServer, virtual_loop

MEMORY_FOLDER = Path("/dev/shm")
"""The folder for the files of a run, if it exists. It is in memory, because syncing a real disk would take time."""
COLLECT_AFTER_OBJECTS = 50_000
"""The number of new objects after which the garbage collector runs (see `gc.set_threshold`).

With Python's default of 700 it would take a tenth of a run's time.
"""

MAX_RUN_SECONDS = 100 * 24 * 3600.0
"""Virtual seconds after which a run fails because it does not end; more than all waits of a plan together."""


class RunFailed(AssertionError):
    """A run has broken a promise, or has raised an exception.

    Attributes:
        rule: the name of the broken rule, which the message begins with; `raised` for an exception.
        trace: what happened, in order: the virtual time, who, what, and details.
    """

    def __init__(self, what: str, trace: list[tuple[Any, ...]]) -> None:
        super().__init__(what)
        self.rule = what.partition(":")[0]
        self.trace = trace


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a run.

    Attributes:
        seconds: the virtual seconds that it took.
        stored: the number of messages in the database at the end.
        received: the number of messages that the listeners of all devices received.
        digest: a hash of the trace. Runs of equal plans have equal digests.
    """

    seconds: float
    stored: int
    received: int
    digest: str


async def _run_step(sim: Simulation, step: Step) -> None:
    # Start a step without waiting for its end.
    await asyncio.sleep(step.wait)
    sim.trace.append((round(virtual_loop().time(), 6), step.who, step.what, step.value))
    sim.reasons.record_step(step.who, step.what, step.value)
    if step.who in sim.devices:
        DEVICE_STEPS[step.what](sim, sim.devices[step.who], step.value)
    elif step.who == "backend":
        sim.backend.start(step.what, step.value)
    elif step.who == "network":
        NETWORK_STEPS[step.what](sim, step.value)
    else:
        await getattr(sim, f"server_{step.what.replace(' ', '_')}")(step.value)
    _check_one_socket_each()


def _check_one_socket_each() -> None:
    # I7, as the network sees it, independent of the clients' own state.
    count: Counter[str] = Counter()
    for transport in virtual_loop().network.open:
        alive = not transport.is_closing() and isinstance(transport.protocol, ClientConnection)
        count[transport.device] += alive
    for name, sockets in count.items():
        oracle.require(sockets <= 1, f"I7: {name} has {sockets} sockets")


def _check_nothing_is_left() -> None:
    loop, me = virtual_loop(), asyncio.current_task()
    left = [t for t in asyncio.all_tasks() if t is not me]
    oracle.require(not left, f"I10: tasks are left: {[t.get_name() for t in left]} {left[:2]}")
    oracle.require(not loop.pending_timers(), f"I10: timers are left: {loop.pending_timers()[:3]}")


@contextmanager
def _checked(sim: Simulation) -> Iterator[None]:
    # Check the invariants at each step of each client's connection machine, and count connections.
    module: Any = driver
    honest = module.step

    def step(before: Any, happened: Any, now: float, chance: float) -> Any:
        after, commands = honest(before, happened, now, chance)
        try:
            check_step(before, happened, now, after, commands)
        except BrokenInvariant as error:
            sim.broken.append(str(error))
        if before.session is SessionState.VALID and after.session is SessionState.EXPIRED:
            sim.logins.record_rejection(current_process.get().partition("#")[0])
        if before.phase is Phase.OPEN and after.phase is not Phase.OPEN:
            sim.record_loss(current_process.get().partition("#")[0], after.cause)
        if before.status is ConnectionStatus.CONNECTING:
            sim.connection_count += commands.count(ReportStatus(ConnectionStatus.CONNECTED))
        return after, commands

    module.step = step
    try:
        yield
    finally:
        module.step = honest


class _Errors(logging.Handler):
    # Records errors that the SDK logs, and exceptions that no task retrieved; but not after a process was killed, which
    # causes thousands of them, nor in plans in which listeners of the app raise.
    def __init__(self, sim: Simulation) -> None:
        super().__init__(logging.ERROR)
        self._sim = sim
        self._raises = any(step.what == "raise" for step in sim.plan.steps)
        self._network = virtual_loop().network

    def _record(self, what: str) -> None:
        if not (self._raises or self._network.dead):
            self._sim.broken.append(f"died: {what}")

    def emit(self, record: logging.LogRecord) -> None:
        """Record an error that the SDK or the server logged; it fails the run."""
        error = record.exc_info[1] if record.exc_info else None
        self._record(f"the SDK reports {record.getMessage()!r} {error!r}")

    def unhandled(self, loop: Any, context: dict[str, Any]) -> None:
        """Record an exception that the event loop reports; it fails the run."""
        self._record(f"{context.get('message')} {context.get('exception')!r}")


@contextmanager
def _errors(sim: Simulation) -> Iterator[None]:
    logger, handler = logging.getLogger("tailwire"), _Errors(sim)
    virtual_loop().set_exception_handler(handler.unhandled)
    before = logger.disabled, logger.propagate
    logger.disabled = logger.propagate = False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.disabled, logger.propagate = before


@contextmanager
def _quiet() -> Iterator[None]:
    # Killed processes log thousands of errors and leave coroutines that were never awaited.
    loggers = [logging.getLogger(name) for name in ("tailwire", "tailwire.server", "uvicorn.error", "asyncio")]
    before = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            with _rare_collections():
                yield
                gc.collect()  # within this run, so that no other test gets the warnings
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


@contextmanager
def _rare_collections() -> Iterator[None]:
    # Objects that existed before the run are not examined for garbage during it. If the caller has already frozen its
    # objects, there are few others, and unfreezing those would also unfreeze the caller's.
    thresholds = gc.get_threshold()
    frozen = gc.get_freeze_count() > 0
    if not frozen:
        gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if not frozen:
            gc.unfreeze()


def _run(main: Callable[[], Coroutine[Any, Any, Report]]) -> Report:
    # A separate frame, so that the objects of the run are garbage when it ends, even if it fails.
    report: Report = virtual_run(main())
    return report


def _settings(plan: Plan, folder: str) -> Settings:
    more = (push_service.SETTINGS if plan.has_pushes else {}) | (LOW_SETTINGS if plan.has_low_limits else {})
    return Settings(data=folder, token_lifetime=plan.token_lifetime, **more, **UNLIMITED)


def simulate(plan: Plan) -> Report:
    """Run a plan on a new virtual loop: carry out its steps, let the system recover, and check all promises.

    Raises:
        RunFailed: a promise was broken, or the run raised an exception.
    """
    trace: list[tuple[Any, ...]] = []
    where = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None

    async def main() -> Report:
        with tempfile.TemporaryDirectory(dir=where) as folder:
            sim = Simulation(plan, VirtualServer(Path(folder), _settings(plan, folder)), trace)
            with _checked(sim), _errors(sim), low_limits(plan.has_low_limits):
                try:
                    async with asyncio.timeout(MAX_RUN_SECONDS) as limit:
                        await sim.begin()
                        for step in plan.steps:
                            await _run_step(sim, step)
                        await sim.recover()
                        stored = await oracle.check(sim)
                        await sim.end()
                except TimeoutError as e:
                    if not limit.expired():
                        raise
                    raise oracle.Violation("ended: the run did not finish") from e
                _check_nothing_is_left()
            oracle.require(not sim.broken, f"{sim.broken[:1]}")
            received = sum(len(p.received) for p in sim.devices.values())
            digest = hashlib.sha256(repr(trace).encode()).hexdigest()[:16]
            return Report(virtual_loop().time() - 1000.0, stored, received, digest)

    try:
        with _quiet():
            return _run(main)
    except oracle.Violation as wrong:
        raise RunFailed(str(wrong), trace) from wrong
    except Exception as error:
        raise RunFailed(f"raised: {error!r}", trace) from error  # can be shrunk like any failure
