"""A healthy connection is never cut, and middleboxes do not make messages fail: short plans that found a defect."""

from __future__ import annotations

import pytest

from tailwire.testing.simulation import Plan, Step, simulate

A_DEAD_FIRST_ADDRESS = Plan(4, (
    Step(1.0, "network", "names", "dead"),
    Step(1.0, "carol-phone", "drop"),
    Step(60.0, "carol-phone", "must be connected"),
    Step(1.0, "network", "restore"),
))  # fmt: skip

A_CATCH_UP_OVER_CUTS = Plan(22, (
    Step(1.0, "carol-phone", "close"),
    Step(5.0, "alice-phone", "letters", 300),
    Step(60.0, "carol-phone", "line", [8_000, 8_000, 1.0, 0.1]),
    Step(1.0, "carol-phone", "start"),
    *(Step(8.0, "carol-phone", "drop") for _ in range(8)),
    Step(8.0, "carol-phone", "must have received all"),
    Step(1.0, "network", "restore"),
))  # fmt: skip


A_LISTENING_CLIENT = Plan(8, (
    Step(1.0, "carol-phone", "chatter", [300.0, 5.0]),
    Step(400.0, "network", "restore"),
))  # fmt: skip


A_PING_BEHIND_AN_UPLOAD = Plan(22, (
    Step(1.0, "alice-phone", "chatter", [90.0, 12.0]),
    Step(1.0, "carol-phone", "line", [64_000, 64_000, 5.0, 0.05, 1]),
    Step(0.0, "carol-phone", "upload", 2_000_000),
    Step(120.0, "network", "restore"),
))  # fmt: skip


def test_listening_clients_in_a_busy_chat_stay_connected():
    simulate(A_LISTENING_CLIENT)


def test_catch_up_over_a_slow_line_does_not_cut_the_connection():
    simulate(Plan(22, (
        Step(1.0, "carol-phone", "close"),
        Step(5.0, "alice-phone", "letters", 300),
        Step(60.0, "carol-phone", "line", [8_000, 8_000, 5.0, 0.1]),
        Step(1.0, "carol-phone", "start"),
        Step(300.0, "network", "restore"),
    )))  # fmt: skip


def test_catch_up_pages_survive_a_reconnect():
    simulate(A_CATCH_UP_OVER_CUTS)


def test_upload_that_fills_the_line_does_not_cut_the_connection():
    simulate(Plan(22, (
        Step(1.0, "carol-phone", "line", [32_000, 32_000, 5.0, 0.05]),
        Step(1.0, "carol-phone", "upload", 2_000_000),
        Step(200.0, "network", "restore"),
    )))  # fmt: skip


def test_slow_upload_piece_does_not_cut_the_connection():
    # Between two pieces this process cannot see that the line moves; the operating system can.
    simulate(Plan(314, (
        Step(1.0, "alice-desk", "chatter", [1200.0, 5.0]),
        Step(0.0, "alice-desk", "line", [1_200, 1_200, 5.0, 0.2]),
        Step(600.0, "alice-desk", "upload", 200_000),
        Step(600.0, "network", "restore"),
    )))  # fmt: skip


def test_round_trip_of_three_seconds_does_not_cut_the_connection():
    simulate(Plan(22, (
        Step(1.0, "carol-phone", "line", [60_000, 60_000, 0.5, 1.6]),
        Step(300.0, "network", "restore"),
    )))  # fmt: skip


@pytest.mark.parametrize("kind", ["redirect", "page", "511", "broken gzip", "json"])
def test_messages_queued_behind_a_portal_are_sent_later(kind):
    simulate(Plan(13, (
        Step(1.0, "carol-phone", "portal", [kind, "reset"]),
        Step(1.0, "carol-phone", "queue", "bob"),
        Step(50.0, "carol-phone", "portal off"),
        Step(60.0, "network", "restore"),
    )))  # fmt: skip


def test_retry_after_of_a_proxy_does_not_delay_for_an_hour():
    simulate(Plan(13, (
        Step(1.0, "carol-phone", "proxy", ["busy"]),
        Step(1.0, "carol-phone", "queue", "bob"),
        Step(6.0, "carol-phone", "proxy off"),
        Step(120.0, "network", "restore"),
    )))  # fmt: skip


def test_ping_queued_behind_an_upload_that_a_proxy_acknowledged_does_not_cut_the_connection():
    simulate(A_PING_BEHIND_AN_UPLOAD)


def test_dead_first_address_does_not_prevent_a_connection():
    simulate(A_DEAD_FIRST_ADDRESS)
