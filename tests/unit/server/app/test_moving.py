"""When `tailwire migrate --follow` says that it is time to stop the server."""

from __future__ import annotations

import pytest

from tailwire.cli.migrate import _PassPrinter
from tailwire.server.app.moving import Pass, is_near


def passes(*measured: tuple[int, float]) -> list[Pass]:
    """Return passes with these numbers of rows and seconds."""
    done: list[Pass] = []
    for rows, seconds in measured:
        before = done[-1] if done else None
        done.append(Pass(len(done) + 1, rows, seconds, is_near(before, rows, seconds), False))
    return done


@pytest.mark.parametrize(
    ("measured", "near"),
    [
        ([(5, 9.0)], [True]),
        ([(90_000, 9.0)], [False]),
        (
            [(90_000, 9.0), (20_000, 3.0), (8_000, 2.9)],
            [False, False, True],
        ),  # a busy server, where passes become no shorter
        ([(90_000, 9.0), (200, 3.0), (5_000, 1.0)], [False, True, True]),  # once near, it stays near
    ],
)
def test_move_is_nearly_done_when_few_rows_have_changed_or_passes_become_no_shorter(
    measured: list[tuple[int, float]], near: list[bool]
):
    assert [done.near for done in passes(*measured)] == near


def test_time_to_stop_the_server_is_printed_once_with_the_remaining_duration(capsys: pytest.CaptureFixture[str]):
    printer = _PassPrinter()
    for done in passes((90_000, 9.0), (20_000, 1.2), (200, 1.2), (300, 1.2)):
        printer.print_pass(done)
    printer.print_pass(Pass(5, 7, 0.5, True, True))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if "Stop the server" in line] == [
        "Stop the server when you like; what is left takes about 4 s."
    ]
    assert lines[0] == "pass 1: 90,000 rows had changed, 9.0 s"
    assert lines[-1] == "last pass: 7 rows in 0.5 s"
    assert not any(line.startswith("pass 4") for line in lines)  # then one line a minute
