"""Runs tests on mutants: each in a process of its own, which has imported everything but the project before.

A first run without a fault records which test executes which line, and how long it takes. Each mutant is then tried
with the tests that execute its statement alone, the quickest first.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

import coverage
import hypothesis
import pytest

# `plain`, because pytest imports the modules of a plugin's package itself to rewrite their assertions.
OPTIONS = (
    "-x", "-q", "--assert=plain","-p", "no:cacheprovider", "-p", "no:schemathesis",
    "--no-header", "--tb=no", "-W", "ignore",
)  # fmt: skip
SLACK_SECONDS, SLOWER = 10.0, 6.0
"""A mutant that takes this much longer than the code without a fault runs forever: it is caught."""


class _OneModule(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from other code than its file's."""

    def __init__(self, name: str, code: CodeType, path: str) -> None:
        self._name, self._code, self._path = name, code, path

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        """Return this loader for the module."""
        if name != self._name:
            return None
        package = [os.path.dirname(self._path)] if self._path.endswith("__init__.py") else None
        return importlib.util.spec_from_file_location(name, self._path, loader=self, submodule_search_locations=package)

    def exec_module(self, module: ModuleType) -> None:
        """Run the other code."""
        exec(self._code, module.__dict__)


class _Quick:
    """A plugin for pytest that lets a fault be found quickly and in the same way each time, without shrinking.

    Args:
        tests: the tests, as in the table of parts.
        order: those of them that are run, in this order; None for all.
    """

    def __init__(self, tests: Sequence[str], order: Sequence[str] | None = None) -> None:
        self._tests = tests
        self._order = None if order is None else {test: place for place, test in enumerate(order)}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        """Try few examples of each property, the same ones in each run, without shrinking those that fail."""
        fast = hypothesis.settings.get_profile("fast")
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutants", fast, phases=phases, derandomize=True, database=None)
        hypothesis.settings.load_profile("mutants")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Run properties after all other tests, because they take longer, and slow tests last, if they are named."""
        items[:] = [item for item in items if not _is_slow(item) or item.nodeid in self._tests]
        if (order := self._order) is not None:
            items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])
            return
        items.sort(
            key=lambda item: 2 * _is_slow(item) + getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        )


class _Watching:
    """A plugin for pytest that records which test executes which line, and how long each test takes.

    Args:
        folder: the code that is watched.
        path: the file for what is recorded.
    """

    def __init__(self, folder: Path, path: str) -> None:
        self._path = path
        self._seconds: dict[str, float] = {}
        # Without settings of the project, which are for the coverage of the whole suite.
        include = [f"{folder}/*"] if folder.is_dir() else [str(folder)]
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=include)
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Record a test with its fixtures."""
        self._coverage.switch_context(item.nodeid)
        begun = time.monotonic()
        try:
            return (yield)  # type: ignore[return-value]
        finally:
            self._seconds[item.nodeid] = time.monotonic() - begun
            self._coverage.switch_context("")

    def pytest_sessionfinish(self) -> None:
        """Write what was recorded."""
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {file: data.contexts_by_lineno(file) for file in data.measured_files()}
        Path(self._path).write_text(json.dumps([self._seconds, lines]))


@dataclass
class Reach:
    """Which tests reach which lines.

    Attributes:
        seconds: how long each test took.
        lines: for each file and line, the tests that executed it.
    """

    seconds: dict[str, float]
    lines: dict[str, dict[int, list[str]]]

    def of(self, path: str, first: int, last: int, users: Iterable[tuple[str, int]] = ()) -> list[str]:
        """Return the tests that may notice a change of some lines of a file, the most promising first.

        Args:
            path: the file.
            first: the first line, within a function: the tests that execute one of the lines are returned, the quickest
                first. 0 for code that an import executes: all tests are returned.
            last: the last line.
            users: files and lines that use the names which that import defines. Tests that execute one of these come
                first, then those that execute any function of the file; among equals the quickest.
        """
        lines = self.lines.get(path, {})
        if first:
            reached = {test for line in range(first, last + 1) for test in lines.get(line, ())} - {""}
            return sorted(reached, key=self.seconds.__getitem__)
        using = {test for file, line in users for test in self.lines.get(file, {}).get(line, ())}
        near = {test for tests in lines.values() for test in tests}
        return sorted(self.seconds, key=lambda test: (test not in using, test not in near, self.seconds[test]))


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@dataclass
class Trial:
    """A running process: tests on a mutant."""

    number: int
    pid: int
    until: float


def begin(
    number: int,
    module: str,
    path: str,
    source: str,
    tests: Sequence[str],
    seconds: float,
    order: Sequence[str] | None = None,
    longest: float = 120.0,
    watching: tuple[Path, str] | None = None,
) -> Trial:
    """Start tests on a module with other source.

    Args:
        number: what the trial is called.
        module: the name of the module.
        path: its file.
        source: its other source.
        tests: the tests, as in the table of parts.
        seconds: how long they may take.
        order: those of the tests that are run, in this order; None for all.
        longest: how many seconds one test may take.
        watching: the code whose executed lines are recorded, and the file for them.
    """
    pid = os.fork()
    if pid:
        return Trial(number, pid, time.monotonic() + seconds)
    os.setsid()  # so that what the tests start can be killed with them
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    code = 3
    try:
        sys.meta_path.insert(0, _OneModule(module, compile(source, path, "exec"), path))
        plugins: list[object] = [_Quick(tests, order)]
        if watching:
            plugins.append(_Watching(*watching))
        # The files of the chosen tests alone, because others take time to import.
        chosen = tests if order is None else sorted({test.partition("::")[0] for test in order})
        code = int(pytest.main([*OPTIONS, f"--timeout={longest:.0f}", *chosen], plugins=plugins))
    finally:
        os._exit(code)


def ended(trial: Trial) -> str:
    """Return `caught`, `survived` or `endless`; "" while it runs."""
    pid, status = os.waitpid(trial.pid, os.WNOHANG)
    if not pid:
        if time.monotonic() < trial.until:
            return ""
        os.waitpid(trial.pid, 0) if _kill(trial.pid) else None
        return "endless"
    _kill(trial.pid)
    return "survived" if os.waitstatus_to_exitcode(status) == 0 else "caught"


def _kill(group: int) -> bool:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def measure(tests: Sequence[str], code: Path) -> Reach:
    """Run the tests without a fault. Return which of them reach which lines of the code.

    Raises:
        RuntimeError: the tests fail.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reach.json"
        trial = begin(0, "no module", "", "", tests, 1200.0, watching=(code, str(path)))
        while not (how := ended(trial)):
            time.sleep(0.02)
        if how != "survived":
            raise RuntimeError(f"the tests fail without a fault: pytest {' '.join(tests)}")
        seconds, lines = json.loads(path.read_text())
    return Reach(seconds, {file: {int(n): tests for n, tests in of.items()} for file, of in lines.items()})
