"""Log lines: their formats, and how they are written."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import threading
import time

import pytest

from tailwire.server.telemetry import logs
from tailwire.server.telemetry.access_log import AccessLog, shown_path
from tailwire.server.telemetry.line_writer import LineWriter

ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d"


@pytest.fixture
def lines(request, monkeypatch):
    """Log to a list, at level `info`, in the format that the test names."""
    loggers = [logging.getLogger(name) for name in ("tailwire.server", "uvicorn.error")]
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in loggers]
    stream = io.StringIO()
    handler = logs.configure("info", request.param, stream)

    def read() -> list[str]:
        handler.close()
        return stream.getvalue().splitlines()

    yield read
    handler.close()
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_text_lines_have_a_time_with_offset_a_level_and_fields(lines, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        logs.report("something happened", uid="alice", reason="two words", empty="", nothing=None, count=0)
        logs.log.debug("not shown")
        (line,) = lines()
    finally:
        monkeypatch.undo()
        time.tzset()
    assert re.fullmatch(ISO + r' INFO something happened uid=alice reason="two words" count=0', line), line
    assert "+05:30" in line


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_json_lines_are_objects_with_the_same_content(lines):
    logs.report("something happened", logging.WARNING, uid="alice", count=3)
    logs.log.info("port=%d", 80)
    try:
        raise ValueError("bad")
    except ValueError:
        logs.log.exception("it failed")
    first, second, third = map(json.loads, lines())
    assert re.fullmatch(ISO, first.pop("time"))
    assert first == {"level": "warning", "message": "something happened", "uid": "alice", "count": 3}
    assert (second["level"], second["message"]) == ("info", "port=80")
    assert (third["level"], third["message"]) == ("error", "it failed")
    assert third["exception"].startswith("Traceback")
    assert third["exception"].endswith("ValueError: bad")


HOSTILE = "a\n2026-01-01 ERROR forged\r\x1b[31m\u2028\x85\x00\ud800"


@pytest.mark.parametrize("lines", ["text", "json"], indirect=True)
def test_untrusted_values_cannot_begin_a_line_or_control_a_terminal(lines, monkeypatch):
    apart = logging.Logger(
        "tailwire.server"
    )  # not captured by pytest, whose processes cannot exchange half a surrogate
    apart.handlers = [handler for handler in logs.log.handlers if isinstance(handler, logs._Handler)]
    monkeypatch.setattr(logs, "log", apart)
    logs.report("event", path=HOSTILE)
    logs.log.info("text %s", HOSTILE)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logs.log.exception("it failed")
    found = lines()
    beginnings = [line for line in found if not line.startswith("\t")]
    assert len(beginnings) == 3, found
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\ud800-\udfff]", "".join(found))
    assert not any(line.startswith("2026-01-01 ERROR forged") for line in found)


@pytest.mark.parametrize("lines", ["text"], indirect=True)
def test_log_level_can_be_changed_while_the_server_runs(lines):
    logs.log.debug("before")
    logs.set_level("debug")
    logs.log.debug("after")
    assert [line.split()[2] for line in lines()] == ["after"]


def test_log_that_nobody_reads_delays_nothing_and_reports_dropped_lines():
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    writer = LineWriter(stream, most=1000)
    began = time.monotonic()
    for n in range(5000):
        writer.write(f"{n} " + "x" * 200)
    assert time.monotonic() - began < 2  # a pipe holds 64 KB, so that writing them would block without limit
    assert writer.dropped > 0
    received: list[bytes] = []

    def read() -> None:
        while data := os.read(reading, 65536):
            received.append(data)

    thread = threading.Thread(target=read)
    thread.start()
    writer.close()
    stream.close()
    thread.join()
    os.close(reading)
    lines = b"".join(received).decode().splitlines()
    dropped = [int(line.split()[0]) for line in lines if "log lines were dropped" in line]
    assert len(lines) - len(dropped) + sum(dropped) == 5000
    kept = [int(line.split()[0]) for line in lines if "dropped" not in line]
    assert kept == sorted(kept)


def test_unwritable_stream_raises_nothing_and_lost_lines_are_reported():
    class Full(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return super().write(text)

    stream = Full()
    writer = LineWriter(stream)
    writer.write("lost")
    writer.close()
    stream.full = False
    writer.write("kept")
    assert stream.getvalue().splitlines() == [
        "kept",
        "1 log lines were dropped, because the log was read too slowly or could not be written",
    ]


@pytest.mark.parametrize(
    ("path", "known", "shown"),
    [
        ("/v3/apikeys/0123456789abcdef", True, "/v3/apikeys/…"),
        ("/v3/users/alice/auth_tokens/alice_17958249024f", True, "/v3/users/alice/auth_tokens/…"),
        ("/files/0123.png", True, "/files/…"),
        ("/files/upload-url", True, "/files/upload-url"),
        ("/v3/users/alice-in-a-very-long-wonderland", True, "/v3/users/alice-in-a-very-long-wonderland"),
        ("/secret/0123456789abcdef0123", False, "/secret/…"),
        ("/wp-login.php", False, "/wp-login.php"),
        ("/" + "a/" * 500, True, "/" + ("a/" * 500)[:199]),
    ],
)
def test_paths_are_shown_without_secrets(path, known, shown):
    assert shown_path(path, known=known) == shown


REQUEST = {
    "method": "GET", "status": 200, "seconds": 0.0123, "size": 100, "uid": "alice", "key": "", "address": "203.0.113.9",
    "request_id": "a-b:c",
}  # fmt: skip


@pytest.mark.parametrize("lines", ["text", "json"], indirect=True)
def test_line_of_a_request_has_the_same_form_for_plain_and_quoted_paths(lines):
    requests = AccessLog(enabled=True)
    requests.request(path="/v3/users/bob", **REQUEST)
    requests.request(path='/v3/users/a"b\n', **REQUEST)
    plain, other = lines()
    if plain.startswith("{"):
        first, second = json.loads(plain), json.loads(other)
        assert first | {"time": "", "path": ""} == second | {"time": "", "path": ""}
        assert (first["path"], second["path"]) == ("/v3/users/bob", '/v3/users/a"b\n')
    else:
        assert re.sub(ISO, "T", plain).replace("/v3/users/bob", "P") == re.sub(ISO, "T", other).replace(
            r'"/v3/users/a\"b\n"', "P"
        )
        assert plain.endswith(
            " INFO request method=GET path=/v3/users/bob status=200 ms=12.3 bytes=100 uid=alice address=203.0.113.9"
            " request_id=a-b:c"
        )
