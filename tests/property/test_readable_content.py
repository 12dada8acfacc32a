"""Whatever the server accepts from one user, others can read; clients read even what it should have refused."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tailwire.server.actions.rendering
import tailwire.wire.bounds
from fuzz.written import LISTS, Readers, decode_tolerantly, message_of, parse_strictly, value_of
from tailwire.sdk.io import reading
from tailwire.server.actions.raw_json import encode

REACT, KINDS = 7, 14


WORST = [b"9" * 6000, *(b"[" * depth + b"]" * depth for depth in (990, 940, 65)), b"1e999"]


def play(made: Readers, seed: int, rounds: int, worst: list[bytes] = WORST) -> None:
    """Write extreme values into every writable field, then random ones from a seed, and read after each."""
    chance = random.Random(seed)
    written = [(kind, value) for kind in range(KINDS) for value in worst]
    written += [(chance.randrange(KINDS), value_of(chance.randbytes(chance.randint(3, 24)))) for _ in range(rounds)]
    for n, (kind, value) in enumerate(written):
        try:
            made.write(kind, value)
            if n % 3 == 0 or value in worst[:1]:
                made.read()
        except AssertionError as error:
            raise AssertionError(f"{error}; seed {seed}, {n}: kind {kind}, {value[:100]!r}") from error
    made.read()


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def readers(tmp_path: Path):
    made: list[Readers] = []

    def make(read: Callable[[bytes], Any] = parse_strictly) -> Readers:
        made.append(Readers(tmp_path, read))
        return made[-1]

    yield make
    for one in made:
        one.close()


def remove_server_bounds(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tailwire.wire.bounds, "within_bounds", lambda text, depth=0: True)


def test_accepted_messages_are_readable_by_everyone(readers):
    play(readers(), 1, 20)


def test_missing_server_bounds_are_found(readers, monkeypatch):
    remove_server_bounds(monkeypatch)
    with pytest.raises(AssertionError, match="cannot be read"):
        play(readers(), 1, 0)


def plant_rendering_of_all_at_once(patch: pytest.MonkeyPatch) -> None:
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

    def with_more(row: Any, rendered: bytes, more: dict[str, Any]) -> bytes:
        fields = decode(rendered)
        fields["data"] = msgspec.Raw(encode({**decode(fields["data"]), **more}))
        return encode(fields)

    patch.setattr(tailwire.server.actions.rendering, "_with_more", with_more)


def skip_reading(text: bytes) -> Any:
    """Do nothing, for a run in which only the server can fail."""
    return {"data": [], "type": "presence", "body": {"user": {"uid": "nobody"}}}


def test_list_that_fails_for_one_message_is_found(readers, monkeypatch):
    remove_server_bounds(monkeypatch)
    made = readers(skip_reading)

    def write_and_read(number: int) -> None:
        made.write(0, value_of(bytes([1, 0, number])))
        made.write(REACT, b'"x"')
        made.read()

    mended = tailwire.server.actions.rendering._with_more
    plant_rendering_of_all_at_once(monkeypatch)
    for number in range(108, 8, -1):  # as deep as the server accepts
        try:
            write_and_read(number)
        except AssertionError as error:
            assert ": 500" in str(error)  # noqa: PT017 - which depth it is depends on the stack
            break
    else:
        pytest.fail("it was not found")
    monkeypatch.setattr(tailwire.server.actions.rendering, "_with_more", mended)
    write_and_read(number)


def read_as_the_client(text: bytes) -> Any:
    try:
        return reading.read_json(text)
    except reading.ExcessiveJson:
        return skip_reading(text)  # the client requests smaller pages


@pytest.fixture
def tolerant(monkeypatch):
    for path, decode in LISTS.items():
        if decode is message_of:
            monkeypatch.setitem(LISTS, path, decode_tolerantly)
    remove_server_bounds(monkeypatch)
    return monkeypatch


def test_client_reads_everything_that_a_server_without_bounds_sends(readers, tolerant):
    play(readers(read_as_the_client), 1, 10, WORST[:2])


def test_client_that_fails_on_a_number_is_found(readers, tolerant):
    tolerant.setattr(reading, "read_json", json.loads)
    with pytest.raises(AssertionError, match="cannot be read"):
        play(readers(read_as_the_client), 1, 0)
