"""Silent sockets: they are pinged before they are cut, and a slow line is not a dead one."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tailwire.server.gateway.liveness import LivenessCheck
from unit.server.gateway.fake_sockets import FakeSocket

LIMIT = 60.0


def dead(socket: FakeSocket, now: float) -> bool:
    return LivenessCheck(LIMIT).is_dead(cast(Any, socket), now)


def test_socket_is_pinged_once_three_quarters_of_the_limit_have_passed_in_silence():
    socket = FakeSocket("alice")
    assert not dead(socket, 45.0)
    assert socket.pings == 0
    assert not dead(socket, 46.0)
    assert not dead(socket, 46.0)
    assert socket.pings == 1
    assert [(event.kind, event.detail) for event in socket.history] == [("pinged", "silent for 46 s")]


def test_socket_that_does_not_answer_its_ping_is_dead_after_the_rest_of_the_limit():
    socket = FakeSocket("alice")
    dead(socket, 46.0)
    assert not dead(socket, 61.0)
    assert dead(socket, 61.5)


def test_socket_that_was_not_checked_for_long_is_pinged_before_it_is_cut():
    socket = FakeSocket("alice")
    assert not dead(socket, 500.0)
    assert socket.pings == 1
    assert not dead(socket, 515.0)
    assert dead(socket, 516.0)


def test_socket_that_answered_is_pinged_again_in_its_next_silence():
    socket = FakeSocket("alice")
    dead(socket, 46.0)
    socket.heard_at = 47.0
    assert not dead(socket, 62.0)
    assert not dead(socket, 93.0)
    assert socket.pings == 2
    assert not dead(socket, 108.0)
    assert dead(socket, 109.0)


def test_answer_to_an_earlier_ping_does_not_count_for_a_later_silence():
    """Even if no check was made between the answer and the next silence."""
    socket = FakeSocket("alice")
    dead(socket, 46.0)
    socket.heard_at = 47.0
    assert not dead(socket, 93.0)
    assert socket.pings == 2


def test_socket_is_not_dead_while_bytes_written_before_its_ping_are_still_being_sent():
    socket = FakeSocket("alice")
    socket.transport.waiting = 1000
    dead(socket, 46.0)
    for now in range(60, 300, 14):
        socket.transport.waiting -= 50
        assert not dead(socket, now)
    last = now
    assert not dead(socket, last + 15.0)
    assert dead(socket, last + 16.0)


def test_bytes_written_after_a_ping_do_not_extend_the_time_to_answer_it():
    socket = FakeSocket("alice")
    socket.transport.waiting = 10
    dead(socket, 46.0)
    socket.transport.waiting = 0
    assert not dead(socket, 60.0)
    # Bytes that leave from now on were written after the ping, so the count falls below 0.
    for now in (65.0, 70.0, 75.0):
        socket.transport.waiting -= 100
        assert not dead(socket, now)
    socket.transport.waiting -= 100
    assert dead(socket, 75.5)


@pytest.mark.parametrize("limit", [20.0, 60.0])
def test_dead_socket_is_found_within_the_limit_and_one_check(limit: float):
    socket, check = FakeSocket("alice"), LivenessCheck(limit)
    now = 0.0
    while not check.is_dead(cast(Any, socket), now):
        now += 0.5
    assert limit <= now <= limit + 1.5
