"""The event log of a lab: ordered, bounded, and independent of slow listeners."""

from __future__ import annotations

import asyncio

import pytest

from tailwire.lab import event_log as module
from tailwire.lab.event_log import EventLog
from tailwire.sdk.io import clock
from tailwire.sdk.io.world import World

pytestmark = pytest.mark.virtual


@pytest.fixture(autouse=True)
def virtual_clock(monkeypatch):
    monkeypatch.setattr(clock, "seconds", lambda: asyncio.get_running_loop().time())


async def test_events_are_timed_on_the_clock_of_the_clients_which_runs_while_the_machine_sleeps(monkeypatch):
    asleep = 400 * 86_400.0  # before the lab began
    monkeypatch.setattr(clock, "seconds", lambda: asyncio.get_running_loop().time() + asleep)
    log = EventLog()
    assert log.begin == World().now()
    asleep += 3600  # while the lab ran
    log.add("typed", id="1")
    assert log.events[0]["at"] == log.now == 3600.0


async def test_events_are_kept_in_order_and_sent_to_listeners():
    log = EventLog()
    log.add("typed", id="1")
    queue = log.listen()
    await asyncio.sleep(2)
    log.add("says", keep=False, explain="…")
    log.add("handed", id="1")
    assert log.events == [{"at": 0.0, "kind": "typed", "id": "1"}, {"at": 2.0, "kind": "handed", "id": "1"}]
    assert [queue.get_nowait()["kind"] for _ in range(2)] == ["says", "handed"]
    log.close()
    assert queue.get_nowait() is None


async def test_log_keeps_the_newest_events():
    log = EventLog()
    for n in range(module.MAX_EVENTS + 10):
        log.add("typed", id=n)
    assert (len(log.events), log.events[0]["id"]) == (module.MAX_EVENTS, 10)


async def test_latest_states_of_the_server_and_the_phones_stay_however_many_events_follow():
    log = EventLog()
    old = [("server", None), ("switch", "alice"), ("transition", "alice"), ("switch", "bob"), ("transition", "bob")]
    for n in range(2):
        for kind, phone in old:
            log.add(kind, **({"phone": phone} if phone else {}), n=n)
    for n in range(module.MAX_EVENTS):
        log.add("typed", phone="alice", id=n)
    state, rest = log.events[: len(old)], log.events[len(old) :]
    assert [(e["kind"], e.get("phone"), e["n"]) for e in state] == [(kind, phone, 1) for kind, phone in old]
    assert [e["id"] for e in rest] == list(range(module.MAX_EVENTS))


async def test_page_that_is_opened_later_receives_what_each_client_said_last_in_its_place():
    log = EventLog()
    for explain in ("connecting", "connected"):
        for phone in ("alice", "bob"):
            log.add("says", keep=False, phone=phone, explain=explain)
    log.add("transition", phone="bob")
    says, transition = log.page_events[:2], log.page_events[2]
    assert [(e["phone"], e["explain"]) for e in says] == [("alice", "connected"), ("bob", "connected")]
    assert log.events == [transition]


async def test_queue_of_a_listener_that_does_not_read_ends_at_the_limit(monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING_EVENTS", 3)
    log = EventLog()
    queue = log.listen()
    for n in range(10):
        log.add("typed", id=n)
    assert queue.qsize() == 4  # three events, and the end of the queue
    assert [queue.get_nowait() for _ in range(4)][-1] is None


async def test_listeners_above_the_limit_are_refused():
    log = EventLog()
    for _ in range(module.MAX_LISTENERS):
        log.listen()
    with pytest.raises(RuntimeError, match="close one"):
        log.listen()
