"""Runs tests on mutants: each in a process of its own, which has imported everything but the project before."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType, ModuleType

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
    """

    def __init__(self, tests: Sequence[str]) -> None:
        self._tests = tests

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
        items.sort(
            key=lambda item: 2 * _is_slow(item) + getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        )


def _is_slow(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


@dataclass
class Trial:
    """A running process: tests on a mutant."""

    number: int
    pid: int
    until: float


def begin(number: int, module: str, path: str, source: str, tests: Sequence[str], seconds: float) -> Trial:
    """Start tests on a module with other source."""
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
        code = int(pytest.main([*OPTIONS, *tests], plugins=[_Quick(tests)]))
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


def measure(tests: Sequence[str]) -> float:
    """Run the tests without a fault. Return the seconds.

    Raises:
        RuntimeError: the tests fail.
    """
    begun = time.monotonic()
    trial = begin(0, "no module", "", "", tests, 600.0)
    while not (how := ended(trial)):
        time.sleep(0.02)
    if how != "survived":
        raise RuntimeError(f"the tests fail without a fault: pytest {' '.join(tests)}")
    return time.monotonic() - begun
