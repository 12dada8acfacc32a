"""The command line and its error messages."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tailwire.cli.main import main, parser_for
from tailwire.extras import how_to_install
from tailwire.server.config import Settings
from tailwire.server.ports.world import World
from tailwire.server.setting_sources import meanings
from tailwire.server.store.sqlite.moved import mark_moved, mark_path
from tailwire.server.store.sqlite.store import SqliteStore
from tailwire.testing.new_database import put_new_database


def test_version_is_printed_by_the_command_and_the_module(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    output = capsys.readouterr().out
    assert (ended.value.code, output.startswith("tailwire ")) == (0, True)
    assert (
        subprocess.run([sys.executable, "-m", "tailwire", "--version"], capture_output=True, text=True).stdout == output
    )


def test_without_a_command_the_help_is_shown(capsys):
    assert main([]) == 2
    output = capsys.readouterr().out
    for command in ("serve", "demo", "keys", "doctor"):
        assert command in output


@pytest.mark.parametrize("field", dataclasses.fields(Settings), ids=lambda f: f.name)
def test_every_setting_is_an_argument(field):
    flag = "--" + field.name.replace("_", "-")
    if isinstance(field.default, bool):
        args = parser_for(["serve"]).parse_args(["serve", flag])
        assert getattr(args, field.name) is True
        args = parser_for(["serve"]).parse_args(["serve", flag.replace("--", "--no-", 1)])
        assert getattr(args, field.name) is False
    else:
        args = parser_for(["serve"]).parse_args(["serve", flag, "7"])
        assert getattr(args, field.name) == type(field.default)("7")
    assert getattr(parser_for(["serve"]).parse_args(["serve"]), field.name) is None  # so that the environment applies


def test_help_of_serve_says_what_each_setting_means(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10000")  # so that no word is broken
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    output = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(Settings):
        name = field.name.replace("_", "-")
        described = rf"--{name}(, --no-{name})?( \S+)? {re.escape(meanings()[field.name])}"
        assert re.search(described, output), field.name
    assert "--token-lifetime NUMBER how long an auth token is valid" in output
    assert "--port N the port to listen on; 0 picks a free one (8480)" in output


@pytest.mark.parametrize("command", [["keys"], ["user", "create", "ann", "Ann"], ["token", "create", "ann"]])
def test_command_that_needs_a_database_does_not_create_it(tmp_path, capsys, command):
    assert main([*command, "--data", str(tmp_path / "nowhere")]) == 1
    assert "there is no database at" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_password_of_the_database_that_cannot_be_moved_is_not_printed(capsys):
    assert main(["migrate", "--from", "postgresql://ann:s3cret@db/chat", "--to", "postgresql://db/chat"]) == 2
    output = capsys.readouterr().err
    assert ("sqlite:///FILE" in output, "s3cret" in output) == (True, False)


@pytest.mark.parametrize("command", ["backup", "restore", "migrate"])
def test_missing_driver_of_postgresql_is_named_with_what_to_install(tmp_path, command):
    folder = [] if command == "migrate" else [str(tmp_path / "backup")]
    code = "import sys; sys.modules['asyncpg'] = None; from tailwire.cli.main import run; run(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, command, *folder, "--data", str(tmp_path)],
        env={**os.environ, "TAILWIRE_DATABASE": "postgresql://db/chat"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"asyncpg is missing; run {how_to_install('postgres')}" in done.stderr


COMMANDS = (["user", "create", "ann", "Ann"], ["token", "create", "ann"], ["keys"], ["prune", "--older-than", "9d"])


def test_commands_create_no_keys_of_the_server(tmp_path, monkeypatch):
    put_new_database(tmp_path / "tailwire.db")
    monkeypatch.setenv("TAILWIRE_DATABASE", f"sqlite:///{tmp_path / 'tailwire.db'}")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for command in COMMANDS:
        assert main(command) == 0
    assert list((tmp_path / "here").iterdir()) == []  # nor a data folder


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_commands_of_root_leave_no_files_that_the_server_cannot_read(tmp_path):
    put_new_database(tmp_path / "data" / "tailwire.db")
    assert main(["user", "create", "bob", "Bob", "--data", str(tmp_path / "data")]) == 0
    for path in (tmp_path / "data", *(tmp_path / "data").iterdir()):
        os.chown(path, 12345, 23456)
    for command in (*COMMANDS, ["keys", "--replace"]):
        assert main([*command, "--data", str(tmp_path / "data")]) == 0
    owners = {path.name: path.stat().st_uid for path in (tmp_path / "data").iterdir()}
    assert "keys.json" in owners
    assert set(owners.values()) == {12345}


@pytest.fixture(autouse=True)
def _the_log_as_it_was():
    # `serve` configures it with the standard error stream of this test.
    loggers = [logging.getLogger(name) for name in ("tailwire.server", "uvicorn.error")]
    before = [(one.handlers, one.level, one.propagate) for one in loggers]
    yield
    for one, (handlers, level, propagate) in zip(loggers, before, strict=True):
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)


def serve(tmp_path, *arguments):
    return main(["serve", "--data", str(tmp_path / "data"), "--port", "0", *arguments])


def test_serve_names_the_address_that_it_cannot_listen_at(tmp_path, capsys):
    assert serve(tmp_path, "--host", "192.0.2.1") == 1
    output = capsys.readouterr().err
    assert "cannot listen on 192.0.2.1:0" in output
    assert "--host" in output
    assert serve(tmp_path, "--host", "no-such-name.invalid") == 1
    assert "cannot listen on no-such-name.invalid:0: the name is unknown" in capsys.readouterr().err


def test_serve_names_a_certificate_file_that_is_missing_or_invalid(tmp_path, capsys):
    there = tmp_path / "cert.pem"
    there.write_text("nonsense")
    assert serve(tmp_path, "--tls-cert", str(tmp_path / "no.pem"), "--tls-key", str(there)) == 1
    assert f"tls_cert: {tmp_path / 'no.pem'} cannot be read" in capsys.readouterr().err
    assert serve(tmp_path, "--tls-cert", str(there), "--tls-key", str(there)) == 1
    assert "not a matching certificate and key in PEM format" in capsys.readouterr().err


def test_serve_says_that_its_data_folder_is_a_file(tmp_path, capsys):
    (tmp_path / "data").write_text("x")
    assert serve(tmp_path) == 1
    assert f"data: {tmp_path / 'data'} is a file; name a folder with --data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:99999", "is not a URL"),
        ("nonsense://x", "is not the URL of a server"),
        ("http://127.0.0.1:9", "Is the server running?"),
        ("http://no-such-name.invalid", "Check the name in the URL"),
    ],
)
def test_doctor_prints_what_to_do(capsys, url, expected):
    assert main(["doctor", url]) == 1
    output = capsys.readouterr().out
    assert expected in output
    assert "Traceback" not in output


@pytest.mark.skipif(sys.platform == "win32", reason="closes descriptors by a shell")
def test_command_without_output_streams_returns_its_exit_code():
    done = subprocess.run(f"{shlex.quote(sys.executable)} -m tailwire --version >&- 2>&-", shell=True, check=False)
    assert done.returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full")
def test_full_output_device_does_not_replace_the_exit_code():
    code = "import sys; from tailwire.cli.main import run; sys.stdout.write('x'); run(['replay', 'missing.json'])"
    with open("/dev/full", "w") as full:
        environment = {**os.environ, "PYTHONUNBUFFERED": ""}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, stdout=full, stderr=subprocess.DEVNULL, env=environment, check=False)
    assert done.returncode == 1


def make_database(path: Path) -> None:
    """Create the database of a server that has run once."""
    put_new_database(path)

    async def start_once() -> None:
        await (await SqliteStore.open(path, World(), serving=True)).close()

    asyncio.run(start_once())


def test_backup_and_restore_of_a_moved_database_are_refused(tmp_path, capsys):
    data = tmp_path / "data"
    make_database(data / "tailwire.db")
    assert main(["backup", str(tmp_path / "before"), "--data", str(data)]) == 0
    mark_moved(data / "tailwire.db")
    (data / "uploads").mkdir()
    assert main(["backup", str(tmp_path / "after"), "--data", str(data)]) == 1
    assert "was moved to PostgreSQL" in capsys.readouterr().err
    assert not (tmp_path / "after").exists()
    assert main(["restore", str(tmp_path / "before"), "--data", str(data), "--replace"]) == 1
    assert "was moved to PostgreSQL" in capsys.readouterr().err
    assert mark_path(data / "tailwire.db").exists()
    assert (data / "uploads").is_dir()
    assert not list(data.glob("before-restore-*"))


def test_backup_and_restore_read_the_settings_from_a_file(tmp_path, capsys):
    make_database(tmp_path / "elsewhere" / "chat.db")
    config = tmp_path / "tailwire.toml"
    config.write_text(f'database = "sqlite:///{tmp_path}/elsewhere/chat.db"\nuploads = "s3://bucket/chat"\n')
    arguments = ["--data", str(tmp_path / "data"), "--config", str(config)]
    assert main(["backup", str(tmp_path / "backup"), *arguments]) == 0
    assert "The files in s3://bucket/chat are not included" in capsys.readouterr().out
    assert main(["restore", str(tmp_path / "backup"), *arguments, "--replace"]) == 0
    assert list((tmp_path / "elsewhere").glob("before-restore-*"))
    assert main(["backup", str(tmp_path / "again"), "--config", str(tmp_path / "missing.toml")]) == 2
    assert "missing.toml" in capsys.readouterr().err
