"""What is shed under load."""

from __future__ import annotations

import itertools
import random

import pytest

from tailwire.server.fanout.overload import TICK_SECONDS, Level, Overload
from tailwire.server.telemetry.metrics import Metrics


class Process:
    """A process whose event loop lags as a test says."""

    def __init__(self, lag: float = 0.1, most_sends: int = 100) -> None:
        self.now = 0.0
        self.metrics = Metrics()
        chance = random.Random(1)
        self.overload = Overload(self.metrics, lambda: self.now, chance.random, lag=lag, most_sends=most_sends)
        self.changes: list[tuple[int, int]] = []
        self.overload.listen(lambda before, now: self.changes.append((int(before), int(now))))
        self.overload.tick()

    def pass_time(self, seconds: float, late: float = 0.0) -> None:
        for _ in range(max(1, round(seconds / (TICK_SECONDS + late)))):
            self.now += TICK_SECONDS + late
            self.overload.tick()


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.mark.parametrize(("late", "level"), [(0.05, 0), (0.15, 1), (0.25, 2), (0.35, 3), (0.5, 4), (30.0, 4)])
def test_lag_of_the_event_loop_decides_which_frames_are_shed(process: Process, late: float, level: int):
    process.pass_time(20 * (TICK_SECONDS + late), late)
    assert process.overload.level == level
    assert process.overload.shed_names == ["typing", "presence", "receipts"][: min(level, 3)]
    assert process.metrics.overload_level == level
    assert [process.overload.sheds(w) for w in (Level.TYPING, Level.PRESENCE, Level.RECEIPTS)] == [
        level >= 1, level >= 2, level >= 3,
    ]  # fmt: skip
    assert sum(process.metrics.shed.values()) == min(level, 3)


def test_overload_level_falls_from_four_to_zero_within_five_seconds_after_the_lag(process: Process):
    process.pass_time(20, 0.9)
    assert process.overload.level == 4
    process.pass_time(5)
    assert process.overload.level == 0
    assert process.changes[-4:] == [(4, 3), (3, 2), (2, 1), (1, 0)]


def test_single_short_stall_of_the_event_loop_does_not_raise_the_overload_level(process: Process):
    process.pass_time(TICK_SECONDS, 0.2)
    process.pass_time(5)
    assert process.changes == []


def test_single_stall_of_an_hour_raises_the_overload_level_as_little_as_one_of_a_second():
    rises = []
    for seconds in (1.0, 3600.0):
        process = Process()
        process.pass_time(TICK_SECONDS, seconds)
        rises.append(process.changes.copy())
        process.pass_time(5)
        assert process.overload.level == 0
    assert rises[0] == rises[1]
    assert max(now for _, now in rises[1]) < Level.SENDS


def test_excess_sends_are_refused_with_a_retry_time(process: Process):
    overload = process.overload
    doing = [overload.sending for _ in range(100)]
    for one in doing:
        assert overload.seconds_until_allowed() == 0
        one.__enter__()
    waits = [overload.seconds_until_allowed() for _ in range(200)]
    assert set(waits) <= {1, 2, 3, 4, 5}
    assert process.metrics.sends_refused == 200
    process.pass_time(2)
    assert overload.level >= Level.RECEIPTS  # sends in progress count, not only lag
    for _ in range(20):
        assert overload.seconds_until_allowed() > 0
        process.pass_time(TICK_SECONDS)
    assert {overload.seconds_until_allowed() for _ in range(200)} == {
        1,
        2,
        3,
        4,
        5,
    }  # random, and longer with more refusals
    for one in doing[10:]:
        one.__exit__(None, None, None)
    assert overload.seconds_until_allowed() > 0  # 100 are allowed in a burst, 10 sustained
    doing[0].__exit__(None, None, None)
    assert overload.seconds_until_allowed() == 0
    process.pass_time(30)
    assert {overload.retry_after() for _ in range(200)} == {1}  # short again without refusals


def test_short_burst_of_sends_does_not_raise_the_overload_level(process: Process):
    doing = [process.overload.sending for _ in range(100)]
    for one in doing:
        assert process.overload.seconds_until_allowed() == 0
        one.__enter__()
    process.pass_time(TICK_SECONDS)
    for one in doing:
        one.__exit__(None, None, None)
    process.pass_time(2)
    assert process.changes == []
    assert process.overload._allowed == 100


def test_failed_send_is_no_longer_counted(process: Process):
    with pytest.raises(ZeroDivisionError), process.overload.sending:
        raise ZeroDivisionError
    assert process.overload._sending == 0


def test_lag_reduces_the_allowed_sends_but_never_to_zero():
    process = Process(most_sends=1000)
    overload = process.overload
    process.pass_time(100, 0.9)
    doing = [overload.sending for _ in range(16)]
    for one in doing:
        assert overload.seconds_until_allowed() == 0
        one.__enter__()
    assert overload.seconds_until_allowed() > 0
    process.pass_time(20)
    assert overload.seconds_until_allowed() == 0
    assert overload._allowed == 1000


def test_allowed_sends_rise_again_step_by_step_up_to_the_maximum():
    process = Process(most_sends=1000)
    process.pass_time(100, 0.9)
    allowed = [process.overload._allowed]
    while allowed[-1] < 1000:
        process.pass_time(TICK_SECONDS)
        allowed.append(process.overload._allowed)
        assert len(allowed) < 300, "it does not recover"
    rising = allowed[len(allowed) - 1 - allowed[::-1].index(min(allowed)) :]
    assert all(before < now <= before * 1.05 + 1 for before, now in itertools.pairwise(rising))
    process.pass_time(TICK_SECONDS)
    assert process.overload._allowed == 1000


def test_overload_level_rises_by_several_at_once_and_falls_by_one_at_a_time(process: Process):
    process.pass_time(TICK_SECONDS, 30.0)
    ((before, risen),) = process.changes
    assert (before, risen > 1) == (0, True)
    process.pass_time(30)
    assert process.changes[1:] == [(level, level - 1) for level in range(risen, 0, -1)]


def test_without_limits_nothing_is_shed():
    process = Process(lag=0.0, most_sends=0)
    for _ in range(5000):
        assert process.overload.seconds_until_allowed() == 0
        process.overload.sending.__enter__()
    process.pass_time(20, 0.9)
    assert process.overload.level == 0


def test_retry_times_stay_short_while_few_of_many_sends_are_refused(process: Process):
    overload = process.overload
    assert {overload.retry_after() for _ in range(200)} == {1}  # before anything was refused
    for _ in range(50):
        for _ in range(99):
            with overload.sending:
                pass
        overload.set(Level.NONE, sends=0)
        assert overload.seconds_until_allowed() > 0
        overload.set(Level.NONE)
        process.pass_time(TICK_SECONDS)
    assert {overload.retry_after() for _ in range(200)} == {1}


def test_start_and_end_of_an_overload_are_logged_but_not_each_level(process: Process, caplog: pytest.LogCaptureFixture):
    process.pass_time(5, 0.15)
    process.pass_time(20, 0.9)
    process.pass_time(10)
    assert len(process.changes) > 2
    assert [" ".join(record.getMessage().split()[:2]) for record in caplog.records] == [
        "overload begins", "overload is",
    ]  # fmt: skip
