"""Dumps of a database, made and restored with PostgreSQL's own programs. Blocks; for commands only."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from tailwire.server.store.postgres.connecting import CONNECT_SECONDS, UNUSABLE, Connection, connect_reader
from tailwire.server.store.postgres.starting import STARTING_LOCK
from tailwire.server.store.sql.files import STORED_FILES_SQL

CHUNK_BYTES = 1 << 20
COUNT_SECONDS = 60.0
OF_RUNNING_PROCESSES = ("processes", "batches", "leases", "presence", "presence_versions")
"""The tables whose rows mean nothing in a copy: they are neither dumped nor loaded."""
_EXISTS_SQL = "SELECT to_regclass('processes') IS NOT NULL"
_ALIVE_SQL = "SELECT name FROM processes WHERE until > clock_timestamp() LIMIT 1"
_HIGHEST_ID_SQL = "SELECT last_value FROM message_ids"
# Objects of extensions stay. The rest is the server's: the database is its own.
_DROP_SQL = """BEGIN;
DO $drop$
DECLARE
    names text[];
    name text;
BEGIN
    names := array(
        SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END
               || ' IF EXISTS ' || c.oid::regclass
        FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'S', 'v')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'a', 'i'))
        UNION ALL
        SELECT 'ROUTINE IF EXISTS ' || p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = current_schema()::regnamespace
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e'));
    FOREACH name IN ARRAY names LOOP
        EXECUTE 'DROP ' || name || ' CASCADE';
    END LOOP;
END $drop$;
"""


class DatabaseInUse(OSError):
    """A server or command uses the database, or a server is starting on it."""


class ProgramFailed(OSError):
    """One of PostgreSQL's programs is missing or failed. The message has what it printed."""


def dump(url: str, file: Path) -> None:
    """Write the contents of a database to a file and verify the file. Servers may write meanwhile: it is one snapshot.

    Raises:
        ProgramFailed: `pg_dump` or `pg_restore` is missing or failed: the database cannot be read, or the file cannot
            be written or is damaged.
    """
    excluded = [f"--exclude-table-data={table}" for table in OF_RUNNING_PROCESSES]
    _run_program(url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", *excluded, f"--file={file}")
    check(file)


def check(file: Path) -> None:
    """Verify a dump by reading it to its end.

    Raises:
        ProgramFailed: the dump is damaged, or `pg_restore` is missing.
    """
    _run_program("", "pg_restore", f"--file={os.devnull}", str(file))


def schema_version(file: Path) -> str:
    """Return the version of the schema in a dump, a revision such as `0022`; "" if there is none.

    Raises:
        ProgramFailed: the dump is damaged, or `pg_restore` is missing.
    """
    rows = _run_program("", "pg_restore", "--data-only", "--table=alembic_version", "--file=-", str(file))
    found = re.search(r"^COPY \S+ \(version_num\) FROM stdin;\n(\S+)\n", rows, re.MULTILINE)
    return found[1] if found and found[1] != r"\." else ""


@contextmanager
def without_servers(url: str) -> Iterator[int | None]:
    """Make sure that no server uses a database within the context.

    A server that is started meanwhile waits until the context ends, at most `starting.WAIT_SECONDS`.

    Yields:
        The highest message id given out so far; None if the database does not have the server's tables.

    Raises:
        DatabaseInUse: a server or command uses the database, or a server is starting on it.
        OSError: the database cannot be reached.
    """
    with asyncio.Runner() as runner:
        try:
            connection = runner.run(connect_reader(url, CONNECT_SECONDS))
        except UNUSABLE as e:
            raise OSError(f"the PostgreSQL database cannot be used: {e}") from e
        try:
            taken = "SELECT pg_try_advisory_lock($1)"
            if not runner.run(connection.fetchval(taken, STARTING_LOCK, timeout=CONNECT_SECONDS)):
                raise DatabaseInUse("a server is starting on this PostgreSQL database: stop it first")
            yield runner.run(_contents(connection))
        finally:
            connection.terminate()


async def _contents(connection: Connection) -> int | None:
    if not await connection.fetchval(_EXISTS_SQL, timeout=CONNECT_SECONDS):
        return None
    alive = await connection.fetchval(_ALIVE_SQL, timeout=CONNECT_SECONDS)
    if alive is not None:
        raise DatabaseInUse(f"{alive} uses this PostgreSQL database: stop it first, or wait 10 s if it was killed")
    return int(await connection.fetchval(_HIGHEST_ID_SQL, timeout=CONNECT_SECONDS))


def count_of_files(url: str) -> int:
    """Return how many uploaded files a database names that are not removed.

    Raises:
        OSError: the database cannot be reached.
    """
    return asyncio.run(_count_of_files(url))


async def _count_of_files(url: str) -> int:
    try:
        connection = await connect_reader(url, COUNT_SECONDS)
        try:
            return int(await connection.fetchval(STORED_FILES_SQL, timeout=COUNT_SECONDS))
        finally:
            connection.terminate()
    except UNUSABLE as e:
        raise OSError(f"the PostgreSQL database cannot be used: {e}") from e


def load(url: str, file: Path) -> None:
    """Replace the contents of a database with those of a dump, in one transaction.

    Rows of `OF_RUNNING_PROCESSES` are left out: dumps of earlier versions have some.

    Raises:
        ProgramFailed: `pg_restore` or `psql` is missing or failed. The database is unchanged.
    """
    with tempfile.TemporaryDirectory() as folder:
        chosen = Path(folder) / "list"
        chosen.write_text(_list_to_load(file), errors="surrogateescape")
        _pipe(url, [f"--use-list={chosen}", str(file)])


def _list_to_load(file: Path) -> str:
    # The table of contents of a dump. A line about rows is "number; catalog oid TABLE DATA schema table owner".
    left_out = re.compile(rf" TABLE DATA \S+ ({'|'.join(OF_RUNNING_PROCESSES)}) ")
    lines = _run_program("", "pg_restore", "--list", str(file)).splitlines(keepends=True)
    return "".join(line for line in lines if not left_out.search(line))


def _pipe(url: str, what: list[str]) -> None:
    # Passes what `pg_restore` reads on to `psql`, which carries it out in one transaction.
    arguments, environment = _connection(url)
    read = [_path_of("pg_restore"), "--no-owner", "--no-privileges", "--file=-", *what]
    write = [_path_of("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", *arguments]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(read, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe) as reading,
        subprocess.Popen(
            write, stdin=pipe, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
        ) as writing,
    ):
        if reading.stdout is None or reading.stderr is None or writing.stdin is None or writing.stderr is None:
            raise RuntimeError("the programs are not piped")
        try:
            writing.stdin.write(_DROP_SQL.encode())
            shutil.copyfileobj(reading.stdout, writing.stdin, CHUNK_BYTES)
            output = reading.stderr.read()
            if reading.wait() == 0:  # without it, the end of the input rolls back
                writing.stdin.write(b"\nCOMMIT;\n")
            writing.stdin.close()
        except BrokenPipeError:
            reading.kill()  # psql has ended, and says why
            output = b""
        failed = writing.stderr.read()
        if writing.wait() or reading.returncode:
            raise ProgramFailed((failed or output).decode(errors="replace").strip())


def _run_program(url: str, program: str, *arguments: str) -> str:
    # Returns what the program has printed.
    where, environment = _connection(url) if url else ([], dict(os.environ))
    done = subprocess.run(
        [_path_of(program), *arguments, *where],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ProgramFailed(f"{program}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="surrogateescape")


def _path_of(program: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise ProgramFailed(
            f"{program} is not installed: install the client programs of PostgreSQL, of the server's version or newer"
        )
    return path


def _connection(url: str) -> tuple[list[str], dict[str, str]]:
    # The password is passed in the environment: other users of the machine can read the arguments of a process.
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    user, colon, secret = user.partition(":")
    options = parse_qsl(parts.query, keep_blank_values=True)
    passwords = [unquote(secret)] if colon else [value for name, value in options if name == "password"]
    query = urlencode([option for option in options if option[0] != "password"])
    environment = dict(os.environ)
    if passwords:
        environment["PGPASSWORD"] = passwords[0]
    plain = f"{parts.scheme}://{user}{'@' if user else ''}{host}{parts.path}{'?' if query else ''}{query}"
    return [f"--dbname={plain}"], environment
