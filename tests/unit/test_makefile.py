"""`make` finds a Python that can make environments, or says what to install."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # starts a shell for each case

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "cksum", "cut", "expand", "grep", "make", "rm", "sed", "touch")


class Machine:
    """A folder with a copy of the Makefile, and a search path with a few tools and the given Pythons."""

    def __init__(self, folder: Path) -> None:
        self._clone, self._path = folder / "clone", folder / "bin"
        self._clone.mkdir()
        self._path.mkdir()
        for name in ("Makefile", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self._clone)
        for tool in TOOLS:
            found = shutil.which(tool)
            if found is None:
                pytest.skip(f"{tool} is not installed")
            (self._path / tool).symlink_to(found)

    def install(self, name: str, version: tuple[int, int], *, venv: bool = True) -> None:
        """Add a Python that says it has a version, with or without the modules that make environments."""
        missing = "" if venv else "sys.modules['ensurepip'] = None;"
        code = f"import sys; sys.version_info = {(*version, 0, 'final', 0)}; {missing} exec(sys.argv.pop(1))"
        script = self._path / name
        script.write_text(
            f'#!/bin/bash\n[ "$1" = -c ] && exec {sys.executable} -c "{code}" "$2"\necho "{name} $*"; exit 7\n'
        )
        script.chmod(0o755)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `make` in the folder."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
        environment.pop("PYTHON", None)
        return subprocess.run(
            ["make", *arguments], cwd=self._clone, capture_output=True, text=True,
            env={**environment, "PATH": str(self._path)},
        )  # fmt: skip


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def assert_refused(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode != 0
    assert "There is no Python from 3.11 to 3.14 that can make environments." in done.stderr
    assert "apt install python3 python3-venv" in done.stderr


@pytest.mark.parametrize("target", ["demo", "test"])
def test_missing_python_is_explained(machine, target):
    assert_refused(machine.make(target))


def test_python_that_is_too_old_or_too_new_is_not_used(machine):
    machine.install("python3", (3, 10))
    machine.install("python", (3, 15))
    assert_refused(machine.make("demo"))


def test_python_without_ensurepip_is_not_used(machine):
    machine.install("python3.11", (3, 11), venv=False)  # Debian without python3-venv
    assert_refused(machine.make("demo"))


SUPPORTED = [
    (3, int(minor)) for minor in re.findall(r"Python :: 3\.(\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
]


@pytest.mark.parametrize("version", SUPPORTED, ids=lambda v: f"{v[0]}.{v[1]}")
@pytest.mark.parametrize("named", [False, True], ids=["python3", "with its version"])
def test_each_supported_python_is_used(machine, version, named):
    name = f"python{version[0]}.{version[1]}" if named else "python3"
    machine.install("python3.11", (3, 11), venv=False)  # is skipped
    machine.install(name, version)
    assert f"{name} -m venv .venv" in machine.make("demo").stdout


@pytest.mark.parametrize("target", ["serve", "lab", "chat"])
def test_arguments_reach_the_command(machine, target):
    assert " --port 8481" in machine.make("--dry-run", target, "ARGS=--port 8481").stdout


def test_list_of_commands_says_how_to_use_another_port(machine):
    (row,) = [row for row in machine.make().stdout.splitlines() if row.startswith("serve")]
    assert 'ARGS="--port 8481"' in row
