"""A dump is loaded, and replays to the same states."""

from __future__ import annotations

import json
import random

import pytest

from tailwire.sdk.connection import inputs as i
from tailwire.sdk.connection.causes import Cause
from tailwire.sdk.connection.explain import describe, explain
from tailwire.sdk.connection.history import BadDump, History, load_dump
from tailwire.sdk.connection.machine import step
from tailwire.sdk.connection.state import AppState, ConnectionStatus, Mode, Phase, State, next_deadline
from tailwire.testing.explore import possible_events, start_states


def walk(seed: int, steps: int) -> tuple[History, State]:
    chance = random.Random(seed)
    state = State(mode=chance.choice(list(Mode)))
    history, now = History(state), 100.0
    for _ in range(steps):
        _, happened, _ = chance.choice(list(possible_events(state)))
        due = next_deadline(state)
        now = max(now, due or now) if isinstance(happened, i.TimerFired) else now + chance.random()
        rolled = chance.random()
        after, _ = step(state, happened, now, rolled)
        history.record(state, happened, now, rolled, after)
        state = after
        explain(state, now)
    return history, state


@pytest.mark.parametrize("seed", range(30))
def test_dump_replays_to_the_same_state(seed: int):
    history, end = walk(seed, 200)
    state, recorded = load_dump(json.loads(json.dumps(history.dump())))
    for r in recorded:
        state, _ = step(state, r.happened, r.at, r.chance)
    assert state == end
    assert len(recorded) == 200


def test_history_is_bounded_and_keeps_the_last_inputs():
    history, end = walk(1, 3000)
    assert len(history.transitions) <= 100
    state, recorded = load_dump(history.dump())
    assert len(recorded) == 1000
    for r in recorded:
        state, _ = step(state, r.happened, r.at, r.chance)
    assert state == end


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"format": 2},
        {"format": 1, "state": {}, "inputs": []},
        {"format": 1, "state": None, "inputs": []},
        {"format": 1, "state": [], "inputs": [{"at": 1}]},
    ],
)
def test_invalid_dumps_are_refused(broken):
    with pytest.raises(BadDump):
        load_dump(broken)


def test_unknown_input_of_a_dump_is_named():
    history, _ = walk(1, 1)
    dump = history.dump()
    dump["inputs"][0]["input"] = "Cause"
    with pytest.raises(BadDump, match="input 1: 'Cause' is unknown"):
        load_dump(dump)


def test_every_cause_and_every_start_state_is_explained():
    assert all(describe(cause) for cause in Cause)
    for start in start_states():
        assert explain(start, 0.0).startswith("disconnected: ")
    background = State(app=AppState.BACKGROUND)
    logged_in, _ = step(background, i.LoggedIn(), 0.0, 0.0)
    assert explain(logged_in, 41.0) == (
        "disconnected: the app is in the background and auto mode closes the socket there; "
        "it reconnects when the app returns to the foreground"
    )


def test_value_other_than_an_object_is_not_a_dump():
    for other in (None, [], "dump", 1):
        with pytest.raises(BadDump, match="not a JSON object"):
            load_dump(other)


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("attempts", "many", "attempts: 'many' is not int"),
        ("throttled", "yes", "throttled: 'yes' is not bool"),
        ("pings", ["first"], r"pings: \('first',\) is not"),
        ("opened_at", 1e300, "opened_at: 1e[+]300 is not a time"),
        ("opened_at", float("nan"), "opened_at: nan is not a time"),
        ("phase", "flying", "not a dump"),
        ("unknown", 1, "not a dump"),
    ],
)
def test_dump_with_a_value_of_another_type_is_refused_by_name(key, value, problem):
    dump = History(State()).dump()
    dump["state"] = {**dump["state"], key: value}
    with pytest.raises(BadDump, match=problem):
        load_dump(dump)


def test_history_without_steps_is_loaded_with_its_first_state():
    state, recorded = load_dump(json.loads(json.dumps(History(State(mode=Mode.MANUAL)).dump())))
    assert (state, recorded) == (State(mode=Mode.MANUAL), [])


def test_only_steps_that_change_phase_status_or_epoch_are_transitions():
    history, before = History(State()), State()
    assert history.record(before, i.LoggedIn(), 1.0, 0.5, State(attempts=3)) is None
    for after in (State(phase=Phase.WAITING), State(status=ConnectionStatus.CONNECTING), State(epoch=1)):
        made = history.record(before, i.LoggedIn(), 1.0, 0.5, after)
        assert (made.status, made.phase, made.epoch) == (after.status, after.phase, after.epoch)
    assert len(history.transitions) == 3
