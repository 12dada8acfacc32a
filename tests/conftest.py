"""Run async tests, provide stages, sort the tests, and keep temporary files in memory."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest

import compiled  # noqa: F401 - imported first, for the modules below
from chromium.fixtures import _browser, chromium  # noqa: F401
from harness import LiveStage, Stage
from left_open import remove_what_the_failure_keeps
from servers.postgres import PostgresServer
from servers.s3 import S3Server
from servers.schema import prepare
from sizes import size
from tailwire.testing.virtual.loop import VirtualLoop

# Modules, tests and fixtures stay until the end: looking for garbage among them takes a third of the collection's time,
# and half a second in each test that collects garbage. `pytest_collection_finish` sets them aside.
THRESHOLDS = gc.get_threshold()
gc.set_threshold(100_000, 20, 100)

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile(
    "suite", deadline=None, max_examples=size(50, 100), suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")
hypothesis.settings.register_profile("fast", hypothesis.settings.get_profile("suite"), max_examples=20)  # `make fast`

MEMORY = Path("/dev/shm")  # Linux keeps what is written here in memory
ROOM_BYTES = 2 * 1024**3  # several times what the tests have there at once


TESTS = Path(__file__).parent
WAITING = ("e2e", "faults", "examples", "plugin", "sync")  # the slow tests there mostly wait


def pytest_configure(config: pytest.Config) -> None:
    """Prepare what the tests and the processes that they start inherit."""
    _heed_ctrl_c()
    _keep_files_in_memory()
    if hasattr(config, "workerinput") and [Path(arg).resolve() for arg in config.args] == [TESTS]:
        count = config.workerinput["workercount"]
        # A worker that takes the place of one that crashed has a number beyond the count.
        config.args = _folders_from(int(config.workerinput["workerid"][2:]) % count / count)


def _folders_from(place: float) -> list[str]:
    """Return the folders of tests, beginning at a place between 0 (the first one) and less than 1.

    Each worker collects all tests, and compiles those that are not compiled yet. In a new clone these are all, which takes
    longer than the rest. So each worker begins elsewhere, and finds compiled by others what it comes to later.
    """
    files = {folder: [*folder.rglob("test_*.py")] for folder in sorted(TESTS.iterdir()) if folder.is_dir()}
    sizes = {str(folder): sum(file.stat().st_size for file in found) for folder, found in files.items() if found}
    folders = list(sizes)
    ends = itertools.accumulate(sizes.values())
    first = next(n for n, end in enumerate(ends) if end > place * sum(sizes.values()))
    return folders[first:] + folders[:first]


def _heed_ctrl_c() -> None:
    # A script that starts the tests in the background makes them ignore Ctrl+C, and so would all that they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _keep_files_in_memory() -> None:
    """Keep temporary files in memory where there is room: on a disk, each store of a test waits for it many times.

    The first variable is pytest's own; a folder named with it or with `--basetemp` is used instead. The second is for
    all programs: PostgreSQL, browsers and the servers that tests start have their files there too.
    """
    if not MEMORY.is_dir() or os.statvfs(MEMORY).f_flag & os.ST_NOEXEC or shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        return
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))
    os.environ.setdefault("TMPDIR", str(MEMORY))
    tempfile.tempdir = None  # to be found again


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return two workers for each core: the tests wait for processes, timers and the disk as long as they compute.

    The tests that are not slow only compute: more workers for them would only collect the tests more often.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if config.getoption("markexpr") == "not slow" else 2 * cores


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the store on which stages run."""
    stores = ("sqlite", "postgres")
    store = os.environ.get("TAILWIRE_TEST_STORE", "sqlite")
    parser.addoption("--store", choices=stores, default=store, help="the store of the servers of `stage` and `live`")


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A server and clients on virtual time."""
    stage = Stage(tmp_path)
    if request.config.getoption("--store") == "sqlite":
        yield stage
        return
    from servers import in_place

    url = request.getfixturevalue("postgres_url")
    elsewhere = in_place.install(request.getfixturevalue("monkeypatch"), tmp_path, url)
    stage.postgres = request.getfixturevalue("postgres")
    stage.server._settings = replace(stage.server._settings, database=url)
    yield stage
    elsewhere.close()


@pytest.fixture
def live(tmp_path: Path, request: pytest.FixtureRequest) -> LiveStage:
    """A server process and clients over real sockets."""
    live = LiveStage(tmp_path)
    if request.config.getoption("--store") == "postgres":
        live.server._settings["TAILWIRE_DATABASE"] = request.getfixturevalue("postgres_url")
    return live


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole session; with xdist, one for each worker. Tests must leave it running."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a new database with the schema of this version."""
    url = postgres.create_database(prepare)
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """An S3 service for the whole session; with xdist, one for each worker. Tests must leave it running."""
    server = S3Server()
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test: on a virtual loop if it has a `stage` or is marked `virtual`, otherwise on a real one.

    The loop only exists while the test runs, so async fixtures are impossible; `stage` and `live` are entered here
    instead. pytest has no public name for the fixtures that a test requests directly, hence `_fixtureinfo`.
    """
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    set_up = arguments.get("stage") or arguments.get("live")

    async def main() -> None:
        if set_up is None:
            await pyfuncitem.obj(**arguments)
        else:
            async with set_up:
                await pyfuncitem.obj(**arguments)

    virtual = "stage" in arguments or pyfuncitem.get_closest_marker("virtual") is not None
    with asyncio.Runner(loop_factory=VirtualLoop if virtual else None) as runner:
        runner.run(main())
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remove what a test left open when it failed: the lines that close it are often not reached then."""
    failures = item.session.testsfailed
    result = yield
    if item.session.testsfailed > failures:
        remove_what_the_failure_keeps()
    return result


def pytest_collection_finish() -> None:
    """Keep what the collection made out of the search for garbage, and search as usual from now on."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


def _in_lanes(items: list[pytest.Item], lanes: int) -> list[pytest.Item]:
    """Return the tests in an order in which some of the workers run the tests that wait, and the others those that compute.

    Each worker begins with an equal share of the list, in its order, and later takes over from the end of the others'
    shares. So the tests that wait for processes and deadlines are put at the beginning of every other share: at all times
    some workers wait, and the others use the processors.
    """

    def waits(item: pytest.Item) -> bool:
        return item.path.relative_to(TESTS).parts[0] in WAITING and item.get_closest_marker("slow") is not None

    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if waits(item):
            files.setdefault(item.path, []).append(item)
    waiting, computing = list(files.values()), iter([item for item in items if not waits(item)])
    ordered: list[pytest.Item] = []
    for lane in range(lanes):
        ordered += itertools.chain.from_iterable(waiting[lane::lanes])
        ordered += itertools.islice(computing, max(0, len(items) * (lane + 1) // lanes - len(ordered)))
    return ordered + list(computing)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests: fast ones first, so that a failure is seen soon; with several workers see `_in_lanes`."""
    order = [
        "unit",
        "explore",
        "contract",
        "spec",
        "property",
        "rights",
        "e2e",
        "sync",
        "faults",
        "plugin",
        "chromium",
        "adapters",
        "examples",
        "sim",
        "interop",
    ]

    def rank(item: pytest.Item) -> tuple[int, int, str]:
        folder = item.path.relative_to(TESTS).parts[0]
        place = order.index(folder) if folder in order else len(order)
        return (1 if item.get_closest_marker("slow") else 0, place, folder)

    for item in items:
        if hypothesis.is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.thorough)  # with more examples
    if config.getoption("--store") != "sqlite":
        for item in items:
            if item.get_closest_marker("sqlite"):
                item.add_marker(pytest.mark.skip(reason="this is about the store on SQLite"))
    items.sort(key=rank, reverse=hasattr(config, "workerinput"))
    if hasattr(config, "workerinput"):
        items[:] = _in_lanes(items, max(1, config.workerinput["workercount"] // 2))
